//! The signature of a callable in its header: a direction a parameter.

use crate::bytes::i32_at;
use crate::{ArgDirection, CallableError};

/// The numbers of a signature, each known to be a direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature<'a>(&'a [[u8; 4]]);

impl<'a> Signature<'a> {
    /// Reads the `max` numbers at offset 0 of `header`, of which the `i32` at `count_at` says how many count. `base`
    /// is where the header is in the whole buffer.
    pub(crate) fn parse(
        header: &'a [u8],
        count_at: usize,
        max: usize,
        base: usize,
    ) -> Result<Self, CallableError> {
        let value = i64::from(i32_at(header, count_at).unwrap_or(-1));
        let all = header.as_chunks().0;
        let numbers = usize::try_from(value).ok().filter(|&n| n <= max).and_then(|n| all.get(..n));
        let numbers = numbers.ok_or(CallableError::Count {
            field: "sig_count",
            offset: base + count_at,
            value,
            max,
        })?;
        for (index, number) in numbers.iter().enumerate() {
            ArgDirection::try_from(i32::from_ne_bytes(*number))
                .map_err(|error| CallableError::Direction { index, offset: base + index * 4, error })?;
        }
        Ok(Self(numbers))
    }

    /// The directions.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = ArgDirection> + use<'a> {
        self.0.iter().map(|n| ArgDirection::try_from(i32::from_ne_bytes(*n)).unwrap_or(ArgDirection::Scalar))
    }

    /// Writes `signature` where [`parse`](Signature::parse) reads it.
    pub(crate) fn write(
        signature: &[ArgDirection],
        header: &mut [u8],
        count_at: usize,
        max: usize,
    ) -> Result<(), CallableError> {
        let count = i32::try_from(signature.len()).ok().filter(|_| signature.len() <= max);
        let value = signature.len() as i64;
        let count = count.ok_or(CallableError::Count { field: "sig_count", offset: count_at, value, max })?;
        for (number, direction) in header.as_chunks_mut().0.iter_mut().zip(signature) {
            *number = direction.code().to_ne_bytes();
        }
        header[count_at..count_at + 4].copy_from_slice(&count.to_ne_bytes());
        Ok(())
    }
}
