//! The way in for a new instance of the program that was started to make children.

use crate::tree::Builder;

/// Call this first thing in `main`, before any thread starts and before the program looks at its arguments, if trees of
/// it are started by [`exec`](Builder::exec). `describe` gets the name that `exec` was given, and describes that tree
/// again, exactly as it is described where it is started.
///
/// In a process that the user has started it does nothing. In one that was started to make the children of a worker, it
/// does that, and never returns.
///
/// ```
/// use prewire_worker::{Builder, Callable, Worker};
///
/// fn tree() -> Builder {
///     let triple = Callable::host_function("triple", |args| {
///         args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 3.0);
///         Ok(())
///     });
///     Worker::node().subs(2).callable(&triple).exec("triples")
/// }
///
/// prewire_worker::entry(|name| (name == "triples").then(tree));
/// // From here on the program is what it would be without; tree().start() may come after other threads.
/// ```
pub fn entry(describe: impl Fn(&str) -> Option<Builder>) {
    crate::family::enter(describe);
}
