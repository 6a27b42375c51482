//! Portable callables: declared in the program, so that every process of it knows them, whenever it was started.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::callable::{Callable, Digest};

/// A callable that was declared with [`portable!`](crate::portable).
#[derive(Debug)]
pub struct Portable(fn() -> Callable);

inventory::collect!(Portable);

impl Portable {
    /// What [`portable!`](crate::portable) makes.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(make: fn() -> Callable) -> Self {
        Self(make)
    }
}

#[doc(hidden)]
pub use inventory;

/// Declares a callable that every process of the program knows: it can be [registered](crate::Worker::register) after the
/// start of a worker, too, when its children run already. Workers below that one, which a program does not reach, know it
/// when an orchestration of theirs submits it.
///
/// ```
/// use prewire_worker::{Callable, HostArgs, KernelError, Worker};
///
/// fn halve(args: &HostArgs<'_>) -> Result<(), KernelError> {
///     args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x /= 2.0);
///     Ok(())
/// }
///
/// fn halving() -> Callable {
///     Callable::host_function("halve", halve)
/// }
///
/// prewire_worker::portable!(halving);
///
/// # fn main() -> Result<(), prewire_worker::Error> {
/// let node = Worker::node().subs(1).threads().start()?;
/// let halving = halving();
/// node.register(&halving)?;
/// let x = node.tensor(&[3.0f32], &[1])?;
/// node.run(|orch| orch.submit(&halving).inout(&x).go().map(drop))?;
/// assert_eq!(node.read::<f32>(&x)?, [1.5]);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! portable {
    ($make:path) => {
        $crate::inventory::submit! { $crate::Portable::new($make) }
    };
}

/// The portable callable with a digest. Each is made at most once a process.
pub(crate) fn find(digest: &Digest) -> Option<Callable> {
    static KNOWN: OnceLock<BTreeMap<Digest, Callable>> = OnceLock::new();
    let made =
        || inventory::iter::<Portable>().map(|portable| (portable.0)()).map(|made| (made.digest(), made));
    KNOWN.get_or_init(|| made().collect()).get(digest).cloned()
}
