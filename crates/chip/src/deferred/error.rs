//! What a kernel can do wrong when it says what its task waits for, and what to do about it.

use prewire_abi::ErrorCode;

/// Why what a kernel left for its task to wait for cannot be waited for. The run ends: how far the task is can never be
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeferredError {
    /// An entry is of no kind that there is.
    #[error("the kernel's entry {entry} is of kind {kind}; a counter is 0, a record of events is 1")]
    Kind {
        /// Which entry, from 0.
        entry: usize,
        /// Its kind.
        kind: i32,
    },
    /// An entry's counter is nowhere.
    #[error(
        "the kernel's entry {entry} is a counter at address {addr:#x}; pass the address of a word of {size} bytes, aligned to \
         its size"
    )]
    Counter {
        /// Which entry, from 0.
        entry: usize,
        /// The address.
        addr: u64,
        /// Bytes of the counter.
        size: usize,
    },
    /// An entry names no event.
    #[error("the kernel's entry {entry} waits for event 0 of a record; events count from 1")]
    Event {
        /// Which entry, from 0.
        entry: usize,
    },
    /// There are more entries than there is room for, so they are no entries.
    #[error(
        "the kernel left {count} entries where {allowed} have room; raise the count by one for each entry written"
    )]
    Count {
        /// How many it says there are.
        count: u32,
        /// How many there can be.
        allowed: usize,
    },
    /// All sub-tasks of the task together wait for too much.
    #[error(
        "the sub-tasks of the task wait for {count} counters, and a task waits for at most {allowed}; wait for fewer"
    )]
    Conditions {
        /// For how many.
        count: usize,
        /// For how many a task can wait.
        allowed: usize,
    },
    /// Too many tasks wait at the same time.
    #[error(
        "{allowed} tasks wait for counters already, as many as can; order tasks so that fewer do at the same time"
    )]
    Tasks {
        /// How many can.
        allowed: usize,
    },
    /// The kernel itself reported an error.
    #[error("the kernel reported error {code}{}", named(*.code))]
    Reported {
        /// The code that it wrote.
        code: i32,
    },
}

/// What a code that a kernel wrote means.
fn named(code: i32) -> String {
    ErrorCode::try_from(code)
        .map_or_else(|_| String::new(), |code| format!(": {}; {}", code.text(), code.hint()))
}

impl DeferredError {
    /// The code that the chip's ABI has for it.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Kind { .. } | Self::Counter { .. } | Self::Event { .. } => {
                ErrorCode::AsyncCompletionInvalid
            }
            Self::Tasks { .. } => ErrorCode::AsyncWaitOverflow,
            Self::Count { .. } | Self::Conditions { .. } => ErrorCode::AsyncRegistrationFailed,
            Self::Reported { code } => {
                ErrorCode::try_from(*code).unwrap_or(ErrorCode::AsyncRegistrationFailed)
            }
        }
    }
}
