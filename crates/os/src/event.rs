//! An event count on a futex: threads that wait for a condition, and a notification that is nearly free when none does.

use crate::parking::Parking;
use crate::scope::{Private, Scope, Shared};
use core::fmt;
use core::time::Duration;
use prewire_sync::Backoff;
use prewire_sync::atomic::{AtomicU32, Ordering, fence};
use prewire_sync::mutant;

/// Where threads wait for a condition that they check themselves.
///
/// A waiter announces itself with [`prepare`](Event::prepare), looks at its condition once more, and parks with
/// [`wait`](Event::wait). A notifier first makes the condition true, then notifies. As long as nobody waits, a
/// notification is a fence and one load; as long as those that wait have all been woken and have not got to run yet, it is
/// one load more. So whoever notifies again and again asks the kernel once for each time that somebody parks.
///
/// ```
/// use prewire_os::Event;
/// use prewire_sync::atomic::{AtomicBool, Ordering};
///
/// let (event, flag) = (Event::new(), AtomicBool::new(false));
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         flag.store(true, Ordering::Release);
///         event.notify_all();
///     });
///     while !flag.load(Ordering::Acquire) {
///         let key = event.prepare();
///         if !flag.load(Ordering::Acquire) {
///             event.wait(key, None);
///         }
///     }
/// });
/// ```
///
/// # No wake-up is lost
///
/// The waiter (1) adds itself to `sleepers`, (2) arms `epoch` and takes its value, (3) passes a `SeqCst` fence, (4) reads
/// the condition and, if it does not hold, (5) parks while `epoch` still has the value of (2). The notifier (a) writes
/// the condition, (b) passes a `SeqCst` fence, (c) reads `sleepers` and, to wake all, whether `epoch` is armed and, if so,
/// (d) changes `epoch`, which disarms it if all are woken, and (e) wakes. The two fences have an order.
///
/// - (b) before (3): the read (4) sees the write (a). The waiter does not park.
/// - (3) before (b): the reads (c) see the addition (1) and what (2) wrote, or something later. If they find `epoch`
///   disarmed, another notifier has changed it after (2), and wakes all: it does (e) for both. Else (d) and (e) happen.
///   The step (2) came before the fence (3), the write (d) after the fence (b), so (2) took a value from before (d). The
///   kernel compares and parks under one lock: either (5) finds `epoch` changed and does not park, or it was parked
///   before (e), which wakes it.
///
/// A thread that returned from `wait` has not looked yet: it must look again, and before it parks again it must
/// `prepare` again and look after that, as the loop above does.
///
/// # Between processes
///
/// An `Event<Shared>` works the same for all processes that map the memory it is in. It is two words, and memory that
/// is zero is one that nobody waits for. A process that dies between `prepare` and the end of its wait stays counted,
/// which costs each later notification a system call and nothing else, until somebody calls
/// [`forget_waiters`](Event::forget_waiters).
#[repr(C)]
pub struct Event<S = Private> {
    /// Armed by waiters, changed by notifiers that saw a sleeper.
    epoch: Parking<S>,
    /// How many threads are between `prepare` and the end of `wait`. Written by the waiters, read by the notifiers.
    sleepers: AtomicU32,
}

/// A thread that is about to wait: see [`Event::prepare`]. Dropping it takes the announcement back.
#[derive(Debug)]
#[must_use = "look at the condition again, then wait with the key or drop it"]
pub struct Key<'a, S: Scope = Private> {
    event: &'a Event<S>,
    epoch: u32,
}

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
const _: () = assert!(size_of::<Event<Shared>>() == 8 && align_of::<Event<Shared>>() == 4);

impl Event {
    /// An event of this process that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Event<Shared> {
    /// An event that nobody waits for, to be put where several processes see it. Zeroed memory is one already.
    #[must_use]
    pub fn shared() -> Self {
        Self::default()
    }

    /// Makes this an event that nobody waits for, when those that did have died. Only while nobody else waits: who does
    /// would not be woken any more.
    pub fn forget_waiters(&self) {
        self.sleepers.store(0, Ordering::Relaxed);
    }
}

