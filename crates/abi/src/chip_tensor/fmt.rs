//! When two tensors are equal, and how one prints.

use super::ChipTensor;
use core::fmt;

/// Equal records say the same: padding, and the numbers of dimensions that a tensor does not have, do not count.
impl PartialEq for ChipTensor {
    fn eq(&self, other: &Self) -> bool {
        let words = |t: &Self| (t.buffer_addr, t.buffer_size, t.owner_task_id, t.start_offset, t.extent);
        let small = |t: &Self| (t.version, t.ndims, t.dtype, t.manual_dep, t.is_contiguous, t.address_space);
        words(self) == words(other)
            && small(self) == small(other)
            && self.shape() == other.shape()
            && self.strides() == other.strides()
    }
}

impl Eq for ChipTensor {}

impl fmt::Debug for ChipTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ChipTensor");
        out.field("buffer", &format_args!("{:#x}+{}", self.buffer_addr, self.buffer_size));
        out.field("owner", &self.owner_task_id).field("start_offset", &self.start_offset);
        match self.dtype() {
            Ok(dtype) => out.field("dtype", &format_args!("{dtype}")),
            Err(_) => out.field("dtype", &self.dtype),
        };
        out.field("shape", &self.shape()).field("strides", &self.strides()).finish_non_exhaustive()
    }
}
