//! What a task runs, and what its submitter gets back.

use core::mem::{MaybeUninit, align_of, offset_of, size_of};

use prewire_abi::{ChipTensor, TaskId};

use super::CORE_TENSORS;

/// The kernels of a task, by their place in a cluster; -1 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Kernels {
    /// On the cube core.
    pub aic: i32,
    /// On the first vector core.
    pub aiv0: i32,
    /// On the second vector core.
    pub aiv1: i32,
}

/// The id of a task that was submitted, and the tensors that it creates.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Outputs {
    /// The task; all ones if there is none.
    pub task: TaskId,
    /// How many tensors there are.
    pub count: u32,
    /// Where they are described, in the order of the arguments.
    pub tensors: [MaybeUninit<*const ChipTensor>; CORE_TENSORS],
}

impl Outputs {
    /// Those of no task.
    #[must_use]
    #[inline]
    pub const fn none() -> Self {
        Self { task: TaskId::INVALID, count: 0, tensors: [MaybeUninit::uninit(); CORE_TENSORS] }
    }

    /// Adds one; there are no more than a task has.
    #[inline]
    pub(crate) fn push(&mut self, tensor: *const ChipTensor) {
        if let Some(place) = self.tensors.get_mut(self.count as usize) {
            place.write(tensor);
            self.count += 1;
        }
    }
}

const _: () = assert!(size_of::<Kernels>() == 12 && align_of::<Kernels>() == 4);
const _: () = assert!(offset_of!(Kernels, aiv0) == 4 && offset_of!(Kernels, aiv1) == 8);
const _: () = assert!(size_of::<Outputs>() == 272 && align_of::<Outputs>() == 8);
const _: () = assert!(offset_of!(Outputs, count) == 8 && offset_of!(Outputs, tensors) == 16);
const _: () = assert!(size_of::<TaskId>() == 8);
