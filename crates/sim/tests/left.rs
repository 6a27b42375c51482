//! What a worker in a long kernel has left behind, news of what it ran before and a core in its queue, gets on although the
//! other worker is never out of work.

use core::time::Duration;
use prewire_os::Event;
use prewire_platform::{Host, LaneId, LaneSet, LaneStatus, Lanes, Token, Work};
use prewire_sim::{Sim, SimConfig};
use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use prewire_test_support::Watchdog;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

const LIMIT: Duration = Duration::from_secs(120);

/// Slots: each of two workers runs one of these, until both have begun.
const MEET: u32 = 0;
/// What the one worker runs before the long one.
const BRIEF: u32 = 1;
/// Waits, unseen, until [`AWAITED`] has run.
const LONG: u32 = 2;
const AWAITED: u32 = 3;
/// What the other worker runs, again and again.
const STREAM: u32 = 4;

/// What the worker in the long kernel has left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// That [`BRIEF`] has ended, which is what the host dispatches [`AWAITED`] for.
    News,
    /// The core with [`AWAITED`], in its queue.
    Core,
}

/// What the other worker has to do.
#[derive(Clone, Copy)]
struct Stream {
    length: u32,
    /// Of the domain of the other worker's long kernel, or of another one.
    domain: u16,
    /// On so many cores at a time.
    cores: u32,
    /// Each sub-task, unless what is awaited has run.
    takes: Duration,
}

/// The worker in the long kernel begins on the core 0, and what it leaves behind is of the domain 0. The other one begins on
/// the core 1, of the domain 1. The stream is on every third core from 6 or 7 on.
struct Beside {
    sim: OnceLock<Weak<Sim>>,
    behind: Behind,
    stream: Stream,
    domains: [Domain; 3],
    begun: AtomicU32,
    is_long: AtomicBool,
    /// Sub-tasks of the stream that were dispatched, and that have begun.
    sent: AtomicU32,
    streamed: AtomicU32,
    /// How many of them had begun when what is awaited ran, and whether it has.
    ran_at: AtomicU32,
    has_run: AtomicBool,
    progress: Event,
}

#[derive(Default)]
struct Domain {
    driving: Mutex<()>,
    asked: AtomicBool,
}

impl Beside {
    fn new(behind: Behind, stream: Stream) -> Arc<Self> {
        Arc::new(Self {
            sim: OnceLock::new(),
            behind,
            stream,
            domains: Default::default(),
            begun: AtomicU32::new(0),
            is_long: AtomicBool::new(false),
            sent: AtomicU32::new(0),
            streamed: AtomicU32::new(0),
            ran_at: AtomicU32::new(0),
            has_run: AtomicBool::new(false),
            progress: Event::new(),
        })
    }

    fn drive(&self, sim: &Sim, domain: u16) {
        let LaneSet(mut news) = sim.take_news(domain);
        while news != 0 {
            let lane = LaneId(news.trailing_zeros() as u16);
            news &= news - 1;
            match (domain, lane.0, sim.status(lane)) {
                (0, 0, LaneStatus::Finished(Token(2))) if self.behind == Behind::News => {
                    dispatch(sim, 0, 3, BRIEF);
                    dispatch(sim, 0, 4, LONG);
                }
                (0, 0, LaneStatus::Finished(Token(2))) => {
                    dispatch(sim, 0, 3, LONG);
                    dispatch(sim, 3, 2, AWAITED);
                }
                (0, 0, LaneStatus::Running(Token(4))) => dispatch(sim, 3, 2, AWAITED),
                (1, 1, LaneStatus::Finished(Token(2))) => {
                    let first = 6 + self.stream.domain;
                    (0..self.stream.cores).for_each(|core| self.go_on(sim, first + 3 * core as u16, 2));
                }
                (_, 6.., LaneStatus::Finished(Token(token))) => self.go_on(sim, lane.0, 5 - token),
                _ => {}
            }
        }
    }

    /// The next sub-task of the stream.
    fn go_on(&self, sim: &Sim, lane: u16, token: u32) {
        let sent = self.sent.load(Ordering::Relaxed);
        if sent < self.stream.length {
            self.sent.store(sent + 1, Ordering::Relaxed);
            dispatch(sim, lane, token, STREAM);
        }
    }

    fn wait_for(&self, over: impl Fn() -> bool) {
        assert!(self.progress.wait_until(Some(LIMIT), || over().then_some(())).is_some());
    }
}

fn dispatch(sim: &Sim, lane: u16, token: u32, slot: u32) {
    sim.dispatch(LaneId(lane), Token(token), Work { slot, block: 0, place: 0 });
}

impl Host for Beside {
    fn execute(&self, _: LaneId, work: Work) {
        match work.slot {
            MEET => {
                self.begun.fetch_add(1, Ordering::Relaxed);
                self.progress.notify_all();
                self.wait_for(|| self.begun.load(Ordering::Relaxed) == 2);
            }
            LONG => {
                self.is_long.store(true, Ordering::Relaxed);
                self.progress.notify_all();
                self.wait_for(|| self.has_run.load(Ordering::Relaxed));
            }
            AWAITED => {
                self.ran_at.store(self.streamed.load(Ordering::Relaxed), Ordering::Relaxed);
                self.has_run.store(true, Ordering::Relaxed);
                self.progress.notify_all();
            }
            STREAM => {
                self.wait_for(|| self.is_long.load(Ordering::Relaxed));
                self.streamed.fetch_add(1, Ordering::Relaxed);
                let begun = Instant::now();
                while begun.elapsed() < self.stream.takes && !self.has_run.load(Ordering::Relaxed) {
                    core::hint::spin_loop();
                }
            }
            _ => {}
        }
    }

