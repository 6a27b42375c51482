//! Why a view of a tensor cannot be.

use crate::TensorError;
use core::fmt;

/// Why [`view`](crate::ChipTensor::view), [`slice`](crate::ChipTensor::slice),
/// [`transpose`](crate::ChipTensor::transpose), [`permute`](crate::ChipTensor::permute) or
/// [`reshape`](crate::ChipTensor::reshape) was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewError {
    /// A list has not one entry a dimension.
    Rank {
        /// The list.
        what: &'static str,
        /// Its length.
        got: usize,
        /// Dimensions of the tensor.
        ndims: usize,
    },
    /// There is no such dimension.
    NoDim {
        /// The dimension asked for.
        dim: usize,
        /// Dimensions of the tensor.
        ndims: usize,
    },
    /// The view reaches past the end of a dimension.
    OutOfBounds {
        /// The dimension.
        dim: usize,
        /// First index of the view.
        start: u32,
        /// One past its last index.
        end: u64,
        /// Size of the dimension.
        size: u32,
    },
    /// A slice ends before it starts.
    Reversed {
        /// The dimension.
        dim: usize,
        /// Where it starts.
        start: u32,
        /// Where it stops.
        stop: u32,
    },
    /// A slice of step 0.
    ZeroStep {
        /// The dimension.
        dim: usize,
    },
    /// A dimension is named twice in a permutation.
    Repeated {
        /// The dimension.
        dim: usize,
    },
    /// Only a contiguous tensor can be reshaped.
    NotContiguous {
        /// The dimension whose stride is not the implied one.
        dim: usize,
        /// Its stride in elements.
        stride: u32,
        /// The stride that the shape implies.
        implied: u128,
    },
    /// A reshape changes how many elements there are.
    ElementCount {
        /// How many there are.
        have: u64,
        /// How many the new shape has; `None` above 64 bits.
        want: Option<u64>,
    },
    /// The start of the view does not fit in 64 bits.
    StartOverflow {
        /// The dimension whose offset was too much.
        dim: usize,
        /// The offset.
        offset: u32,
    },
    /// The tensor, or the view, is no valid tensor.
    Tensor(TensorError),
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rank { what, got, ndims } => {
                write!(f, "{got} {what} for a tensor of {ndims} dimensions; give one a dimension")
            }
            Self::NoDim { dim, ndims } => {
                write!(f, "dimension {dim} of a tensor of {ndims} dimensions; they are counted from 0")
            }
            Self::OutOfBounds { dim, start, end, size } => {
                write!(f, "the view takes indices {start}..{end} of dimension {dim}, which has {size}")
            }
            Self::Reversed { dim, start, stop } => {
                write!(f, "the slice {start}..{stop} of dimension {dim} ends before it starts")
            }
            Self::ZeroStep { dim } => {
                write!(f, "a slice of dimension {dim} with step 0; allowed are 1 and more")
            }
            Self::Repeated { dim } => {
                write!(f, "the permutation names dimension {dim} twice; name each once")
            }
            Self::NotContiguous { dim, stride, implied } => write!(
                f,
                "only a contiguous tensor can be reshaped, and dimension {dim} has stride {stride} where its \
                 shape implies {implied}; copy it first"
            ),
            Self::ElementCount { have, want: Some(want) } => {
                write!(f, "a tensor of {have} elements cannot become one of {want}")
            }
            Self::ElementCount { have, want: None } => {
                write!(f, "a tensor of {have} elements cannot become one of more than {}", u64::MAX)
            }
            Self::StartOverflow { dim, offset } => {
                write!(f, "offset {offset} in dimension {dim} moves the start of the view past 64 bits")
            }
            Self::Tensor(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ViewError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Tensor(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TensorError> for ViewError {
    fn from(error: TensorError) -> Self {
        Self::Tensor(error)
    }
}

#[cfg(test)]
mod tests {
    use super::ViewError;
    use alloc::string::ToString;

    #[test]
    fn messages_name_the_dimension_and_the_numbers() {
        let text = ViewError::OutOfBounds { dim: 1, start: 6, end: 10, size: 8 }.to_string();
        assert!(text.contains("6..10") && text.contains("dimension 1") && text.contains("has 8"), "{text}");
    }
}
