//! A word that threads park on while it keeps its value: a futex, or in a model a lock and a condition variable.

use crate::scope::Scope;
use core::marker::PhantomData;
use core::time::Duration;
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::mutant;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
use rustix::thread::futex::{self, Flags};

#[cfg(prewire_loom)]
use loom::sync as model;
#[cfg(prewire_shuttle)]
use shuttle::sync as model;

/// The low bit of the word: somebody has prepared to park since all were woken last.
const ARMED: u32 = 1;

/// The word, for threads within `S`. Its low bit is set by [`arm`](Parking::arm); beyond that it is changed by
/// [`unpark`](Parking::unpark) only, and only grows. Outside of models it is four bytes, and zero is a fresh one.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Parking<S> {
    /// Written by whoever unparks, and by whoever is about to park.
    epoch: AtomicU32,
    #[cfg(any(prewire_loom, prewire_shuttle))]
    lock: model::Mutex<()>,
    #[cfg(any(prewire_loom, prewire_shuttle))]
    changed: model::Condvar,
    scope: PhantomData<S>,
}

impl<S: Scope> Parking<S> {
    pub(crate) fn new() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            #[cfg(any(prewire_loom, prewire_shuttle))]
            lock: model::Mutex::new(()),
            #[cfg(any(prewire_loom, prewire_shuttle))]
            changed: model::Condvar::new(),
            scope: PhantomData,
        }
    }

    /// The value to park on.
    pub(crate) fn value(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Says that somebody is about to park, and returns the value to park on.
    pub(crate) fn arm(&self) -> u32 {
        // MUTANT "event-no-arm": nobody hears that somebody is about to park.
        if mutant::skips("event-no-arm") {
            return self.value();
        }
        self.epoch.fetch_or(ARMED, Ordering::Relaxed) | ARMED
    }

    /// Whether somebody has prepared to park since all were woken last.
    pub(crate) fn is_armed(&self) -> bool {
        self.value() & ARMED != 0
    }

    /// Makes those that parked on the value before, or are about to, go on. Whoever wakes all of them disarms; whoever
    /// wakes some does not.
    fn change(&self, how_many: u32) {
        // MUTANT "event-no-epoch": who is about to park on the value before does so.
        if mutant::skips("event-no-epoch") {
            return;
        }
        // Two that wake all at once may arm it again: that costs a call to the kernel some time, and no wake-up.
        let by = if how_many == u32::MAX { ARMED } else { 2 * ARMED };
        // ORDERING: Release, "event-wake"; pairs with the load in park.
        self.epoch.fetch_add(by, Ordering::Release);
    }
}

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
impl<S: Scope> Parking<S> {
    /// How the kernel is to look for those that wait.
    const FLAGS: Flags = if S::SHARED { Flags::empty() } else { Flags::PRIVATE };

    /// Parks while the word is `seen`; false when `timeout` passed.
    pub(crate) fn park(&self, seen: u32, timeout: Option<Duration>) -> bool {
        use rustix::io::Errno;

        // A timeout that the kernel cannot express is centuries away.
        let limit = timeout.and_then(|t| rustix::time::Timespec::try_from(t).ok());
        let parked = futex::wait(&self.epoch, Self::FLAGS, seen, limit.as_ref());
        // ORDERING: Acquire, "event-wake"; pairs with the change of the word in unpark. What the notifier wrote is
        // visible to the look that follows.
        let _ = self.epoch.load(Ordering::Acquire);
        parked != Err(Errno::TIMEDOUT)
    }

    /// Changes the word and wakes up to `how_many` threads.
    #[cold]
    pub(crate) fn unpark(&self, how_many: u32) {
        self.change(how_many);
        // The kernel takes a signed count. Waking cannot fail on a word that is mapped here, and there would be nobody to
        // tell.
        let most = how_many.min(i32::MAX as u32);
        let _ = futex::wake(&self.epoch, Self::FLAGS, most);
    }
}

#[cfg(any(prewire_loom, prewire_shuttle))]
impl<S: Scope> Parking<S> {
    /// Parks while the word is `seen`. The model has no time: a `timeout` passes as soon as the others had a turn.
    #[expect(clippy::unwrap_used, reason = "a model that panics has failed already")]
    pub(crate) fn park(&self, seen: u32, timeout: Option<Duration>) -> bool {
        if timeout.is_some() {
            prewire_sync::hint::spin_loop();
        }
        let mut held = self.lock.lock().unwrap();
        if timeout.is_some() {
            // ORDERING: Acquire, "event-wake"; pairs with the change of the word in unpark.
            return self.epoch.load(Ordering::Acquire) != seen;
        }
        // ORDERING: Acquire, "event-wake"; pairs with the change of the word in unpark.
        while self.epoch.load(Ordering::Acquire) == seen {
            held = self.changed.wait(held).unwrap();
        }
        true
    }

    /// Changes the word and wakes threads.
    #[expect(clippy::unwrap_used, reason = "a model that panics has failed already")]
    pub(crate) fn unpark(&self, how_many: u32) {
        let held = self.lock.lock().unwrap();
        self.change(how_many);
        drop(held);
        if how_many == 1 { self.changed.notify_one() } else { self.changed.notify_all() }
    }
}
