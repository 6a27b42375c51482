//! A chip whose every thread is shuttle's: an orchestrator, three scheduler domains with a thread each, and a thread for
//! each core. A core does what the worker of a simulator does: it runs what it has, reports, and polls its domain.

use std::sync::{Arc, Mutex};

use prewire_orchestrator::Record;
use prewire_os::Event;
use prewire_platform::{Awaited, ChipSpec, Limits, Poll, Registers, Tokens, Wait, WaitEnd, Work};
use prewire_ring::{Ready, Rings, SlotRef, Verdict};
use prewire_scheduler::{Env, Progress, Scheduler};
use prewire_sync::atomic::{AtomicBool, Ordering};
use shuttle::thread::{self, JoinHandle};

use crate::cores::Cores;
use crate::ledger::Ledger;
use crate::program::{Fate, Program};

/// A chip of `clusters`, whose registers nobody reads: of one scheduler domain, which completes all tasks alone, if their number
/// is even, else of three.
pub(crate) fn spec(clusters: u16) -> ChipSpec {
    ChipSpec {
        name: "drawn",
        clusters,
        domains: if clusters.is_multiple_of(2) { 1 } else { 3 },
        limits: Limits { task_tensors: 8, task_scalars: 4, blocks: 64 },
        registers: Registers { block_bytes: 64, dispatch: 0, condition: 4, fast_path: None },
        tokens: Tokens {
            finished_bit: 1 << 31,
            // Soon reached, so that tokens start over.
            exit: 12,
            dispatch_idle: 0x7FFF_FFFD,
            core_idle: 0x7FFF_FFFF,
            core_exited: 0x7FFF_FFFE,
        },
        counter_hz: 1,
    }
}

/// What the threads share.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) program: Arc<Program>,
    pub(crate) rings: Arc<Rings>,
    pub(crate) ready: Arc<Ready>,
    cores: Arc<Cores>,
    scheduler: Scheduler<Cores>,
    /// Never held over an operation at which shuttle may change threads.
    pub(crate) ledger: Mutex<Ledger>,
    /// What all polls did together.
    done: Mutex<Progress>,
    /// Where the orchestrator waits for completions.
    progress: Event,
    /// Where the threads of the domains wait for something to become ready.
    published: Event,
    /// Where sub-tasks wait for those that start together with them.
    meeting: Event,
    /// Tasks that are held back, and whether each is to be let go. As the ledger's, the lock is held briefly.
    held: Mutex<Vec<(SlotRef, bool)>>,
    /// Where the look-out waits for one.
    lookout: Event,
    /// The threads are to end. Written by the orchestrator.
    stop: AtomicBool,
}

impl Machine {
    pub(crate) fn new(program: Arc<Program>, rings: Arc<Rings>, ready: Arc<Ready>) -> Self {
        let spec = spec(program.clusters);
        let cores = Arc::new(Cores::new(spec));
        let scheduler = Scheduler::new(spec, Arc::clone(&rings), Arc::clone(&ready), Arc::clone(&cores));
        if program.idle_only {
            scheduler.use_idle_lanes_only();
        }
        Self {
            held: Mutex::default(),
            lookout: Event::new(),
            ledger: Mutex::new(Ledger::new(&program)),
            program,
            rings,
            ready,
            cores,
            scheduler,
            done: Mutex::default(),
            progress: Event::new(),
            published: Event::new(),
            meeting: Event::new(),
            stop: AtomicBool::new(false),
        }
    }

    /// Starts the threads of the domains and the cores.
    pub(crate) fn start(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let spec = spec(self.program.clusters);
        let domain = |domain| {
            let machine = Arc::clone(self);
            thread::spawn(move || machine.run_domain(domain))
        };
        let core = |lane| {
            let machine = Arc::clone(self);
            thread::spawn(move || machine.run_core(lane))
        };
        let machine = Arc::clone(self);
        let lookout = thread::spawn(move || machine.run_lookout());
        self.domains().map(domain).chain((0..spec.cores()).map(core)).chain([lookout]).collect()
    }