    fn poll(&self, domain: u16) {
        let Some(sim) = self.sim.get().and_then(Weak::upgrade) else { return };
        let Domain { driving, asked } = &self.domains[usize::from(domain)];
        // ORDERING: SeqCst, "asked"; pairs with the load and the store below: who finds the host driven has asked before.
        asked.store(true, Ordering::SeqCst);
        // ORDERING: SeqCst, "asked"; pairs with the store above.
        while asked.load(Ordering::SeqCst) {
            let Ok(_driving) = driving.try_lock() else { return };
            // ORDERING: SeqCst, "asked"; pairs with the store above.
            asked.store(false, Ordering::SeqCst);
            self.drive(&sim, domain);
        }
    }

    fn has_ready(&self, _: u16) -> bool {
        false
    }

    fn quiescent(&self) {}
}

/// Has one worker go into the long kernel while the other one has its stream: how much of that had begun when what is
/// awaited ran.
fn run(config: SimConfig, behind: Behind, stream: Stream) -> u32 {
    let _dog = Watchdog::new(LIMIT);
    let sim = Sim::new(prewire_a2a3::a2a3(), config).unwrap();
    let host = Beside::new(behind, stream);
    host.sim.set(Arc::downgrade(&sim)).unwrap();
    sim.start(host.clone()).unwrap();
    (0..2).for_each(|lane| dispatch(&sim, lane, 2, MEET));
    sim.kick();
    host.wait_for(|| host.has_run.load(Ordering::Relaxed));
    sim.stop();
    host.ran_at.load(Ordering::Relaxed)
}

/// Two workers, and nobody who looks whether they get anywhere.
fn unwatched() -> SimConfig {
    SimConfig::default().threads(2).max_threads(2)
}

/// Many turns of brief sub-tasks.
fn brief(domain: u16) -> Stream {
    Stream { length: 100_000, domain, cores: 1, takes: Duration::ZERO }
}

#[test]
fn news_left_beside_a_worker_that_is_never_idle_are_heard() {
    for domain in [0, 1] {
        let stream = brief(domain);
        assert!(run(unwatched(), Behind::News, stream) < stream.length, "domain {domain}: nobody had a turn");
    }
}

#[test]
fn news_left_beside_a_worker_that_gives_no_turn_for_long_are_told_by_the_watchman() {
    // Fewer than a turn, and each done before he takes anybody for stuck.
    let stream = Stream { length: 250, domain: 0, cores: 1, takes: Duration::from_millis(1) };
    let config = SimConfig::default().threads(2).max_threads(3).grow_after(Duration::from_millis(5));
    let ran_at = run(config, Behind::News, stream);
    assert!(ran_at < stream.length, "nobody told what was left");
}

#[test]
fn a_core_queued_behind_a_long_kernel_is_taken_when_a_turn_is_over() {
    let stream = brief(1);
    let ran_at = run(unwatched(), Behind::Core, stream);
    assert!(ran_at < stream.length, "the other worker looked at its own queue alone");
}

#[test]
fn a_core_queued_behind_a_long_kernel_is_taken_between_others_that_take_long() {
    // More than what gathers in a backlog, so that each is claimed for itself.
    let stream = Stream { length: 6, domain: 1, cores: 6, takes: Duration::from_micros(50) };
    let ran_at = run(unwatched(), Behind::Core, stream);
    assert!(ran_at < stream.length, "the other worker emptied its own queue first");
}

/// The core 0 is of the domain 0, the core 1 of the domain 1. The second one finds the news of the first heard.
#[derive(Default)]
struct Pair {
    sim: OnceLock<Weak<Sim>>,
    heard: AtomicBool,
    found: OnceLock<bool>,
    progress: Event,
}

impl Host for Pair {
    fn execute(&self, _: LaneId, work: Work) {
        if work.slot == 1 {
            let _ = self.found.set(self.heard.load(Ordering::Relaxed));
            self.progress.notify_all();
        }
    }

    fn poll(&self, domain: u16) {
        let Some(sim) = self.sim.get().and_then(Weak::upgrade) else { return };
        if !sim.take_news(domain).is_empty() && domain == 0 {
            self.heard.store(true, Ordering::Relaxed);
        }
    }

    fn has_ready(&self, _: u16) -> bool {
        false
    }

    fn quiescent(&self) {}
}

#[test]
fn news_left_in_one_domain_are_heard_before_a_core_of_another_runs() {
    let _dog = Watchdog::new(LIMIT);
    let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().threads(1).max_threads(1)).unwrap();
    let host = Arc::new(Pair::default());
    host.sim.set(Arc::downgrade(&sim)).unwrap();
    sim.start(host.clone()).unwrap();
    (0..2).for_each(|lane| dispatch(&sim, lane, 2, u32::from(lane)));
    sim.kick();
    let found = host.progress.wait_until(Some(LIMIT), || host.found.get().copied());
    assert_eq!(found, Some(true), "they were left behind in the domain that it came from");
    sim.stop();
}
