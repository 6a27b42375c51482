//! Kernels that wait for other cores: the thread is counted as blocked, so that the pool runs the others meanwhile.

use crate::local;
use crate::pool::Pool;
use prewire_sync::Backoff;
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

/// Steps of the spin before a kernel is counted as blocked: some 10 microseconds.
const SPINS: u32 = 18;

/// How a wait for a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum PeerWait {
    /// What was waited for has come about.
    Ready,
    /// The simulator stops: the kernel should return.
    Stopped,
    /// In seeded mode: the host said that this work does not block, so it has no stack of its own, and nobody else can
    /// run before it returns.
    CannotWait,
}

/// Waits on a thread of the pool, or on any other thread.
pub(crate) fn wait(pool: &Pool, look: &mut dyn FnMut() -> bool) -> PeerWait {
    if look() {
        return PeerWait::Ready;
    }
    // Peers that run at this moment are not far; those that are queued need a thread first.
    let mut backoff = Backoff::new(SPINS);
    while !pool.cores.queued() && backoff.snooze() {
        if look() {
            return PeerWait::Ready;
        }
    }
    let _blocked = Blocked::enter(pool);
    park(pool, look)
}

/// Runs `body`, whose wait for peers nobody sees, on a thread that is counted as blocked from the first.
pub(crate) fn while_waiting(pool: &Pool, body: impl FnOnce()) {
    let _blocked = Blocked::enter(pool);
    body();
}

/// The worker with this number is counted as blocked while this lives: another one may run meanwhile, and where it was.
struct Blocked<'p>(&'p Pool, u16);

impl<'p> Blocked<'p> {
    /// None on a thread that is not a worker of `pool`.
    fn enter(pool: &'p Pool) -> Option<Self> {
        let number = local::worker_of(pool.id())?;
        pool.seats.leave(number);
        pool.blocked.fetch_add(1, Ordering::Relaxed);
        let after = pool.census.block();
        pool.look_again();
        if let Some(host) = pool.host() {
            // MUTANT "no-look-when-blocked": what was left to this thread stays where it is.
            if pool.has_work(&*host) && !mutant::skips("no-look-when-blocked") {
                pool.wake();
            } else if after.active() == 0 {
                host.quiescent();
            }
        }
        Some(Self(pool, number))
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.0.census.unblock();
        self.0.blocked.fetch_sub(1, Ordering::Relaxed);
        self.0.seats.take(self.1);
    }
}

fn park(pool: &Pool, look: &mut dyn FnMut() -> bool) -> PeerWait {
    loop {
        let key = pool.peers.prepare();
        if look() {
            return PeerWait::Ready;
        }
        if pool.stopping() {
            return PeerWait::Stopped;
        }
        pool.peers.wait(key, None);
    }
}
