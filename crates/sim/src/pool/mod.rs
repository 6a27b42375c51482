//! The pool of threads that run the cores: who wakes whom.
//!
//! # No wake-up is lost
//!
//! *Work* is a lane in a queue, or a domain of which the host says that it has something ready, or that has news which a
//! worker has left for later (it polls for them itself before it looks for anything else to do). Whoever makes work
//! (1) makes it, (2) passes a `SeqCst` fence, (3) reads the census, and does nothing if a thread searches or as many
//! are active as may be. A thread that stops being one that will look (a) says so in the census, (b) passes a `SeqCst`
//! fence, (c) looks for work once more, and goes on or wakes another if there is some.
//!
//! - If (2) comes before (b), the look (c) sees the work.
//! - If (b) comes before (2), the read (3) sees what (a) wrote: that thread is not among those counted.
//!
//! Where making the work is one `SeqCst` read-modify-write, and (3) is `SeqCst`, these two are in order without the fence.
//!
//! So if (3) counts a thread, that thread looks again after the work was there. It looks when it parks, when it ends a
//! search as the last one that searched, and when its kernel blocks. The one that looks nowhere is a thread that parks
//! because more are active than may be: it does so in one step that leaves another one active, of which the same
//! holds. A thread that is active and gets nowhere, because its kernel waits in foreign code, is the watchman's.
//!
//! Work that is on the way from one place to another, lanes between two queues and left news that become told ones, is in
//! neither, and nobody who looks sees it. Whoever carries it makes it again where it arrives, by the same three steps, or
//! polls for it next. News that a worker has left are its own affair while it has enough to do, and others poll for them when they
//! have nothing, or at each turn; if it is in a long kernel and nobody comes, the watchman tells them.
//!
//! To wake is to grant: the waker counts the parked thread as active and searching and leaves a ticket, in one step,
//! so that a second waker sees somebody searching and does nothing. A batch of dispatches costs one wake at most; the
//! thread that was woken wakes the next one if it leaves work behind.

mod guest;
mod linger;
mod threads;

use crate::census::{Census, Plan};
use crate::cores::Cores;
use crate::local;
use crate::seats::Seats;
use crate::stats::{AllCounters, counters};
use alloc::sync::{Arc, Weak};
use core::time::Duration;
use prewire_os::Event;
use prewire_platform::{ChipSpec, Host, LaneId, LaneSet};
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use prewire_sync::mutant;
use std::sync::Mutex;
use std::thread::JoinHandle;
use threads::Running;

/// The pool, and the cores that it runs.
pub(crate) struct Pool {
    pub(crate) cores: Cores,
    pub(crate) census: Padded<Census>,
    /// Where workers park.
    pub(crate) idle: Event,
    /// Where the watchman parks.
    pub(crate) watch: Event,
    /// Where kernels wait for their peers.
    pub(crate) peers: Event,
    pub(crate) counters: AllCounters,
    /// Where they run.
    pub(crate) seats: Seats,
    /// The steps of the guest. Written by it alone, for each task: one guest comes after the other.
    steps: Padded<AtomicU64>,
    /// How many of them the guest has made since it saw that it has lost its place. Written by it alone.
    without: AtomicU64,
    /// How often somebody else who is no worker has made work, such as who polls for what was raised or ended outside. Raised by
    /// each of them: a count that goes back would make a guest that moves look like one that is stuck.
    visits: Padded<AtomicU64>,
    /// Workers that may be active when none is stuck.
    pub(crate) base: u16,
    /// Workers that there may be.
    pub(crate) most: u16,
    pub(crate) grow_after: Duration,
    /// Workers that exist. Written under the lock of `running`.
    workers: AtomicU32,
    /// Threads that have not ended. Raised by whoever starts one, lowered by it as the last thing that it does.
    alive: AtomicU32,
    /// Notified when a thread ends.
    ended: Event,
    /// The most threads that there were. Written under the lock of `running`.
    peak: AtomicU32,
    /// Kernels that are blocked. Written by the threads that they block.
    pub(crate) blocked: AtomicU32,
    /// How often the pool grew. Written by the watchman.
    pub(crate) grown: AtomicU64,
    running: Mutex<Option<Running>>,
    /// Held while the pool starts or stops, so that no thread of one run is there in the next. In it: workers that
    /// stopped the pool themselves and may not have ended.
    leaving: Mutex<Vec<JoinHandle<()>>>,
    this: Weak<Self>,
}

