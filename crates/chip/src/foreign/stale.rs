//! A tensor that may have lost its memory: what is told of it.

use std::fmt;

use prewire_abi::TaskId;

/// A tensor that was used when its memory may have been another task's: the output of a task whose scope was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleTensor {
    /// The task that used it.
    pub task: TaskId,
    /// As which argument, from 0.
    pub arg: usize,
    /// The task whose output it was.
    pub owner: TaskId,
}

impl fmt::Display for StaleTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, arg, owner } = self;
        write!(
            f,
            "argument {arg} of task {task} is the output of task {owner}, whose scope is closed: its memory may be another \
             task's by now; use it inside its scope (further ones of this run are not told)"
        )
    }
}
