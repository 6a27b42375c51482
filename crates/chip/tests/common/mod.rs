//! What the tests of the chip share: a gate that kernels wait at, a log of what ran, and checks of messages.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod bench;
pub(crate) mod slow;

use core::time::Duration;
use prewire_chip::{Chip, Core, Error, Failure, Kernel, KernelError, Result};
use prewire_test_support::Watchdog;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// `file:line:` of where it stands, as a submit on the same line reports its site.
#[allow(unused_macros, reason = "each test file uses a part")]
macro_rules! here {
    () => {
        concat!(file!(), ":", line!(), ":")
    };
}
#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use here;

/// As `here`, of the line below.
#[allow(unused_macros, reason = "each test file uses a part")]
macro_rules! next_line {
    () => {
        format!("{}:{}:", file!(), line!() + 1)
    };
}
#[allow(unused_imports, reason = "each test file uses a part")]
pub(crate) use next_line;

/// Ends the process if the calling test hangs.
pub(crate) fn dog() -> Watchdog {
    Watchdog::new(Duration::from_secs(180))
}

/// That the message of `error` has all of `parts` in it.
#[track_caller]
pub(crate) fn says(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in the message:\n{message}");
    }
}

/// The error of `result`, whose message has all of `parts` in it.
#[track_caller]
pub(crate) fn refused<T>(result: Result<T, Error>, parts: &[&str]) -> Error {
    let Err(error) = result else { panic!("this was to be refused with {parts:?}") };
    says(&error, parts);
    error
}

/// A count that threads wait for.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    count: Mutex<u32>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts one.
    pub(crate) fn pass(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// How many were counted.
    pub(crate) fn passed(&self) -> u32 {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the thread until `n` were counted.
    pub(crate) fn wait(&self, n: u32) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(count, |count| *count < n));
    }
}

/// What ran, in the order in which it was noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u64>>>);

impl Log {
    pub(crate) fn note(&self, what: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Takes what was noted.
    pub(crate) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A kernel that adds its scalar to each element of its `i32` argument.
pub(crate) fn add(chip: &Chip) -> Kernel {
    let body = |k: &mut prewire_chip::KernelCtx<'_>| {
        let by = k.scalar::<i32>(0)?;
        let mut x = k.output::<i32>(0)?;
        for r in 0..x.rows() {
            x.row_mut(r)?.iter_mut().for_each(|x| *x += by);
        }
        Ok(())
    };
    chip.kernel("add", Core::Aiv, body).unwrap()
}

/// A kernel that fills its `i32` argument with its scalar.
pub(crate) fn fill(chip: &Chip) -> Kernel {
    let body = |k: &mut prewire_chip::KernelCtx<'_>| {
        let value = k.scalar::<i32>(0)?;
        k.output::<i32>(0)?.fill(value);
        Ok(())
    };
    chip.kernel("fill", Core::Aiv, body).unwrap()
}

/// A kernel that copies its first `i32` argument to its second, of the same shape.
pub(crate) fn copy(chip: &Chip) -> Kernel {
    let body = |k: &mut prewire_chip::KernelCtx<'_>| {
        let from = k.input::<i32>(0)?.to_vec();
        let mut to = k.output::<i32>(1)?;
        let columns = to.shape().last().copied().unwrap_or(1) as usize;
        for (r, row) in from.chunks(columns).enumerate() {
            to.row_mut(r)?.copy_from_slice(row);
        }
        Ok(())
    };
    chip.kernel("copy", Core::Aiv, body).unwrap()
}

/// A kernel that does nothing.
pub(crate) fn nop(chip: &Chip) -> Kernel {
    chip.kernel("nop", Core::Aiv, |_| Ok(())).unwrap()
}

/// A kernel that fails.
pub(crate) fn fails(chip: &Chip) -> Kernel {
    chip.kernel("fails", Core::Aiv, |_| Err(KernelError::new("out of luck"))).unwrap()
}

/// The failed task that a run returned.
#[track_caller]
pub(crate) fn failure<T>(result: Result<T>) -> Failure {
    match result {
        Err(Error::Task(failure)) => *failure,
        Err(other) => panic!("not the failure of a task: {other}"),
        Ok(_) => panic!("the run was to fail"),
    }
}

#[track_caller]
pub(crate) fn still_works(chip: &Chip, add: &Kernel) {
    let x = chip.tensor(&[1i32; 8], &[8]).unwrap();
    let run = chip.run(|orch| {
        for _ in 0..10 {
            orch.submit(add).inout(&x).scalar(1i32).go()?;
        }
        Ok(())
    });
    assert_eq!(run.unwrap().executed, 10);
    assert_eq!(chip.read::<i32>(&x).unwrap(), [11; 8]);
}
