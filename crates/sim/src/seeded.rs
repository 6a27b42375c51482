//! Seeded mode: everything happens in [`step`](Seeded::step), one thing at a time, in an order drawn from a seed.
//!
//! What is drawn from: the lanes that have work, the kernels that are blocked, and the domains that have news or
//! something ready, in this order and by number; so the same seed and the same calls give the same order. A core is run
//! and its domain is polled in separate steps, so that several cores finish before anybody hears of it.

use crate::baton::{Handed, Stack};
use crate::cores::Cores;
use crate::error::SimError;
use crate::stats::Counters;
use alloc::sync::Arc;
use prewire_platform::{Host, LaneId, LaneSet, Token};
use prewire_runs::event;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A small generator of evenly spread numbers: a counter, scrambled.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

/// A kernel that waits for a peer, on its stack.
struct Blocked {
    lane: u16,
    token: Token,
    stack: Stack,
}

/// What exists while the simulator runs.
struct Running {
    host: Arc<dyn Host>,
    dice: Dice,
    /// By lane.
    blocked: Vec<Blocked>,
    free: Vec<Stack>,
    stacks: usize,
}

/// The driver of seeded mode.
pub(crate) struct Seeded {
    seed: u64,
    running: Mutex<Option<Running>>,
    /// Steps taken. Written by the thread that steps.
    now: AtomicU64,
    /// Stacks now, and the most. Written by the thread that steps.
    stacks: AtomicU32,
    peak: AtomicU32,
    /// Kernels that are blocked. Written by the thread that steps.
    blocked: AtomicU32,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            running: Mutex::new(None),
            now: AtomicU64::new(0),
            stacks: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            blocked: AtomicU32::new(0),
        }
    }

    // A panic of the host in a step leaves whole states behind.
    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// (threads, most threads, blocked kernels)
    pub(crate) fn threads(&self) -> (u16, u16, u16) {
        let get = |word: &AtomicU32| word.load(Ordering::Relaxed) as u16;
        (get(&self.stacks), get(&self.peak), get(&self.blocked))
    }

    pub(crate) fn start(&self, cores: &Cores, host: Arc<dyn Host>) -> Result<(), SimError> {
        let mut running = self.lock();
        if running.is_some() {
            return Err(SimError::Running);
        }
        cores.power_on();
        let dice = Dice(self.seed);
        *running = Some(Running { host, dice, blocked: Vec::new(), free: Vec::new(), stacks: 0 });
        self.now.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The seed decides anew, from time 0.
    pub(crate) fn rewind(&self) {
        if let Ok(mut running) = self.running.try_lock()
            && let Some(running) = running.as_mut()
        {
            running.dice = Dice(self.seed);
            self.now.store(0, Ordering::Relaxed);
        }
    }

    /// Tells the blocked kernels, ends the stacks, drops the host. Does nothing in the middle of a step: a host that
    /// stops the simulator from inside a callback finds it running; false then.
    pub(crate) fn stop(&self, cores: &Cores) -> bool {
        let running = match self.running.try_lock() {
            Ok(mut running) => running.take(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Some(running) = running else { return true };
        let blocked = running.blocked.into_iter().map(|blocked| {
            blocked.stack.cancel();
            blocked.stack
        });
        blocked.chain(running.free).for_each(Stack::end);
        self.stacks.store(0, Ordering::Relaxed);
        self.blocked.store(0, Ordering::Relaxed);
        cores.power_off();
        true
    }

    /// Does one thing. False if nothing can be done, if the simulator does not run, or in the middle of another step.
    pub(crate) fn step(&self, cores: &Cores, counters: &Counters) -> bool {
        let mut guard = match self.running.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Some(running) = guard.as_mut() else { return false };
        let moved = running.step(cores, counters);
        if moved {
            self.now.fetch_add(1, Ordering::Relaxed);
        }
        self.stacks.store(running.stacks as u32, Ordering::Relaxed);
        self.peak.fetch_max(running.stacks as u32, Ordering::Relaxed);
        self.blocked.store(running.blocked.len() as u32, Ordering::Relaxed);
        moved
    }
}

impl Running {
    fn step(&mut self, cores: &Cores, counters: &Counters) -> bool {
        let domains = cores.spec.domains;
        let lanes = cores.queue();
        let news = (0..domains).any(|d| cores.is_told(d));
        if lanes.is_empty() && !news {
            return self.settle(cores, counters);
        }
        let host = self.host.clone();
        let polls: Vec<u16> = (0..domains).filter(|&d| cores.is_told(d) || host.has_ready(d)).collect();
        let runnable = lanes.0.count_ones() as usize;
        let drawn = self.dice.below(runnable + self.blocked.len() + polls.len());
        if drawn < runnable {
            self.run(cores, counters, nth(lanes, drawn));
        } else if drawn < runnable + self.blocked.len() {
            let _ = self.look(cores, counters, drawn - runnable);
        } else {
            counters.polls();
            host.poll(polls[drawn - runnable - self.blocked.len()]);
        }
        true
    }

    /// No core has work and none has news: whether anything else changes something. First the blocked kernels, then
    /// the domains, each from a drawn one on.
    fn settle(&mut self, cores: &Cores, counters: &Counters) -> bool {
        let blocked = self.blocked.len();
        if blocked > 0 {
            let first = self.dice.below(blocked);
            if (0..blocked).any(|step| self.look(cores, counters, (first + step) % blocked)) {
                return true;
            }
        }
        let domains = cores.spec.domains;
        let ready = |host: &dyn Host| (0..domains).map(|d| host.has_ready(d)).collect::<Vec<_>>();
        let host = self.host.clone();
        let before = ready(&*host);
        let first = self.dice.below(usize::from(domains)) as u16;
        for step in 0..domains {
            counters.polls();
            host.poll((first + step) % domains);
        }
        !cores.queue().is_empty() || (0..domains).any(|d| cores.is_told(d)) || ready(&*host) != before
    }

    /// Runs the next dispatch of a lane, on a stack of its own if it may block.
    fn run(&mut self, cores: &Cores, counters: &Counters, lane: u16) {
        if !cores.claim_this(lane) {
            return;
        }
        let (token, work) = cores.core(lane).take();
        counters.executes();
        if self.host.may_block(work)
            && let Some(stack) = self.stack()
        {
            if matches!(stack.run(LaneId(lane), work), Handed::Blocked { .. }) {
                let at = self.blocked.partition_point(|b| b.lane < lane);
                self.blocked.insert(at, Blocked { lane, token, stack });
                return;
            }
            self.free.push(stack);
        } else {
            self.host.execute(LaneId(lane), work);
        }
        finish(cores, counters, lane, token);
    }

    /// A stack; `None` if the system gives no thread, in which case the kernel runs where it cannot wait.
    fn stack(&mut self) -> Option<Stack> {
        if let Some(stack) = self.free.pop() {
            return Some(stack);
        }
        match Stack::new(self.stacks, self.host.clone()) {
            Ok(stack) => {
                self.stacks += 1;
                Some(stack)
            }
            Err(error) => {
                event!(warn, %error, "the simulator got no thread for a kernel that may block");
                None
            }
        }
    }

    /// Lets a blocked kernel look again; true if it got further.
    fn look(&mut self, cores: &Cores, counters: &Counters, index: usize) -> bool {
        match self.blocked[index].stack.look() {
            Handed::Blocked { moved } => moved,
            Handed::Returned => {
                let Blocked { lane, token, stack } = self.blocked.remove(index);
                self.free.push(stack);
                finish(cores, counters, lane, token);
                true
            }
        }
    }
}

/// A sub-task has returned.
fn finish(cores: &Cores, counters: &Counters, lane: u16, token: Token) {
    counters.returns();
    cores.core(lane).finish(&cores.spec, token);
    cores.report(lane);
    if cores.core(lane).release() {
        cores.enqueue(0, lane);
    }
}

/// The lane with `n` others below it in the set.
fn nth(mut set: LaneSet, n: usize) -> u16 {
    for _ in 0..n {
        let _ = set.pop();
    }
    set.pop().map_or(0, |lane| lane.0)
}
