//! Why a program could not be loaded, and how a run of one fails that was loaded.

use std::fmt;

use prewire_abi::{CallableError, ErrorCode};
use prewire_chip::Error;

/// Why a program was not loaded, or not bound to a chip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The buffer is not a callable.
    #[error(transparent)]
    Callable(#[from] CallableError),
    /// Two kernels have the same function id.
    #[error("kernels {first} and {second} have the same function id {id}; give each its own")]
    SameId {
        /// One kernel.
        first: usize,
        /// The other.
        second: usize,
        /// The id.
        id: u32,
    },
    /// The orchestration library could not be written to a file, which the loader needs.
    #[error(
        "the orchestration library cannot be written to a file to load it from: {0}; make room there, or set TMPDIR"
    )]
    File(#[source] std::io::Error),
    /// The orchestration library is no shared object.
    #[error(
        "the orchestration library cannot be loaded: {why}; compile it for this machine, as a shared object"
    )]
    NotLoaded {
        /// What the loader said.
        why: String,
    },
    /// It has not what it must have.
    #[error("the orchestration library has no symbol {symbol:?}; {hint}")]
    NoSymbol {
        /// What is missing.
        symbol: String,
        /// What to do.
        hint: &'static str,
    },
    /// A kernel could not be loaded, or registered with the chip.
    #[error("the kernel of function id {id}: {error}")]
    Kernel {
        /// Its function id.
        id: u32,
        /// Why not.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A run that its orchestration made fail, or that could not be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    code: i32,
    text: String,
}

impl Fatal {
    pub(super) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self::with(code.code(), text)
    }

    pub(super) fn with(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// The code that was given, whether it is a known one or not.
    #[must_use]
    pub const fn code(&self) -> i32 {
        self.code
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fatal {}

/// What a run came to, as the two codes that a runtime keeps: the orchestrator's and the schedulers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Status {
    /// What the orchestrator latched.
    pub orch: Option<ErrorCode>,
    /// What a scheduler latched.
    pub sched: Option<ErrorCode>,
    /// What the orchestration declared, if that is none of the codes; then neither of the others is there.
    pub declared: Option<i32>,
}

impl Status {
    /// The one number that the run returns: 0, or what was latched, negative; the orchestrator's first.
    #[must_use]
    pub const fn number(&self) -> i32 {
        match self.declared {
            Some(code) if code > 0 => -code,
            Some(code) => code,
            None => ErrorCode::status(self.orch, self.sched),
        }
    }
}

/// The codes of a run that failed with `error`. A failure for which there is no code of its own is one that the
/// orchestration is said to have declared.
///
/// ```
/// use host_runtime::orchestration::status_of;
/// use prewire_chip::Error;
///
/// let status = status_of(&Error::user(std::fmt::Error));
/// assert_eq!(status.number(), -9);
/// assert!(status.sched.is_none());
/// ```
#[must_use]
pub fn status_of(error: &Error) -> Status {
    let known = if let Error::User(error) = error
        && let Some(fatal) = error.downcast_ref::<Fatal>()
    {
        match ErrorCode::try_from(fatal.code) {
            Ok(code) => Some(code),
            Err(_) => return Status { declared: Some(fatal.code), ..Status::default() },
        }
    } else {
        error.code()
    };
    let code = known.unwrap_or(ErrorCode::ExplicitOrchFatal);
    if code.is_orchestrator() {
        Status { orch: Some(code), ..Status::default() }
    } else {
        Status { sched: Some(code), ..Status::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_where_they_belong_and_unknown_ones_are_returned_as_they_are() {
        for code in [1, 9, 11, 100, 103] {
            let status = status_of(&Error::user(Fatal::with(code, "x")));
            assert_eq!((status.number(), status.declared), (-code, None));
            assert_eq!(status.orch.is_some(), code < 100);
            assert_ne!(status.orch.is_some(), status.sched.is_some());
        }
        for (code, number) in
            [(6, -6), (77, -77), (-77, -77), (1000, -1000), (i32::MAX, -i32::MAX), (i32::MIN, i32::MIN)]
        {
            let status = status_of(&Error::user(Fatal::with(code, "x")));
            assert_eq!((status.number(), status.declared), (number, Some(code)));
            assert!(status.orch.is_none() && status.sched.is_none());
        }
        let (orch, sched) = (Some(ErrorCode::InvalidArgs), Some(ErrorCode::SchedulerTimeout));
        let both = Status { orch, sched, declared: None };
        assert_eq!((both.number(), Status::default().number()), (-5, 0));
    }
}
