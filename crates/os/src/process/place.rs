//! Where a process runs: the processors of the machine.

use std::io;

use rustix::process::{Pid, RawPid};
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// The number of the processor that the calling thread runs on. A moment later it may be another one.
#[must_use]
#[inline]
pub fn processor() -> usize {
    sched_getcpu()
}

/// Has the calling thread go on on the next processor that it may use and that is not `taken`, counted from where it is and
/// around: on which, or none if there is none. From then on the system may place it as before: its mask is narrowed for a
/// moment and put back, so one that somebody else sets meanwhile is overwritten. Linux from 6.2 on remembers a mask that was
/// set, and keeps to it when what the process may use is widened later.
///
/// # Errors
///
/// What the kernel says. If it does not put the mask back, as all of it was taken from the process meanwhile, the thread may
/// run wherever the process may.
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
    send(None, processor(), taken)
}

/// The number of the calling thread, which [`move_thread`] knows it by: never 0, and no other thread's while it lives.
#[must_use]
pub fn thread_number() -> u32 {
    gettid().as_raw_nonzero().get() as u32
}

/// As [`move_on`], of another thread, by its number, that was `here` when it was heard of last. One that waits for the
/// processor that somebody else has goes on at once so.
///
/// Not while anybody else moves it, itself included: each would put back what the other one has narrowed.
///
/// # Errors
///
/// As [`move_on`]; that the thread has ended.
///
/// ```
/// use prewire_os::process;
///
/// let here = process::processor();
/// let there = process::move_thread(process::thread_number(), here, |processor| processor == here)?;
/// assert_ne!(there, Some(here));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn move_thread(number: u32, here: usize, taken: impl Fn(usize) -> bool) -> io::Result<Option<usize>> {
    let Some(thread) = Pid::from_raw(number as RawPid) else { return Err(io::ErrorKind::NotFound.into()) };
    send(Some(thread), here, taken)
}

/// Has a thread, or the calling one, go on on the next free processor from `here` on.
fn send(thread: Option<Pid>, here: usize, taken: impl Fn(usize) -> bool) -> io::Result<Option<usize>> {
    let allowed = sched_getaffinity(thread)?;
    let mut others = (here + 1..CpuSet::MAX_CPU).chain(0..=here);
    let free = others.find(|&cpu| allowed.is_set(cpu) && !taken(cpu));
    if let Some(cpu) = free {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(thread, &one)?;
        put_back(thread, &allowed)?;
    }
    Ok(free)
}

/// Gives a thread, or the calling one, the mask `allowed`, or, if the kernel refuses it, whatever the process may use.
fn put_back(thread: Option<Pid>, allowed: &CpuSet) -> io::Result<()> {
    let done = sched_setaffinity(thread, allowed);
    if done.is_err() {
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
        // The kernel leaves out what the process may not use. The first error is told.
        let _ = sched_setaffinity(thread, &all);
    }
    Ok(done?)
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
    fn another_thread_is_moved_on_and_one_that_is_not_there_is_told() {
        let before = sched_getaffinity(None).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send((thread_number(), processor())).unwrap();
            let _ = ended.recv();
            sched_getaffinity(None).unwrap()
        });
        let (number, there) = told.recv().unwrap();
        assert_ne!(number, thread_number());
        let moved = move_thread(number, there, |cpu| cpu == there).unwrap();
        assert!(moved.is_none_or(|moved| moved != there && before.is_set(moved)));
        assert_eq!(moved.is_some(), before.count() > 1);
        drop(end);
        assert_eq!(thread.join().unwrap(), before);
        assert!(move_thread(0, 0, |_| false).is_err());
    }

    #[test]
    fn who_cannot_get_its_mask_back_is_not_left_on_one_processor() {
        let before = sched_getaffinity(None).unwrap();
        std::thread::spawn(move || {
            run_on(0).unwrap();
            // No kernel lets a thread run nowhere.
            assert!(put_back(None, &CpuSet::new()).is_err());
            let after = sched_getaffinity(None).unwrap();
            assert!((0..CpuSet::MAX_CPU).all(|cpu| !before.is_set(cpu) || after.is_set(cpu)));
        })
        .join()
        .unwrap();
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
