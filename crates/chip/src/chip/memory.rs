//! The buffers of a chip: made, read and overwritten between its runs.

use std::panic::Location;

use super::Chip;
use crate::buffer::Buffer;
use crate::element::Element;
use crate::error::Result;
use crate::guard::Guard;
use crate::lease::Holder;
use crate::shared_error::SharedError;
use crate::span::Span;
use crate::tensor::Tensor;

impl Chip {
    /// A buffer with `data` in it, row after row.
    ///
    /// # Errors
    ///
    /// The shape has not as many elements, or is not one; or device memory is exhausted.
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[u32]) -> Result<Buffer> {
        self.shared.store.tensor(data, shape)
    }

    /// A buffer of zeros.
    ///
    /// # Errors
    ///
    /// The shape is not one, or device memory is exhausted.
    pub fn zeros<T: Element>(&self, shape: &[u32]) -> Result<Buffer> {
        self.shared.store.zeros::<T>(shape)
    }

    /// The elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// The elements are of another type; the tensor's buffer was dropped, or it is an output of a run; this is inside of
    /// a run or kernel; or the tensor is in shared memory, and somebody else in this process writes it.
    #[track_caller]
    pub fn read<T: Element>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        let _idle = self.shared.idle("Chip::read", "; inside a run, Orch::read reads an element")?;
        self.shared.store.check::<T>(tensor, Location::caller(), false)?;
        let _lease = self.keep_away(tensor, false)?;
        self.shared.store.read(tensor, Location::caller())
    }

    /// Overwrites the elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// As [`read`](Chip::read); `data` has not as many elements; or the tensor was handed out to be read.
    #[track_caller]
    pub fn write<T: Element>(&self, tensor: &Tensor, data: &[T]) -> Result<()> {
        let _idle = self.shared.idle("Chip::write", "; inside a run, Orch::write writes an element")?;
        self.shared.store.check::<T>(tensor, Location::caller(), true)?;
        let _lease = self.keep_away(tensor, true)?;
        self.shared.store.write(tensor, data, Location::caller())
    }

    /// What keeps others away from a tensor while it is copied, if it is not this chip's alone.
    fn keep_away(&self, tensor: &Tensor, write: bool) -> Result<Option<Guard<'_>>> {
        let (engine, span) = (&self.shared.engine, Span::over(&tensor.inner));
        if engine.adoptions().at(span.addr).is_none() {
            return Ok(None);
        }
        let busy = |other: Holder| SharedError::Busy { other: other.to_string() };
        Ok(Some(engine.keep_away(&span, write, Holder::host()).map_err(busy)?))
    }
}
