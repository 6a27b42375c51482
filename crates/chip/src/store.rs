//! The buffers of one owner, a chip or a worker: made, read and overwritten.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use prewire_abi::{DataType, TaskId, ValidTensor};
use prewire_platform::DeviceMemory;
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::buffer::{Buffer, Buffers, Kept};
use crate::element::Element;
use crate::error::{Error, Refusal, Result};
use crate::orch::refused;
use crate::tensor::{Origin, Tensor};

/// Tells the owners of tensors in a process apart. Raised by every store.
static OWNERS: AtomicU64 = AtomicU64::new(1);

/// Buffers in some memory. A chip has one, of its device memory; so does whatever else hands out tensors.
///
/// ```
/// use std::sync::Arc;
/// use prewire_chip::Store;
/// use prewire_platform::{DeviceMemory, MemoryError};
///
/// struct None;
///
/// impl DeviceMemory for None {
///     fn allocate(&self, wanted: u64) -> Result<u64, MemoryError> {
///         Err(MemoryError::Exhausted { wanted, used: 0, limit: 0 })
///     }
///     # fn free(&self, addr: u64) -> Result<(), MemoryError> { Err(MemoryError::NotAllocated { addr }) }
///     # fn write(&self, addr: u64, _: &[u8]) -> Result<(), MemoryError> { Err(MemoryError::NotAllocated { addr }) }
///     # fn read(&self, addr: u64, _: &mut [u8]) -> Result<(), MemoryError> { Err(MemoryError::NotAllocated { addr }) }
///     // ...
/// }
///
/// assert!(Store::new(Arc::new(None)).zeros::<f32>(&[4]).is_err());
/// ```
pub struct Store {
    id: u64,
    memory: Arc<dyn DeviceMemory>,
    pub(crate) buffers: Arc<Buffers>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("id", &self.id).field("buffers", &self.buffers).finish_non_exhaustive()
    }
}

impl Store {
    /// No buffers yet, in `memory`.
    #[must_use]
    pub fn new(memory: Arc<dyn DeviceMemory>) -> Self {
        let buffers = Buffers::new(Arc::clone(&memory));
        Self { id: OWNERS.fetch_add(1, Ordering::Relaxed), memory, buffers }
    }

    /// Whose tensors they are: what [`Tensor::owner`] says.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The memory.
    #[must_use]
    pub fn memory(&self) -> &dyn DeviceMemory {
        &*self.memory
    }

    /// Whether a buffer is alive; one that was dropped while memory is kept is not.
    #[must_use]
    pub fn is_live(&self, index: u32, generation: u32) -> bool {
        self.buffers.is_live(index, generation)
    }