impl<S: Scope> Event<S> {
    /// Steps of the spin of [`wait_until`](Event::wait_until): some 10 microseconds.
    const SPINS: u32 = 18;

    /// Announces that this thread is about to wait. Look at the condition after this, then [`wait`](Event::wait).
    pub fn prepare(&self) -> Key<'_, S> {
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        let epoch = self.epoch.arm();
        // ORDERING: SeqCst, "event-announce"; pairs with the fence in notify. Puts the announcement before the
        // caller's look at its condition.
        // MUTANT "event-prepare-fence": the announcement may come after the look.
        if !mutant::skips("event-prepare-fence") {
            fence(Ordering::SeqCst);
        }
        Key { event: self, epoch }
    }

    /// Parks until a notification that came after `key` was prepared, or until `timeout` has passed. May also return
    /// for no reason. False when the time passed.
    pub fn wait(&self, key: Key<'_, S>, timeout: Option<Duration>) -> bool {
        debug_assert!(core::ptr::eq(self, key.event), "a key waits for the event that prepared it");
        // MUTANT "event-late-epoch": the epoch is read after the look, so a change in between is missed.
        let epoch = if mutant::skips("event-late-epoch") { self.epoch.value() } else { key.epoch };
        self.epoch.park(epoch, timeout)
    }

    /// Wakes one waiter, if there is any: whether there was. What the caller wrote before is visible to a look after
    /// [`prepare`](Event::prepare) or after `wait`.
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.notify(1)
    }

    /// Wakes all waiters: whether there was one that had not been woken by such a call already.
    #[inline]
    pub fn notify_all(&self) -> bool {
        self.notify(u32::MAX)
    }

    /// Whether [`notify_all`](Event::notify_all) would wake somebody, for who has more to find out before it does. What the
    /// caller wrote before is visible to the look of a waiter that is not seen here.
    #[must_use]
    #[inline]
    pub fn is_awaited(&self) -> bool {
        self.finds_sleepers(u32::MAX)
    }

    #[inline]
    fn finds_sleepers(&self, how_many: u32) -> bool {
        // ORDERING: SeqCst, "event-announce"; pairs with the fence in prepare. Puts what the caller wrote before the
        // look at the sleepers.
        // MUTANT "event-notify-fence": the look at the sleepers may come before what the caller wrote.
        if !mutant::skips("event-notify-fence") {
            fence(Ordering::SeqCst);
        }
        self.sleepers.load(Ordering::Relaxed) != 0 && (how_many != u32::MAX || self.epoch.is_armed())
    }

    #[inline]
    fn notify(&self, how_many: u32) -> bool {
        let waited = self.finds_sleepers(how_many);
        if waited {
            self.epoch.unpark(how_many);
        }
        waited
    }

    /// Looks until `look` returns something: at once, then while spinning for some 10 microseconds, then parked, once
    /// after each notification. `None` when `timeout` has passed, counted from the start of parking; a last look is
    /// taken after that.
    pub fn wait_until<T>(&self, timeout: Option<Duration>, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let mut backoff = Backoff::new(Self::SPINS);
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if !backoff.snooze() {
                return self.park_until(timeout, look);
            }
        }
    }

    /// As [`wait_until`](Event::wait_until), without the part that spins.
    pub fn park_until<T>(&self, timeout: Option<Duration>, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let end = timeout.map(|t| crate::clock::monotonic().saturating_add(t));
        loop {
            let key = self.prepare();
            if let Some(found) = look() {
                return Some(found);
            }
            let left = end.map(|e| e.saturating_sub(crate::clock::monotonic()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            self.wait(key, left);
        }
    }
}

impl<S: Scope> Default for Event<S> {
    fn default() -> Self {
        Self { epoch: Parking::new(), sleepers: AtomicU32::new(0) }
    }
}

impl<S: Scope> fmt::Debug for Event<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("epoch", &self.epoch).field("sleepers", &self.sleepers).finish()
    }
}

impl<S: Scope> Drop for Key<'_, S> {
    fn drop(&mut self) {
        self.event.sleepers.fetch_sub(1, Ordering::Relaxed);
    }
}
