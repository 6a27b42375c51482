//! News that a worker has left are heard while it is in a long kernel and the other worker is never out of work.

use core::time::Duration;
use prewire_platform::{Host, LaneId, LaneStatus, Lanes, Token, Work};
use prewire_sim::{Sim, SimConfig};
use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

/// As many sub-tasks as follow each other on one core: some seconds of them.
const STREAM: u32 = 40_000;

/// One core runs a stream of brief sub-tasks. Another has two, of which the second, long one waits unseen for what the host
/// dispatches once the first has ended.
#[derive(Default)]
struct Beside {
    sim: OnceLock<Weak<Sim>>,
    driving: Mutex<()>,
    asked: AtomicBool,
    stream: AtomicU32,
    streams_on_one: AtomicBool,
    is_sent: AtomicBool,
    has_run: AtomicBool,
    is_over: AtomicBool,
}

impl Beside {
    fn drive(&self, sim: &Sim) {
        let mut news = sim.take_news(0);
        while let Some(lane) = news.pop() {
            match (lane.0, sim.status(lane)) {
                (0, LaneStatus::Running(Token(3)) | LaneStatus::Finished(_))
                    if !self.is_sent.swap(true, Ordering::Relaxed) =>
                {
                    sim.dispatch(LaneId(6), Token(2), Work { slot: 2, block: 0, place: 0 });
                }
                (3, LaneStatus::Finished(Token(token))) => {
                    let block = self.stream.fetch_add(1, Ordering::Relaxed);
                    if block < STREAM {
                        sim.dispatch(LaneId(3), Token(5 - token), Work { slot: 3, block, place: 0 });
                    }
                }
                _ => {}
            }
        }
    }
}

fn spin(time: Duration, over: impl Fn() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < time && !over() {
        core::hint::spin_loop();
    }
}

impl Host for Beside {
    fn execute(&self, _: LaneId, work: Work) {
        match work.slot {
            0 => {}
            1 => {
                spin(Duration::from_secs(20), || self.has_run.load(Ordering::Relaxed));
                self.is_over.store(true, Ordering::Relaxed);
            }
            2 => self.has_run.store(true, Ordering::Relaxed),
            _ => {
                let on_one = std::thread::current().name() == Some("prewire-sim-1");
                self.streams_on_one.store(on_one, Ordering::Relaxed);
                spin(Duration::from_micros(50), || false);
            }
        }
    }

    fn poll(&self, domain: u16) {
        let Some(sim) = self.sim.get().and_then(Weak::upgrade).filter(|_| domain == 0) else { return };
        // ORDERING: SeqCst, "asked"; pairs with the load and the store below: who finds the host driven has asked before.
        self.asked.store(true, Ordering::SeqCst);
        // ORDERING: SeqCst, "asked"; pairs with the store above.
        while self.asked.load(Ordering::SeqCst) {
            let Ok(_driving) = self.driving.try_lock() else { return };
            // ORDERING: SeqCst, "asked"; pairs with the store above.
            self.asked.store(false, Ordering::SeqCst);
            self.drive(&sim);
        }
    }

    fn has_ready(&self, _: u16) -> bool {
        false
    }

    fn quiescent(&self) {}
}

fn wait_until(over: impl Fn() -> bool) {
    while !over() {
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

#[test]
fn news_left_beside_a_worker_that_is_never_idle_are_heard() {
    let config = SimConfig::default().threads(2).max_threads(4).grow_after(Duration::from_millis(20));
    // Not each time is the stream on the worker that comes into this thread's way least.
    for _ in 0..100 {
        let sim = Sim::new(prewire_a2a3::a2a3(), config.clone()).unwrap();
        let host = Arc::new(Beside::default());
        host.sim.set(Arc::downgrade(&sim)).unwrap();
        sim.start(host.clone()).unwrap();
        sim.dispatch(LaneId(3), Token(2), Work { slot: 3, block: 0, place: 0 });
        sim.kick();
        wait_until(|| host.stream.load(Ordering::Relaxed) >= 100);
        let on_one = host.streams_on_one.load(Ordering::Relaxed);
        if on_one {
            sim.dispatch(LaneId(0), Token(2), Work { slot: 0, block: 0, place: 0 });
            sim.dispatch(LaneId(0), Token(3), Work { slot: 1, block: 0, place: 0 });
            sim.kick();
            wait_until(|| host.is_over.load(Ordering::Relaxed));
            assert!(host.has_run.load(Ordering::Relaxed), "what was left was never heard");
            assert!(host.stream.load(Ordering::Relaxed) < STREAM, "it waited for the whole stream");
        }
        sim.stop();
        if on_one {
            return;
        }
    }
}
