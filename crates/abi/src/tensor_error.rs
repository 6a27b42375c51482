//! Why a tensor cannot be.

use crate::{MAX_TENSOR_DIMS, UnknownCode};
use core::fmt;

/// Why a tensor was refused, when it was made or when it arrived from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// Too few or too many dimensions.
    Rank {
        /// How many there are.
        ndims: u64,
    },
    /// Shape and strides have different lengths.
    RankMismatch {
        /// Length of the shape.
        shape: usize,
        /// Length of the strides.
        strides: usize,
    },
    /// A stride is 0, or does not fit in 32 bits.
    Stride {
        /// The dimension.
        dim: usize,
        /// Its stride in elements.
        stride: u128,
    },
    /// The elements, their extent or their bytes do not fit in 64 bits.
    TooManyElements,
    /// A coded field holds an unknown number.
    Code(UnknownCode),
    /// A flag is neither 0 nor 1.
    Flag {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u8,
    },
    /// The extent that the tensor carries is not that of its shape and strides.
    Extent {
        /// What it carries, in elements.
        cached: u64,
        /// What it should, in elements.
        actual: u64,
    },
    /// The tensor claims to be contiguous and is not.
    NotPacked {
        /// The dimension that tells.
        dim: usize,
        /// Its stride in elements.
        stride: u32,
        /// The stride that the shape implies.
        implied: u128,
    },
    /// The view reaches past the end of its buffer.
    OutsideBuffer {
        /// First byte of the view, from the start of the buffer.
        start: u128,
        /// One past its last byte.
        end: u128,
        /// Bytes of the buffer.
        size: u64,
    },
    /// The buffer reaches past the end of the address space.
    AddressOverflow {
        /// Its address.
        addr: u64,
        /// Its bytes.
        size: u64,
    },
    /// The view starts between two elements.
    Misaligned {
        /// Its start, in bytes.
        offset: u64,
        /// Bytes of one element.
        element: u32,
    },
    /// A dimension is 0 where an empty tensor is not allowed.
    Empty {
        /// The dimension.
        dim: usize,
    },
    /// A reserved field, or one of a dimension that the tensor does not have, is not 0.
    Reserved {
        /// The field.
        field: &'static str,
        /// Which of its elements.
        index: usize,
    },
    /// What backs the tensor is refused.
    Buffer(crate::BufferError),
}

impl fmt::Display for TensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rank { ndims } => {
                write!(f, "a tensor of {ndims} dimensions; allowed are 1 to {MAX_TENSOR_DIMS}")
            }
            Self::RankMismatch { shape, strides } => {
                write!(f, "a shape of {shape} dimensions with {strides} strides; give one stride a dimension")
            }
            Self::Stride { dim, stride } => {
                write!(f, "stride {stride} in dimension {dim}; allowed are 1 to {} elements", u32::MAX)
            }
            Self::TooManyElements => write!(f, "the elements or bytes of the tensor do not fit in 64 bits"),
            Self::Code(error) => error.fmt(f),
            Self::Flag { field, value } => write!(f, "the flag `{field}` holds {value}; allowed are 0 and 1"),
            Self::Extent { cached, actual } => write!(
                f,
                "the tensor carries an extent of {cached} elements, its shape and strides give {actual}; \
                 was it changed by hand?"
            ),
            Self::NotPacked { dim, stride, implied } => write!(
                f,
                "the tensor claims to be contiguous, but dimension {dim} has stride {stride} where its shape \
                 implies {implied}"
            ),
            Self::OutsideBuffer { start, end, size } => {
                write!(f, "the view takes bytes {start}..{end} of a buffer of {size} bytes")
            }
            Self::AddressOverflow { addr, size } => {
                write!(f, "a buffer of {size} bytes at {addr:#x} reaches past the end of the address space")
            }
            Self::Misaligned { offset, element } => {
                write!(
                    f,
                    "the view starts at byte {offset}, which is no multiple of the element size {element}"
                )
            }
            Self::Empty { dim } => write!(f, "dimension {dim} has size 0; a tensor on the wire has elements"),
            Self::Reserved { field, index } => {
                write!(
                    f,
                    "`{field}[{index}]` is unused by this tensor and must be 0; was the record filled whole?"
                )
            }
            Self::Buffer(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TensorError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Code(error) => Some(error),
            Self::Buffer(error) => Some(error),
            _ => None,
        }
    }
}

impl From<UnknownCode> for TensorError {
    fn from(error: UnknownCode) -> Self {
        Self::Code(error)
    }
}

impl From<crate::BufferError> for TensorError {
    fn from(error: crate::BufferError) -> Self {
        Self::Buffer(error)
    }
}

#[cfg(test)]
mod tests {
    use super::TensorError;
    use alloc::string::ToString;

    #[test]
    fn messages_hold_the_numbers() {
        let text = TensorError::OutsideBuffer { start: 8, end: 72, size: 64 }.to_string();
        assert!(text.contains("8..72") && text.contains("64 bytes"), "{text}");
        let text = TensorError::Rank { ndims: 6 }.to_string();
        assert!(text.contains('6') && text.contains("1 to 5"), "{text}");
    }
}
