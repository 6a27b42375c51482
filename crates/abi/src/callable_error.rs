//! Why the bytes of a callable were refused.

use crate::UnknownCode;
use core::fmt;

/// Why a callable could not be built or read. Offsets are bytes from the start of the whole buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallableError {
    /// The bytes end before the part does.
    Short {
        /// The part.
        what: &'static str,
        /// Where it starts.
        offset: usize,
        /// Bytes that it needs.
        need: u64,
        /// Bytes that are there.
        have: usize,
    },
    /// A count is negative or too large.
    Count {
        /// The field.
        field: &'static str,
        /// Where it is.
        offset: usize,
        /// What it holds.
        value: i64,
        /// The largest allowed.
        max: usize,
    },
    /// A parameter of the signature has an unknown direction.
    Direction {
        /// Its index.
        index: usize,
        /// Where it is.
        offset: usize,
        /// What it holds.
        error: UnknownCode,
    },
    /// A name is no text, or is not ended by a 0 where its length says.
    Name {
        /// The field.
        field: &'static str,
        /// Where the first bad byte is.
        offset: usize,
    },
    /// A child is not where one can be.
    ChildOffset {
        /// Its index.
        child: usize,
        /// Where its offset is.
        offset: usize,
        /// What it holds, counted from the end of the header.
        value: u32,
        /// The first place for a child, counted from the end of the header.
        min: u64,
        /// What it must be a multiple of.
        align: usize,
    },
    /// The number of a child's function is out of range.
    FuncId {
        /// Its index.
        child: usize,
        /// Where the number is.
        offset: usize,
        /// What it holds.
        value: i32,
        /// How many functions there may be.
        max: usize,
    },
}

impl fmt::Display for CallableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("callable: ")?;
        match *self {
            Self::Short { what, offset, need, have } => {
                write!(f, "{what} at offset {offset} needs {need} bytes and has {have}; was the buffer cut?")
            }
            Self::Count { field, offset, value, max } => {
                write!(f, "{field} at offset {offset} is {value}; allowed are 0 to {max}")
            }
            Self::Direction { index, offset, error } => {
                write!(f, "parameter {index} at offset {offset}: {error}")
            }
            Self::Name { field, offset } => write!(
                f,
                "{field} is no name at offset {offset}; a name is UTF-8, and the byte 0 follows its last and no \
                 other"
            ),
            Self::ChildOffset { child, offset, value, min, align } => write!(
                f,
                "child {child} lies at {value}, says offset {offset}; allowed are multiples of {align} from {min}"
            ),
            Self::FuncId { child, offset, value, max } => {
                write!(
                    f,
                    "child {child} has function {value} at offset {offset}; allowed are numbers below {max}"
                )
            }
        }
    }
}

impl core::error::Error for CallableError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Direction { error, .. } => Some(error),
            _ => None,
        }
    }
}