    /// Ends them.
    pub(crate) fn stop(&self, threads: Vec<JoinHandle<()>>) {
        self.stop.store(true, Ordering::Relaxed);
        self.cores.wake_all();
        self.published.notify_all();
        self.lookout.notify_all();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    fn domains(&self) -> core::ops::Range<u16> {
        0..spec(self.program.clusters).domains
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What all polls did, once the threads have ended. Claims that they have counted all that they completed.
    pub(crate) fn done(&self) -> Progress {
        assert_eq!(self.rings.unfinished(), 0, "a task that is over does not count as complete");
        *self.done.lock().unwrap()
    }

    /// Claims that nothing is left anywhere.
    pub(crate) fn assert_drained(&self) {
        for ring in 0..prewire_ring::RING_COUNT {
            assert_eq!(
                self.rings.usage(ring).live,
                0,
                "the watermark of ring {ring} has not reached its head"
            );
        }
        assert!(!self.ready.any(), "a ready queue holds a task that is over");
        assert!(self.cores.are_empty(), "a core has work of a run that is over");
    }

    /// Ends the run, as whoever finds that it cannot go on does.
    pub(crate) fn end_run(&self) {
        self.ledger.lock().unwrap().end();
        self.rings.end();
        self.domains().for_each(|domain| {
            self.poll(domain);
        });
    }

    /// Polls a domain: whether that brought anything about.
    fn poll(&self, domain: u16) -> bool {
        let progress = self.scheduler.poll(domain, self);
        {
            let mut done = self.done.lock().unwrap();
            done.completed += progress.completed;
            done.failed += progress.failed;
            done.dispatched += progress.dispatched;
        }
        if progress.may_end_waits() {
            self.progress.notify_all();
        }
        progress.any()
    }

    /// The thread of a domain: polls while there is something to dispatch, then waits until there may be.
    fn run_domain(&self, domain: u16) {
        loop {
            let key = self.published.prepare();
            if self.stopping() {
                return;
            }
            if self.scheduler.has_ready(domain) && self.poll(domain) {
                continue;
            }
            self.published.wait(key, None);
        }
    }

    /// The thread that lets tasks go, and polls some domain for that: whoever raises a counter outside.
    fn run_lookout(&self) {
        let mut domain = 0;
        loop {
            let key = self.lookout.prepare();
            if self.stopping() {
                return;
            }
            let found = {
                let mut held = self.held.lock().unwrap();
                held.iter_mut().find(|entry| !entry.1).map(|entry| entry.1 = true).is_some()
            };
            if !found {
                self.lookout.wait(key, None);
                continue;
            }
            domain = (domain + 1) % self.domains().end;
            self.poll(domain);
            if self.domains().any(|domain| self.scheduler.has_ready(domain)) {
                self.published.notify_all();
            }
        }
    }

    /// The thread of a core.
    fn run_core(&self, lane: u16) {
        while self.cores.wait(lane, || self.stopping()) {
            loop {
                let (token, work) = self.cores.take(lane);
                self.execute(work);
                self.cores.finish(lane, token);
                self.poll(self.cores.domain(lane));
                // What that made ready may be for a domain that had no lane for it just before.
                if self.domains().any(|domain| self.scheduler.has_ready(domain)) {
                    self.published.notify_all();
                }
                if !self.cores.release(lane) {
                    break;
                }
            }
        }
    }

    fn execute(&self, work: Work) {
        let slot = SlotRef::from_raw(work.slot);
        let state = self.rings.slot(slot);
        let record = Record::of(&self.rings, slot);
        let task = state.cold().callable as usize;
        assert_eq!(record.scalar(0), Some(task as u64), "the arguments of task {task} are another one's");
        let of = &self.program.tasks[task];
        let sub = of.subtask_at(work.block.into(), work.place.into());
        let first = {
            let addrs = self.addresses(slot);
            let mut ledger = self.ledger.lock().unwrap();
            ledger.begin(&self.program, task, sub, &addrs);
            ledger.is_first(&self.program, task)
        };
        let together = of.meets(work.block.into());
        if together.len() > 1 {
            self.meeting.notify_all();
            let all = || self.ledger.lock().unwrap().have_begun(task, &together).then_some(());
            self.meeting.wait_until(None, all);
        }
        if first && of.ends {
            self.end_run();
        }
        prewire_sync::hint::spin_loop();
        if of.fault == Some(sub) {
            state.fail();
        }
        // Read again: the words of a task that runs are nobody else's.
        let addrs = self.addresses(slot);
        self.ledger.lock().unwrap().finish(&self.program, task, sub, &addrs);
    }

    /// The addresses of the tensors of a task.
    fn addresses(&self, slot: SlotRef) -> Vec<u64> {
        let record = Record::of(&self.rings, slot);
        (0..record.tensors()).map(|i| record.tensor(i).expect("it is one of them").addr).collect()
    }
}

impl Env for Machine {
    fn predicate_holds(&self, slot: SlotRef) -> bool {
        let predicate =
            Record::of(&self.rings, slot).predicate().expect("the scheduler asks where there is one");
        predicate.target != 0
    }

    fn may_wait(&self) -> bool {
        self.program.tasks.iter().any(|task| task.held)
    }

    fn waits(&self, slot: SlotRef) -> bool {
        let state = self.rings.slot(slot);
        let of = self.program.tasks.get(state.cold().callable as usize);
        let wanted = of.is_some_and(|of| of.held && of.fate == Fate::Runs);
        if !wanted || state.verdict() != Verdict::Sound || self.rings.is_ended() {
            return false;
        }
        self.held.lock().unwrap().push((slot, false));
        self.lookout.notify_all();
        true
    }

    fn settled(&self, back: &mut dyn FnMut(SlotRef)) {
        // Who ends the run polls every domain after that.
        let ended = self.rings.is_ended();
        let taken: Vec<_> = self.held.lock().unwrap().extract_if(.., |entry| entry.1 || ended).collect();
        for (slot, let_go) in taken {
            let state = self.rings.slot(slot);
            if let_go {
                let task = state.cold().callable as usize;
                self.ledger.lock().unwrap().let_go(&self.program, task);
            } else {
                state.poison();
            }
            back(slot);
        }
    }
}

/// How the orchestrator waits: parked until something completes.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    pub(crate) machine: &'a Machine,
    /// How often it had to look more than once.
    pub(crate) waits: u64,
}

impl Wait for Waiter<'_> {
    fn wait(&mut self, _: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        let mut looks = 0;
        let end = self.machine.progress.wait_until(None, || {
            looks += 1;
            match look() {
                Poll::Ready => Some(WaitEnd::Ready),
                Poll::Impossible => Some(WaitEnd::Impossible),
                Poll::Pending => None,
            }
        });
        self.waits += u64::from(looks > 1);
        end.expect("a wait without a limit ends with an answer")
    }

    fn published(&mut self) {
        self.machine.published.notify_all();
    }
}
