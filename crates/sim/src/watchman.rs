//! The watchman: one parked thread that notices when the busy threads of the pool get nowhere.
//!
//! He is at his post only while there is work and as many threads are active as may be: then he looks each
//! `grow_after`. If there was work during a whole interval and nobody took up anything, one more thread may run: the
//! active ones are stuck in kernels that wait in foreign code. When fewer are stuck than there are threads beyond the
//! usual number, one fewer may run. A guest that did not go on during two intervals in which there was some loses its
//! place: it does something else. At all other times he is parked without a timeout.

use crate::pool::Pool;
use prewire_platform::Host;
use prewire_runs::event;
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

/// Intervals without work after which he leaves his post. More than one, so that a pool that is now and then out of
/// work does not call him each time.
const PATIENCE: u32 = if cfg!(prewire_loom) { 1 } else { 4 };

/// Intervals in which the guest did not go on after which its place is another thread's. More than one, as the system may have
/// taken the processor from it for one.
const GUEST_PATIENCE: u32 = if cfg!(prewire_loom) { 1 } else { 2 };

/// The thread of the watchman.
pub(crate) fn main(pool: &Pool, host: &dyn Host) {
    while rest(pool) {
        watch(pool, host);
    }
}

/// Parks until called; false when the pool stops.
fn rest(pool: &Pool) -> bool {
    loop {
        let key = pool.watch.prepare();
        let view = pool.census.view();
        if view.stopping() || view.watching() {
            return !view.stopping();
        }
        pool.watch.wait(key, None);
    }
}

/// What each worker had taken up, at the last look.
struct Looks(Vec<(u64, bool)>);

impl Looks {
    fn new(pool: &Pool) -> Self {
        Self(pool.counters.iter().map(|c| c.in_kernel()).collect())
    }

    /// Looks again. Returns whether anybody took up anything, and how many workers are still in the kernel that they
    /// were in, not counting the kernels that said that they wait.
    fn again(&mut self, pool: &Pool) -> (bool, u64) {
        let (mut moved, mut inside) = (false, 0);
        for (counters, before) in pool.counters.iter().zip(&mut self.0) {
            let now = counters.in_kernel();
            moved |= now.0 != before.0;
            inside += u64::from(now == *before && now.1);
            *before = now;
        }
        (moved, inside.saturating_sub(pool.blocked.load(Ordering::Relaxed).into()))
    }
}

/// At his post until there has been no work for a while, or the pool stops.
fn watch(pool: &Pool, host: &dyn Host) {
    let (mut quiet, mut still) = (0, 0);
    let mut looks = Looks::new(pool);
    let mut had_work = pool.has_work(host);
    let mut visits = pool.visits();
    while !pool.stopping() {
        let key = pool.watch.prepare();
        if !pool.stopping() {
            pool.watch.wait(key, Some(pool.grow_after));
        }
        let (moved, stuck) = looks.again(pool);
        let (has_work, view) = (pool.has_work(host), pool.census.view());
        let visits_now = pool.visits();
        let is_still = has_work && had_work && visits_now == visits && view.has_guest();
        still = if is_still { still + 1 } else { 0 };
        if still >= GUEST_PATIENCE {
            still = 0;
            pool.seats.leave(pool.seats.guest());
            let _ = pool.census.guest_goes();
        }
        visits = visits_now;
        if has_work && had_work && !moved && view.searching() == 0 {
            if pool.census.grow(pool.most) {
                pool.grown.fetch_add(1, Ordering::Relaxed);
                event!(debug, limit = view.limit() + 1, "kernels block: the simulator grows by a thread");
            }
        } else if view.limit() > u64::from(pool.base) + stuck {
            pool.census.shrink(pool.base);
        }
        if has_work && had_work {
            // Who has left news may be in a long kernel: whoever polls next hears them.
            (0..pool.cores.spec.domains).for_each(|domain| pool.cores.report_all_left(domain));
        }
        had_work = has_work;
        if has_work {
            quiet = 0;
            pool.wake();
            continue;
        }
        quiet += 1;
        if quiet >= PATIENCE {
            pool.census.leave_watch();
            pool.look_again();
            // MUTANT "no-look-when-off-watch": work that was left to him stays where it is.
            if !pool.has_work(host) || mutant::skips("no-look-when-off-watch") {
                return;
            }
            pool.census.resume_watch();
        }
    }
}
