//! What can be wrong with a mailbox, a post or a request.

use crate::layout::VERSION;
use crate::life::Life;
use crate::word::{FrameState, Generation};
use core::fmt;
use core::num::NonZeroI32;
use core::time::Duration;
use prewire_abi::BlobError;

/// Why a mapping is not used.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AreaError {
    /// A number of children that a parent cannot have.
    Children {
        /// How many.
        children: usize,
        /// How many there may be.
        max: usize,
    },
    /// The memory is too short, or does not start on a page.
    Memory {
        /// Its address.
        address: usize,
        /// Its bytes.
        have: usize,
        /// The bytes that are needed.
        need: usize,
    },
    /// The memory holds mailboxes already.
    InUse,
    /// The memory holds no mailboxes, or those of another build.
    Foreign {
        /// What differs.
        field: &'static str,
        /// What the memory says.
        found: u64,
        /// What this build says.
        expected: u64,
    },
}

/// Why a task was not posted. Nothing of it exists then.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// The frame of the token is in use: back-pressure.
    Busy {
        /// The child.
        child: u32,
        /// The token.
        token: u32,
        /// The state of its frame; `None` if the word is broken.
        state: Option<FrameState>,
    },
    /// The child does not serve.
    NotUp {
        /// The child.
        child: u32,
        /// What it is instead.
        life: Life,
    },
    /// The arguments do not fit.
    TooLarge {
        /// The child.
        child: u32,
        /// Their bytes.
        bytes: usize,
        /// The bytes that a frame has for them.
        capacity: usize,
    },
    /// The arguments could not be written.
    Blob {
        /// The child.
        child: u32,
        /// Why.
        error: BlobError,
    },
}

/// How a task failed, as the child says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The child's code.
    pub code: NonZeroI32,
    /// The child's text, cut to what a frame holds.
    pub text: String,
}

/// Why a request has no answer.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlError {
    /// Another request is on its way.
    Busy {
        /// The child.
        child: u32,
        /// The state of the control frame; `None` if the word is broken.
        state: Option<FrameState>,
    },
    /// The bytes of the request do not fit.
    TooLarge {
        /// The child.
        child: u32,
        /// How many.
        bytes: usize,
        /// How many fit.
        capacity: usize,
    },
    /// The child answered that it failed.
    Failed {
        /// The child.
        child: u32,
        /// How.
        failure: Failure,
    },
    /// No answer in time. The child may still carry the request out.
    TimedOut {
        /// The child.
        child: u32,
        /// How long the parent waited.
        waited: Duration,
        /// The child has begun on it, and may use whatever the request names until it ends.
        began: bool,
    },
    /// The child does not serve, or stopped before it took the request.
    NotUp {
        /// The child.
        child: u32,
        /// What it is instead.
        life: Life,
    },
    /// The child died over the request: whether it carried it out is not known.
    Lost {
        /// The child.
        child: u32,
        /// What it was when that was seen.
        life: Life,
    },
}

/// Why a child does not begin.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginError {
    /// The place is not for this child: there is another, or it has begun before.
    NotExpected {
        /// The child.
        child: u32,
        /// The generation that it was started as.
        generation: Generation,
        /// What its place says.
        life: Life,
    },
}

/// Why a place is not made ready for another child, or its child not taken for dead.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArmError {
    /// There is a child.
    Alive {
        /// The child.
        child: u32,
        /// What its place says.
        life: Life,
    },
}

/// Why what a parent posted is not read.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame says that its arguments are longer than they can be.
    Length {
        /// The bytes that it says.
        bytes: usize,
        /// The bytes that there can be.
        capacity: usize,
    },
    /// The arguments do not decode.
    Blob(BlobError),
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mailboxes: ")?;
        match self {
            Self::Children { children, max } => write!(
                f,
                "a parent of {children} children; allowed are 1 to {max}; put a worker in between, with children of its own"
            ),
            Self::Memory { address, have, need } => write!(
                f,
                "the memory has {have} bytes at {address:#x}; needed are {need}, on a page; map more"
            ),
            Self::InUse => f.write_str("the memory holds mailboxes already; open them, or map other memory"),
            Self::Foreign { field, found, expected } => write!(
                f,
                "{field} is {found:#x} where this build, layout version {VERSION}, has {expected:#x}; start parent and \
                 child from one build"
            ),
        }
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { child, token, state } => write!(
                f,
                "child {child}: the frame of token {token} is in state {}, a post needs Idle; reap or retract what is \
                 in it first",
                Named(*state)
            ),
            Self::NotUp { child, life } => {
                write!(f, "child {child} does not serve: {life}; wait for its start, or for its replacement")
            }
            Self::TooLarge { child, bytes, capacity } => write!(
                f,
                "child {child}: the arguments have {bytes} bytes, a frame holds {capacity}; give the task fewer \
                 tensors and scalars, or put the data into a tensor"
            ),
            Self::Blob { child, error } => write!(f, "child {child}: {error}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text, self.code)
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { child, state } => write!(
                f,
                "child {child}: the control frame is in state {}, a request needs Idle; make one request at a time",
                Named(*state)
            ),
            Self::TooLarge { child, bytes, capacity } => write!(
                f,
                "child {child}: the request has {bytes} bytes, the control frame holds {capacity}; split it, or put the \
                 data into a buffer"
            ),
            Self::Failed { child, failure } => write!(f, "child {child} refused the request: {failure}"),
            Self::TimedOut { child, waited, .. } => write!(
                f,
                "child {child} has not answered for {} ms; it may be in a long task, or hang: look at it, or wait longer",
                waited.as_millis()
            ),
            Self::NotUp { child, life } => {
                write!(f, "child {child} does not serve: {life}; the request was not carried out")
            }
            Self::Lost { child, life } => {
                write!(f, "child {child} is no more: {life}; whether it carried the request out is not known")
            }
        }
    }
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NotExpected { child, generation, life } = self;
        write!(
            f,
            "child {child} of generation {generation} is not expected: its place is {life}; the parent arms a place for \
             each start"
        )
    }
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Alive { child, life } = self;
        write!(f, "child {child} is there: {life}; end it, see it dead and bury it first")
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes, capacity } => write!(
                f,
                "the frame says that its arguments have {bytes} bytes; there can be {capacity}; was it overwritten?"
            ),
            Self::Blob(error) => error.fmt(f),
        }
    }
}

/// The name of a state, or that it has none.
struct Named(Option<FrameState>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(state) => fmt::Debug::fmt(&state, f),
            None => f.write_str("BROKEN"),
        }
    }
}

impl core::error::Error for AreaError {}
impl core::error::Error for PostError {}
impl core::error::Error for Failure {}
impl core::error::Error for ControlError {}
impl core::error::Error for BeginError {}
impl core::error::Error for ArmError {}
impl core::error::Error for FrameError {}