    /// Keeps the memory of every buffer, dropped or not, until the guard is dropped: for a run, or a copy. One at a time.
    pub fn keep(&self) -> Kept<'_> {
        self.buffers.keep()
    }

    /// A buffer with `data` in it, row after row.
    ///
    /// # Errors
    ///
    /// The shape has not as many elements, or is not one; or memory is exhausted.
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[u32]) -> Result<Buffer> {
        let buffer = self.zeros::<T>(shape)?;
        same_length(&buffer, data.len())?;
        self.memory.write(buffer.inner.start_addr(), bytemuck::cast_slice(data))?;
        Ok(buffer)
    }

    /// A buffer of zeros.
    ///
    /// # Errors
    ///
    /// The shape is not one, or memory is exhausted.
    pub fn zeros<T: Element>(&self, shape: &[u32]) -> Result<Buffer> {
        let mut inner = ValidTensor::contiguous(0, shape, T::DTYPE)?;
        let (hold, addr) = self.buffers.allocate(inner.buffer_size())?;
        inner.place(addr, TaskId::INVALID);
        Ok(Buffer::new(Tensor { inner, chip: self.id, origin: hold.origin(true) }, hold))
    }

    /// A buffer over memory that was allocated at `addr`, for as many elements at least: it is freed there when the buffer
    /// is gone.
    ///
    /// # Errors
    ///
    /// The shape is not one.
    pub fn buffer_at(&self, addr: u64, shape: &[u32], dtype: DataType) -> Result<Buffer> {
        let inner = ValidTensor::contiguous(addr, shape, dtype)?;
        let hold = self.buffers.own(addr);
        Ok(Buffer::new(Tensor { inner, chip: self.id, origin: hold.origin(true) }, hold))
    }

    /// That a tensor may be copied by the call at `site`.
    ///
    /// # Errors
    ///
    /// It is another owner's; its buffer was dropped, or it is an output of a run; its elements are of another type; or it
    /// was handed out to be read.
    pub fn check<T: Element>(
        &self,
        tensor: &Tensor,
        site: &'static Location<'static>,
        write: bool,
    ) -> Result<()> {
        let refuse = |why| Err(refused("a copy", site, why));
        if tensor.chip != self.id {
            return refuse(Refusal::OtherChip { arg: 0 });
        }
        match tensor.origin {
            Origin::Scope { .. } | Origin::Passed { .. } => return refuse(Refusal::OtherRun { arg: 0 }),
            Origin::Buffer { index, generation, .. } if !self.is_live(index, generation) => {
                return refuse(Refusal::Dropped { arg: 0 });
            }
            Origin::Buffer { .. } if write && tensor.is_read_only() => {
                return refuse(Refusal::ReadOnly { arg: 0 });
            }
            Origin::Buffer { .. } => {}
        }
        if tensor.dtype() == T::DTYPE {
            return Ok(());
        }
        let (tensor, call) = (tensor.dtype().to_string(), T::DTYPE.to_string());
        Err(Error::Mismatch { what: "dtype", tensor, call })
    }

    /// The elements of a tensor, row after row. Not while anybody keeps the memory.
    ///
    /// # Errors
    ///
    /// As [`check`](Store::check).
    pub fn read<T: Element>(&self, tensor: &Tensor, site: &'static Location<'static>) -> Result<Vec<T>> {
        let _kept = self.keep();
        self.check::<T>(tensor, site, false)?;
        let mut data = vec![T::zeroed(); usize::try_from(tensor.len()).unwrap_or(0)];
        let mut rest = data.as_mut_slice();
        for (addr, elements) in rows(tensor) {
            let (run, others) = rest.split_at_mut(elements);
            self.memory.read(addr, bytemuck::cast_slice_mut(run))?;
            rest = others;
        }
        Ok(data)
    }

    /// Overwrites the elements of a tensor, row after row. Not while anybody keeps the memory.
    ///
    /// # Errors
    ///
    /// As [`check`](Store::check); or `data` has not as many elements.
    pub fn write<T: Element>(
        &self,
        tensor: &Tensor,
        data: &[T],
        site: &'static Location<'static>,
    ) -> Result<()> {
        let _kept = self.keep();
        self.check::<T>(tensor, site, true)?;
        same_length(tensor, data.len())?;
        let mut rest = data;
        for (addr, elements) in rows(tensor) {
            let (run, others) = rest.split_at(elements);
            self.memory.write(addr, bytemuck::cast_slice(run))?;
            rest = others;
        }
        Ok(())
    }
}

fn same_length(tensor: &Tensor, len: usize) -> Result<()> {
    if tensor.len() == len as u64 {
        return Ok(());
    }
    let (tensor, call) = (format!("{} (shape {:?})", tensor.len(), tensor.shape()), format!("{len}"));
    Err(Error::Mismatch { what: "number of elements", tensor, call })
}

/// The pieces of a tensor whose elements lie one after the other, row after row: the address of each, and how many.
pub fn rows(tensor: &Tensor) -> impl Iterator<Item = (u64, usize)> {
    let (shape, strides) = (tensor.shape().to_vec(), tensor.strides().to_vec());
    let size = u64::from(tensor.dtype().size());
    let (start, packed, all) = (tensor.inner.start_addr(), tensor.inner.is_contiguous(), tensor.len());
    let inner = if strides.last() == Some(&1) || packed { shape.last().copied().unwrap_or(1) } else { 1 };
    let (count, elements) = match (all, packed) {
        (0, _) => (0, 0),
        (_, true) => (1, all),
        (_, false) => (all / u64::from(inner), u64::from(inner)),
    };
    (0..count).map(move |run| {
        let mut rest = run * elements;
        let mut at = 0;
        for (&n, &s) in shape.iter().zip(&strides).rev() {
            at += rest % u64::from(n) * u64::from(s);
            rest /= u64::from(n);
        }
        (start + at * size, elements as usize)
    })
}
