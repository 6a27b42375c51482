//! The arguments of a task as one run of bytes: two counts, the tensors, the scalars. Tags stay with the submitter.
//!
//! | offset | content |
//! |---|---|
//! | 0 | `i32`: how many tensors, T |
//! | 4 | `i32`: how many scalars, S |
//! | 8 | T tensors of 144 bytes |
//! | 8 + 144 T | S scalars of 8 bytes |

use crate::args_view::{SCALAR, TENSOR};
use crate::bytes::i32_at;
use crate::{TaskArgs, TaskArgsView};
use core::fmt;

/// Bytes of the two counts.
const HEADER: usize = 8;

/// Why a blob could not be written or read. Offsets are bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobError {
    /// The bytes end before the field does.
    Short {
        /// The field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// Bytes that it needs.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A count is negative, or more than the bytes hold.
    Count {
        /// The field.
        field: &'static str,
        /// Where it is.
        offset: usize,
        /// What it holds.
        value: i32,
        /// The largest that the bytes hold.
        max: usize,
    },
    /// A count does not fit in its field.
    TooMany {
        /// The field.
        field: &'static str,
        /// Where it is.
        offset: usize,
        /// The count.
        value: usize,
    },
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { field, offset, need, have } => write!(
                f,
                "argument blob: {field} at offset {offset} needs {need} bytes and has {have}; give it more room, \
                 or the task fewer arguments"
            ),
            Self::Count { field, offset, value, max } => write!(
                f,
                "argument blob: {field} at offset {offset} holds {value}; the bytes after it allow 0 to {max}; was \
                 it written by another version?"
            ),
            Self::TooMany { field, offset, value } => {
                write!(
                    f,
                    "argument blob: {field} at offset {offset} cannot hold {value}; allowed are {}",
                    i32::MAX
                )
            }
        }
    }
}

impl core::error::Error for BlobError {}

/// Writes the blob of `args` to the start of `out`, and returns its bytes. What follows in `out` is not touched.
///
/// # Errors
///
/// `out` is too short. Nothing is written then.
pub fn write_blob(args: &TaskArgs, out: &mut [u8]) -> Result<usize, BlobError> {
    args.view().write_blob(out)
}

impl TaskArgsView<'_> {
    /// Bytes of its blob.
    #[must_use]
    pub fn blob_len(&self) -> usize {
        let (tensors, scalars) = self.as_bytes();
        HEADER + tensors.len() + scalars.len()
    }

    /// Writes its blob to the start of `out`, and returns its bytes.
    ///
    /// # Errors
    ///
    /// `out` is too short, or a count does not fit in 31 bits. Nothing is written then.
    pub fn write_blob(&self, out: &mut [u8]) -> Result<usize, BlobError> {
        let count = |field, offset, value| {
            i32::try_from(value).map_err(|_| BlobError::TooMany { field, offset, value })
        };
        let tensor_count = count("tensor_count", 0, self.tensor_count())?;
        let scalar_count = count("scalar_count", 4, self.scalar_count())?;
        let (tensors, scalars) = self.as_bytes();
        let (need, have) = (self.blob_len(), out.len());
        let out = out.get_mut(..need).ok_or(BlobError::Short { field: "the blob", offset: 0, need, have })?;
        let (header, body) = out.split_at_mut(HEADER);
        header[..4].copy_from_slice(&tensor_count.to_ne_bytes());
        header[4..].copy_from_slice(&scalar_count.to_ne_bytes());
        let (to_tensors, to_scalars) = body.split_at_mut(tensors.len());
        to_tensors.copy_from_slice(tensors);
        to_scalars.copy_from_slice(scalars);
        Ok(need)
    }
}

/// A blob, read in place at any alignment.
///
/// ```
/// use prewire_abi::{BlobView, TaskArgs, write_blob};
///
/// let mut args = TaskArgs::new();
/// args.add_scalar(7)?;
/// let mut frame = [0; 64];
/// let len = write_blob(&args, &mut frame)?;
///
/// let blob = BlobView::parse(&frame)?;
/// assert_eq!((blob.len(), blob.args().scalar(0)?), (len, 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BlobView<'a> {
    args: TaskArgsView<'a>,
    bytes: &'a [u8],
}

