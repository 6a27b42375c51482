//! What the tests in this folder share: host functions that say what they did, and workers of threads.

use std::sync::Arc;
use std::time::Duration;

use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use prewire_worker::{Callable, Error, KernelError};

/// What a test may take at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// That the message has all of these parts.
#[track_caller]
pub(crate) fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} is not all in: {text}");
}

/// `y = a * x + y`, element by element.
pub(crate) fn axpy() -> Callable {
    Callable::host_function("axpy", |args| {
        let (a, x) = (args.scalar::<f32>(0)?, args.input::<f32>(0)?);
        let mut y = args.inout::<f32>(1)?;
        y.as_mut_slice()?.iter_mut().zip(x.iter()).for_each(|(y, x)| *y += a * x);
        Ok(())
    })
}

/// `y = x + 1`, into what may be memory of the task's own.
pub(crate) fn next() -> Callable {
    Callable::host_function("next", |args| {
        let (x, mut y) = (args.input::<f32>(0)?, args.output::<f32>(1)?);
        y.as_mut_slice()?.iter_mut().zip(x.iter()).for_each(|(y, x)| *y = x + 1.0);
        Ok(())
    })
}

/// Fails.
pub(crate) fn bad() -> Callable {
    Callable::host_function("bad", |_| Err(KernelError::new("no such luck")))
}

/// Something that a test holds shut, and callables in threads wait at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    open: Arc<AtomicBool>,
    waiting: Arc<AtomicU32>,
}

impl Gate {
    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// How many have come to it.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Acquire)
    }

    /// Waits until `n` have come to it.
    pub(crate) fn wait_for(&self, n: u32) {
        while self.waiting() < n {
            std::thread::yield_now();
        }
    }

    /// A host function that waits at it.
    pub(crate) fn function(&self, name: &str) -> Callable {
        let gate = self.clone();
        Callable::host_function(name, move |_| {
            gate.waiting.fetch_add(1, Ordering::AcqRel);
            while !gate.open.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            Ok(())
        })
    }
}
