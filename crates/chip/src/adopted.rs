//! Memory of others that a chip works on: adopted once, and then cut into buffers.
//!
//! **Invariant:** while a piece of it is in use, or may be by a kernel of a run that goes on, it is in the table of the
//! engine, so that every view of it takes a lease of the memory's own.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use prewire_abi::{AddressSpace, BackendKind, ChipTensor, DataType, TaskId, TensorError, ValidTensor};
use prewire_sim::Sim;
use prewire_sync::atomic::{AtomicUsize, Ordering};

use crate::buffer::{Buffer, Buffers, Hold};
use crate::chip::Chip;
use crate::error::Result;
use crate::lease::Holder;
use crate::segments::{Segments, checked};
use crate::shared_error::SharedError;
use crate::shared_memory::SharedMemory;
use crate::tensor::Tensor;

/// What a chip has adopted.
#[derive(Debug, Default)]
pub(crate) struct Adoptions {
    /// How many there are, so that a chip without any asks no further. Written by whoever adopts and lets go, in the lock.
    count: AtomicUsize,
    table: RwLock<Vec<(SharedMemory, Weak<Adoption>)>>,
}

impl Adoptions {
    /// The memory that `addr` is in, if it is adopted memory.
    #[inline]
    pub(crate) fn at(&self, addr: u64) -> Option<SharedMemory> {
        // Whoever has a tensor in it got that after the adoption, and what handed it on ordered the count before.
        if self.any() { self.look(addr) } else { None }
    }

    /// Whether there may be any.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }

    #[inline(never)]
    fn look(&self, addr: u64) -> Option<SharedMemory> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.iter().map(|(memory, _)| memory).find(|memory| memory.has(addr)).cloned()
    }

    /// Gives back what a kernel leaked that has returned.
    #[cold]
    pub(crate) fn give_back_all(&self, holder: Holder) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.iter().for_each(|(memory, _)| memory.leases().give_back_all(holder));
    }

    fn of(&self, memory: &SharedMemory) -> Option<Arc<Adoption>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.iter().find(|(adopted, _)| adopted.is(memory)).and_then(|(_, adoption)| adoption.upgrade())
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(SharedMemory, Weak<Adoption>)>)) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut table);
        self.count.store(table.len(), Ordering::Relaxed);
    }
}

/// That a chip has adopted memory. It ends with the last of the handle and the pieces in use.
#[derive(Debug)]
pub(crate) struct Adoption {
    memory: SharedMemory,
    sim: Arc<Sim>,
    adoptions: Arc<Adoptions>,
}

impl Adoption {
    pub(crate) const fn memory(&self) -> &SharedMemory {
        &self.memory
    }
}

impl Drop for Adoption {
    fn drop(&mut self) {
        // Before another adoption of it can begin.
        self.adoptions.change(|table| table.retain(|(memory, _)| !memory.is(&self.memory)));
        let released = self.sim.release(self.memory.addr());
        debug_assert!(released.is_ok(), "it was adopted, and is released once");
    }
}

/// Shared memory that a chip works on. Dropping it lets the memory go once no buffer in it is in use, and no run.
///
/// ```
/// use prewire_chip::{Chip, Core, DataType, SharedMemory};
///
/// let memory = SharedMemory::new(prewire_os::Mapping::new(1 << 16)?);
/// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
/// let adopted = chip.adopt(&memory)?;
/// let double = chip.kernel("double", Core::Aiv, |k| {
///     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
///     Ok(())
/// })?;
/// memory.write(1024, &1.5f32.to_le_bytes())?;
/// let x = adopted.tensor(1024, &[1], DataType::F32)?;
/// chip.run(|orch| orch.submit(&double).inout(&x).go().map(drop))?;
/// // No copy: the kernel wrote where everybody sees it.
/// assert_eq!(memory.view::<f32>(1024, 1)?.get(&[0]), Some(3.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Adopted {
    adoption: Arc<Adoption>,
    buffers: Arc<Buffers>,
    chip: u64,
}

impl Adopted {
    /// The memory.
    #[must_use]
    pub fn memory(&self) -> &SharedMemory {
        &self.adoption.memory
    }

