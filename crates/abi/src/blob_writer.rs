//! Writing a blob piece by piece, where the arguments are not together anywhere else.
//!
//! **Invariant:** what is finished is a whole blob: as many tensors and scalars as were announced.

use crate::args_view::{SCALAR, TENSOR};
use crate::{BlobError, Tensor};

/// Bytes of the two counts.
const HEADER: usize = 8;

/// Writes a blob into bytes that it is given, one argument after another: all tensors, all scalars, in any order.
///
/// ```
/// use prewire_abi::{BlobView, BlobWriter};
///
/// let mut frame = [0; 64];
/// let mut writer = BlobWriter::new(&mut frame, 0, 2)?;
/// writer.scalar(7)?;
/// writer.scalar(8)?;
/// assert_eq!(writer.finish()?, 24);
/// assert_eq!(BlobView::parse(&frame)?.args().scalar(1), Ok(8));
/// # Ok::<(), prewire_abi::BlobError>(())
/// ```
#[derive(Debug)]
#[must_use = "a blob is whole once it is finished"]
pub struct BlobWriter<'a> {
    /// Where the next tensor goes, and those after it.
    tensors: &'a mut [u8],
    /// Where the next scalar goes, and those after it.
    scalars: &'a mut [u8],
    bytes: usize,
}

impl<'a> BlobWriter<'a> {
    /// Bytes of a blob with so many arguments.
    #[must_use]
    pub const fn bytes(tensors: usize, scalars: usize) -> usize {
        HEADER.saturating_add(tensors.saturating_mul(TENSOR)).saturating_add(scalars.saturating_mul(SCALAR))
    }

    /// Begins a blob of so many arguments at the start of `out`. What follows in `out` is not touched.
    ///
    /// # Errors
    ///
    /// `out` is too short, or a count does not fit in 31 bits. Nothing is written then.
    pub fn new(out: &'a mut [u8], tensors: usize, scalars: usize) -> Result<Self, BlobError> {
        let count = |field, offset, value| {
            i32::try_from(value).map_err(|_| BlobError::TooMany { field, offset, value })
        };
        let tensor_count = count("tensor_count", 0, tensors)?;
        let scalar_count = count("scalar_count", 4, scalars)?;
        let (need, have) = (Self::bytes(tensors, scalars), out.len());
        let out = out.get_mut(..need).ok_or(BlobError::Short { field: "the blob", offset: 0, need, have })?;
        let (header, body) = out.split_at_mut(HEADER);
        header[..4].copy_from_slice(&tensor_count.to_ne_bytes());
        header[4..].copy_from_slice(&scalar_count.to_ne_bytes());
        let (tensors, scalars) = body.split_at_mut(tensors * TENSOR);
        Ok(Self { tensors, scalars, bytes: need })
    }

    /// Writes the next tensor.
    ///
    /// # Errors
    ///
    /// As many as were announced are written.
    pub fn tensor(&mut self, tensor: &Tensor) -> Result<(), BlobError> {
        let at = self.bytes - self.scalars.len() - self.tensors.len();
        put(&mut self.tensors, bytemuck::bytes_of(tensor), "one more tensor", at)
    }

    /// Writes the next scalar.
    ///
    /// # Errors
    ///
    /// As many as were announced are written.
    pub fn scalar(&mut self, bits: u64) -> Result<(), BlobError> {
        let at = self.bytes - self.scalars.len();
        put(&mut self.scalars, &bits.to_ne_bytes(), "one more scalar", at)
    }

    /// The blob is whole: its bytes.
    ///
    /// # Errors
    ///
    /// Something that was announced is missing.
    pub fn finish(self) -> Result<usize, BlobError> {
        let (need, have) = (self.bytes, self.bytes - self.tensors.len() - self.scalars.len());
        if have == need {
            Ok(need)
        } else {
            Err(BlobError::Short { field: "the blob", offset: 0, need, have })
        }
    }
}

/// Writes `bytes` to the front of `room`, which is `field` at `offset`.
fn put(room: &mut &mut [u8], bytes: &[u8], field: &'static str, offset: usize) -> Result<(), BlobError> {
    let have = room.len();
    let short = BlobError::Short { field, offset, need: bytes.len(), have };
    let to = room.split_off_mut(..bytes.len()).ok_or(short)?;
    to.copy_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessMode, BufferDescriptor, BufferIdentity, DataType, TaskArgs, TensorArgType};
    use alloc::vec;

    #[test]
    fn piece_by_piece_is_the_same_as_all_at_once() {
        let identity = BufferIdentity::new(*b"instance", 7, 1);
        let buffer = BufferDescriptor::posix_shm(identity, "s", 4096, AccessMode::Read).unwrap();
        let mut args = TaskArgs::new();
        for n in 1..4 {
            let tensor = Tensor::contiguous(buffer, 0, &[n, 2], DataType::F16).unwrap();
            args.add_tensor(tensor, TensorArgType::Input).unwrap();
        }
        args.add_scalar(5).unwrap().add_scalar(6).unwrap();
        let (mut one, mut other) = (vec![0xEE; 600], vec![0xEE; 600]);
        let len = args.view().write_blob(&mut one).unwrap();
        let mut writer = BlobWriter::new(&mut other, 3, 2).unwrap();
        writer.scalar(5).unwrap();
        args.tensors().iter().for_each(|tensor| writer.tensor(tensor).unwrap());
        writer.scalar(6).unwrap();
        assert!(writer.scalar(7).is_err() && writer.tensor(&args.tensors()[0]).is_err());
        assert_eq!((writer.finish(), one), (Ok(len), other));
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_told() {
        let mut room = [0; 24];
        assert!(matches!(
            BlobWriter::new(&mut room, 1, 0),
            Err(BlobError::Short { need: 152, have: 24, .. })
        ));
        assert!(matches!(BlobWriter::new(&mut room, usize::MAX, 0), Err(BlobError::TooMany { .. })));
        let mut writer = BlobWriter::new(&mut room, 0, 2).unwrap();
        writer.scalar(1).unwrap();
        assert_eq!(
            writer.finish(),
            Err(BlobError::Short { field: "the blob", offset: 0, need: 24, have: 16 })
        );
    }
}
