//! Where a process runs: the processors of the machine.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// The number of the processor that the calling thread runs on. A moment later it may be another one.
#[must_use]
#[inline]
pub fn processor() -> usize {
    sched_getcpu()
}

/// Has the calling thread go on on the next processor that it may use and that is not `taken`, counted from where it is and
/// around: on which, or none if there is none. From then on the system may place it as before.
///
/// # Errors
///
/// What the kernel says.
///
/// ```
/// use prewire_os::process;
///
/// let here = process::processor();
/// if let Some(there) = process::move_on(|processor| processor == here)? {
///     assert_ne!(there, here);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn move_on(taken: impl Fn(usize) -> bool) -> io::Result<Option<usize>> {
    let allowed = sched_getaffinity(None)?;
    let here = processor();
    let mut others = (here + 1..CpuSet::MAX_CPU).chain(0..=here);
    let free = others.find(|&cpu| allowed.is_set(cpu) && !taken(cpu));
    if let Some(cpu) = free {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one)?;
        sched_setaffinity(None, &allowed)?;
    }
    Ok(free)
}

/// Has the calling thread, and what it starts from now on, run on the `nth` of the processors that it may use, counted
/// from 0 and around. For measurements: a program is better placed by the system.
///
/// # Errors
///
/// What the kernel says.
pub fn run_on(nth: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let mut one = CpuSet::new();
    if let Some(cpu) = all.get(nth % all.len().max(1)) {
        one.set(*cpu);
    }
    Ok(sched_setaffinity(None, &one)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_on_may_run_where_it_could_before() {
        let before = sched_getaffinity(None).unwrap();
        let here = processor();
        assert!(before.is_set(here));
        let there = move_on(|cpu| cpu == here).unwrap();
        assert_eq!(there.is_some(), before.count() > 1);
        assert!(there.is_none_or(|there| there != here && before.is_set(there)));
        assert_eq!(move_on(|_| true).unwrap(), None);
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }

    #[test]
    fn a_thread_is_placed_and_no_other() {
        let before = sched_getaffinity(None).unwrap();
        std::thread::spawn(|| {
            run_on(1).unwrap();
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
        })
        .join()
        .unwrap();
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