    /// A tensor over the bytes from `start` on, row after row: a buffer of the chip until it is dropped. Its content is
    /// what is there.
    ///
    /// # Errors
    ///
    /// Not a shape, or one without elements; not inside the memory; not at a multiple of the element size; or bytes
    /// of another buffer in use that does not begin and end at the same places.
    pub fn tensor(&self, start: u64, shape: &[u32], dtype: DataType) -> Result<Buffer> {
        let mut inner = ValidTensor::contiguous(0, shape, dtype)?;
        if let Some(dim) = shape.iter().position(|&n| n == 0) {
            return Err(TensorError::Empty { dim }.into());
        }
        let (hold, addr) = self.adoption.piece(&self.buffers, start, inner.buffer_size(), dtype)?;
        inner.place(addr, TaskId::INVALID);
        Ok(Buffer::new(Tensor { inner, chip: self.chip, origin: hold.origin(true) }, hold))
    }
}

impl Adoption {
    /// A piece of the memory, and its address.
    fn piece(
        self: &Arc<Self>,
        buffers: &Arc<Buffers>,
        start: u64,
        len: u64,
        dtype: DataType,
    ) -> Result<(Hold, u64), SharedError> {
        let addr = self.memory.place(start, len)?;
        let size = u64::from(dtype.size());
        if !addr.is_multiple_of(size) {
            return Err(SharedError::Misaligned { start, size });
        }
        Ok((buffers.piece(self, &(addr..addr + len))?, addr))
    }
}

impl Chip {
    /// Makes shared memory a part of what the chip works on, without a copy: tensors in it can be passed to tasks, read and
    /// written as those in buffers can. It does not count as memory of the chip. In this process a view of it that
    /// conflicts with one of another chip or of a host function is an error; see [`SharedMemory`] for other processes.
    ///
    /// # Errors
    ///
    /// The chip has adopted the memory already, or memory that it overlaps with.
    pub fn adopt(&self, memory: &SharedMemory) -> Result<Adopted> {
        let shared = self.shared();
        shared.sim.adopt(memory.owner())?;
        let adoptions = Arc::clone(shared.engine.adoptions());
        let (memory, sim) = (memory.clone(), Arc::clone(&shared.sim));
        let adoption = Arc::new(Adoption { memory, sim, adoptions });
        let entry = (adoption.memory.clone(), Arc::downgrade(&adoption));
        adoption.adoptions.change(|table| table.push(entry));
        Ok(Adopted { adoption, buffers: Arc::clone(&shared.store.buffers), chip: shared.store.id() })
    }

    /// A tensor that arrived from another process, as one of this chip: in adopted memory, which `segments` finds, or in
    /// memory that was [allocated](Chip::allocate) on this chip. It can be used while what is returned is not dropped, and
    /// be written if it was handed out to be written. Tensors of one buffer share its memory and its hazards.
    ///
    /// # Errors
    ///
    /// What arrived is not a tensor, or not of a buffer that is known here and now; it is not where its elements can be;
    /// the memory was not adopted; or it overlaps with another buffer in use.
    pub fn import(&self, wire: &prewire_abi::Tensor, segments: &Segments) -> Result<Buffer> {
        Ok(self.imported(wire, segments)?)
    }

    fn imported(&self, wire: &prewire_abi::Tensor, segments: &Segments) -> Result<Buffer, SharedError> {
        let dtype = checked(wire)?;
        let buffer = wire.buffer();
        let writable = buffer.access().map_err(TensorError::from)?.can_write();
        let shared = self.shared();
        let on_device = buffer.backend().map_err(TensorError::from)? == BackendKind::DeviceMalloc;
        // Hazards are found by where the buffer begins.
        let (hold, addr, size, at) = if on_device {
            shared.devices.find(buffer, wire.byte_offset())?
        } else {
            let found = segments.find(buffer)?;
            let adoption = shared.engine.adoptions().of(found.memory).ok_or(SharedError::NotAdopted)?;
            let (hold, addr) = adoption.piece(&shared.store.buffers, found.start, buffer.nbytes(), dtype)?;
            (hold, addr, buffer.nbytes(), wire.byte_offset())
        };
        let element = u64::from(dtype.size());
        if !at.is_multiple_of(element) {
            return Err(SharedError::Misaligned { start: at, size: element });
        }
        let (shape, strides) = (wire.shape(), wire.strides());
        let inner = ChipTensor::in_buffer(addr, size, at / element, shape, strides, dtype)?;
        let inner = ValidTensor::new(inner.with_address_space(AddressSpace::Host))?;
        Ok(Buffer::new(Tensor { inner, chip: shared.store.id(), origin: hold.origin(writable) }, hold))
    }
}
