//! Where a process runs: the processors of the machine.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

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