impl<'a> BlobView<'a> {
    /// Reads the counts at the start of `bytes` and finds the arguments after them. What follows is not looked at:
    /// a frame is longer than its blob. The tensors are checked when they are asked for.
    ///
    /// # Errors
    ///
    /// Too few bytes, or a count that is negative or more than the bytes hold.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let count = |field, offset, room: usize, size: usize| {
            let short = BlobError::Short { field, offset, need: 4, have: bytes.len().saturating_sub(offset) };
            let value = i32_at(bytes, offset).ok_or(short)?;
            let max = room / size;
            match usize::try_from(value) {
                Ok(n) if n <= max => Ok(n * size),
                _ => Err(BlobError::Count { field, offset, value, max }),
            }
        };
        let room = bytes.len().saturating_sub(HEADER);
        let tensors = count("tensor_count", 0, room, TENSOR)?;
        let scalars = count("scalar_count", 4, room - tensors, SCALAR)?;
        let (bytes, _) = bytes.split_at(HEADER + tensors + scalars);
        let (tensor_bytes, scalar_bytes) = bytes[HEADER..].split_at(tensors);
        Ok(Self { args: TaskArgsView::new(tensor_bytes, scalar_bytes), bytes })
    }

    /// The arguments.
    #[must_use]
    pub fn args(&self) -> TaskArgsView<'a> {
        self.args
    }

    /// Bytes of the blob itself; at least 8.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a blob has two counts at least")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of the blob itself.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessMode, ArgsError, BufferDescriptor, BufferIdentity, DataType, Tensor, TensorArgType};
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn args(tensors: u32, scalars: u64) -> TaskArgs {
        let identity = BufferIdentity::new(*b"instance", 7, 1);
        let buffer = BufferDescriptor::posix_shm(identity, "s", 4096, AccessMode::Read).unwrap();
        let mut args = TaskArgs::new();
        for i in 1..=tensors {
            let tensor = Tensor::contiguous(buffer, 0, &[i, 2], DataType::F16).unwrap();
            args.add_tensor(tensor, TensorArgType::Input).unwrap();
        }
        for i in 0..scalars {
            args.add_scalar(!i).unwrap();
        }
        args
    }

    fn blob(args: &TaskArgs) -> Vec<u8> {
        let mut out = vec![0; args.blob_len()];
        assert_eq!(write_blob(args, &mut out), Ok(out.len()));
        out
    }

    #[test]
    fn the_layout_is_that_of_the_table() {
        let args = args(2, 3);
        let bytes = blob(&args);
        assert_eq!(bytes.len(), 8 + 2 * 144 + 3 * 8);
        assert_eq!((i32_at(&bytes, 0), i32_at(&bytes, 4)), (Some(2), Some(3)));
        assert_eq!(&bytes[8 + 144..8 + 288], bytemuck::bytes_of(&args.tensors()[1]));
        assert_eq!(&bytes[8 + 288 + 8..][..8], &(!1u64).to_ne_bytes());
    }

    #[test]
    fn a_blob_that_does_not_fit_is_not_begun() {
        let args = args(1, 1);
        let mut out = vec![0xee; 8 + 144 + 7];
        let error = write_blob(&args, &mut out).unwrap_err();
        assert_eq!(error, BlobError::Short { field: "the blob", offset: 0, need: 160, have: 159 });
        assert!(out.iter().all(|&b| b == 0xee));
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let at = |offset: usize, value: i32| {
            let mut bytes = blob(&args(2, 3));
            bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
            BlobView::parse(&bytes).map(|b| b.len()).unwrap_err()
        };
        let tensors = |value| BlobError::Count { field: "tensor_count", offset: 0, value, max: 2 };
        assert_eq!(at(0, 3), tensors(3));
        assert_eq!(at(0, -1), tensors(-1));
        assert_eq!(at(0, i32::MAX), tensors(i32::MAX));
        assert_eq!(at(4, 4), BlobError::Count { field: "scalar_count", offset: 4, value: 4, max: 3 });
        assert_eq!(
            at(4, i32::MIN),
            BlobError::Count { field: "scalar_count", offset: 4, value: i32::MIN, max: 3 }
        );
        assert_eq!(
            BlobView::parse(&[0; 6]).map(|b| b.len()),
            Err(BlobError::Short { field: "scalar_count", offset: 4, need: 4, have: 2 })
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tensors in 0u32..20, scalars in 0u64..20, shift in 0usize..8, tail in 0usize..40) {
            let args = args(tensors, scalars);
            let mut bytes = vec![0xa5; shift];
            bytes.extend(blob(&args));
            bytes.extend(vec![0xa5; tail]);
            let read = BlobView::parse(&bytes[shift..]).unwrap();
            prop_assert_eq!(read.len(), args.blob_len());
            let all: Result<Vec<Tensor>, ArgsError> = read.args().tensors().collect();
            prop_assert_eq!(&all.unwrap()[..], args.tensors());
            prop_assert!(read.args().scalars().eq(args.scalars().iter().copied()));
        }

        #[test]
        fn whatever_is_read_writes_the_same_bytes(
            mut bytes in prop::collection::vec(any::<u8>(), 0..600),
            counts in any::<Option<(u8, u8)>>(),
        ) {
            if let (Some((t, s)), Some(header)) = (counts, bytes.first_chunk_mut::<8>()) {
                *header = bytemuck::cast([i32::from(t % 5) - 1, i32::from(s % 30) - 1]);
            }
            if let Ok(read) = BlobView::parse(&bytes) {
                let mut again = vec![0; read.len()];
                prop_assert_eq!(read.args().write_blob(&mut again), Ok(again.len()));
                prop_assert_eq!(&again[..], &bytes[..again.len()]);
                let _ = read.args().validate();
            }
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0usize..448, to in any::<u8>()) {
            let mut bytes = blob(&args(3, 1));
            bytes[at] = to;
            if let Ok(read) = BlobView::parse(&bytes) {
                prop_assert_eq!(read.as_bytes(), &bytes[..read.len()]);
                for tensor in read.args().tensors().flatten() {
                    prop_assert!(tensor.byte_range().end <= tensor.buffer().nbytes());
                }
            }
        }
    }
}
