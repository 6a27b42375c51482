//! Why the arguments of a task cannot be.

use crate::{AccessMode, TensorArgType, TensorError};
use core::fmt;

/// Why the arguments of a task were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgsError {
    /// A tensor after a scalar.
    TensorAfterScalar {
        /// Index that the tensor would have had.
        index: usize,
        /// How many scalars are there already.
        scalars: usize,
    },
    /// More arguments than there is room for.
    TooMany {
        /// Tensors or scalars.
        what: &'static str,
        /// How many were asked for.
        wanted: usize,
        /// How many there may be.
        max: usize,
    },
    /// A count that arrived from outside is negative or too large.
    Count {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i32,
        /// The largest allowed.
        max: usize,
    },
    /// There is no such argument.
    Index {
        /// Tensors or scalars.
        what: &'static str,
        /// The index asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A tensor is not valid.
    Tensor {
        /// Its index.
        index: usize,
        /// What is wrong with it.
        error: TensorError,
    },
    /// A tensor's buffer does not grant what its use needs.
    Access {
        /// Its index.
        index: usize,
        /// How the task uses it.
        tag: TensorArgType,
        /// What the buffer grants.
        access: AccessMode,
    },
    /// Two tensors that the task writes may touch the same bytes.
    OverlappingWrites {
        /// Index of the first.
        first: usize,
        /// Index of the second.
        second: usize,
    },
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TensorAfterScalar { index, scalars } => {
                write!(f, "tensor argument {index} comes after {scalars} scalars; add all tensors first")
            }
            Self::TooMany { what, wanted, max } => {
                write!(f, "{wanted} {what} in one task; allowed are {max}; split the task")
            }
            Self::Count { field, value, max } => write!(f, "`{field}` holds {value}; allowed are 0 to {max}"),
            Self::Index { what, index, count } => {
                write!(f, "argument {index} of {count} {what}; they are counted from 0")
            }
            Self::Tensor { index, error } => write!(f, "tensor argument {index}: {error}"),
            Self::Access { index, tag, access } => write!(
                f,
                "tensor argument {index} is used as {tag}, but its buffer grants {access}; grant more, or use it \
                 otherwise"
            ),
            Self::OverlappingWrites { first, second } => {
                write!(
                    f,
                    "tensor arguments {first} and {second} are both written and overlap; write each byte once"
                )
            }
        }
    }
}

impl core::error::Error for ArgsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Tensor { error, .. } => Some(error),
            _ => None,
        }
    }
}