impl Pool {
    pub(crate) fn new(spec: ChipSpec, base: u16, most: u16, grow_after: Duration) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            cores: Cores::new(spec, base),
            census: Padded::new(Census::stopped()),
            idle: Event::new(),
            watch: Event::new(),
            peers: Event::new(),
            counters: counters(most),
            seats: Seats::new(most),
            steps: Padded::default(),
            without: AtomicU64::new(0),
            visits: Padded::default(),
            base,
            most,
            grow_after,
            workers: AtomicU32::new(0),
            alive: AtomicU32::new(0),
            ended: Event::new(),
            peak: AtomicU32::new(0),
            blocked: AtomicU32::new(0),
            grown: AtomicU64::new(0),
            running: Mutex::new(None),
            leaving: Mutex::new(Vec::new()),
            this: this.clone(),
        })
    }

    /// Names this pool to the threads that belong to it.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    pub(crate) fn stopping(&self) -> bool {
        self.census.view().stopping()
    }

    /// There is work that nobody may have seen: sees to it that somebody looks.
    #[inline]
    pub(crate) fn wake(&self) {
        // ORDERING: SeqCst, "work-made"; pairs with the fence in look_again. Puts the work before the look at the
        // census.
        // MUTANT "wake-fence": the look at the census may come before the work.
        if !mutant::skips("wake-fence") {
            fence(Ordering::SeqCst);
        }
        if self.census.view().plan() != Plan::Nothing {
            self.wake_now();
        }
    }

    /// As [`wake`](Pool::wake), for news that the calling thread has just [left](Cores::leave), and nothing else.
    #[inline]
    pub(crate) fn wake_for_left(&self) {
        // ORDERING: SeqCst, "work-made"; pairs with the fence in look_again. What left the news, and this look at the census, are
        // SeqCst and so in order. In a model they are no more than AcqRel, and have the fence that they stand for.
        // MUTANT "left-fence": the look at the census may come before the news.
        if cfg!(prewire_loom) && !mutant::skips("left-fence") {
            fence(Ordering::SeqCst);
        }
        if self.census.view_last().plan() != Plan::Nothing {
            self.wake_now();
        }
    }

    /// The calling thread has just stopped being one that will look, and said so in the census: whether it must look
    /// for work once more is answered after this.
    #[inline]
    pub(crate) fn look_again(&self) {
        // ORDERING: SeqCst, "work-made"; pairs with the fence in wake, and with the insert and the look of wake_for_left. Puts the
        // census before the look for work.
        // MUTANT "look-again-fence": the look for work may come before the census.
        if !mutant::skips("look-again-fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Carries out the plan.
    #[cold]
    fn wake_now(&self) {
        loop {
            let plan = self.census.view().plan();
            if plan == Plan::Start && self.workers.load(Ordering::Relaxed) >= u32::from(self.most) {
                return;
            }
            if !self.census.carry_out(plan) {
                continue;
            }
            match plan {
                Plan::Nothing => {}
                Plan::Grant => {
                    self.idle.notify_one();
                }
                Plan::Start => self.start_one(),
                Plan::Watch => {
                    self.watch.notify_one();
                }
            }
            return;
        }
    }

    /// The news of a domain, for the poll of the calling thread: what was told, and, if it is a worker, what it has run and left
    /// itself. What others have left is told by who polls for them, and by the watchman.
    #[inline]
    pub(crate) fn take_news(&self, domain: u16) -> LaneSet {
        let (cores, id) = (&self.cores, self.id());
        let mut news = cores.take_news(domain);
        if let Some(stand) = local::left(id) {
            news.0 |= cores.take_left(stand, domain).0;
        }
        if let Some(lane) = local::tell(id, |lane| cores.domain(lane) == domain) {
            news.insert(LaneId(lane));
        }
        news
    }

    /// Whether there is work: a lane in a queue, or a domain that is due.
    pub(crate) fn has_work(&self, host: &dyn Host) -> bool {
        self.cores.queued() || (0..self.cores.spec.domains).any(|domain| self.is_due(host, domain))
    }

    /// Whether a poll of `domain` would bring something about: it has something ready, or news that a worker has left.
    #[inline]
    pub(crate) fn is_due(&self, host: &dyn Host, domain: u16) -> bool {
        // MUTANT "no-look-at-news": what a worker has left is its own affair.
        (self.cores.has_news(domain) && !mutant::skips("no-look-at-news")) || host.has_ready(domain)
    }
}
