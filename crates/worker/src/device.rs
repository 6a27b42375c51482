//! Device memory of a chip that is a child: buffers in it, and copies to and from them.

use std::panic::Location;

use prewire_abi::{AccessMode, BufferDescriptor, ChipTensor, DataType};
use prewire_chip::{Buffer, Element, Origin, Refusal, SharedError, Tensor, rows};
use prewire_mailbox::{ANSWER_BYTES, Answer, REQUEST_BYTES};
use prewire_platform::LaneId;
use prewire_runs::event;

use crate::devices::{self, Place};
use crate::error::{Error, Result};
use crate::orch::refused;
use crate::plan::Plan;
use crate::serve::control::Code;
use crate::worker::Worker;

/// A chip that is a child of a worker, as somebody who has memory on it: made by [`Worker::device`].
///
/// A buffer of device memory can be passed to tasks on its chip, and to those only. It is given back when it is dropped,
/// and not before the end of the run that goes on. When a chip is replaced, its memory is gone: whoever uses a buffer of it
/// is told so.
///
/// ```
/// use prewire_chip::{Chip, Core};
/// use prewire_worker::{Args, Callable, Worker};
///
/// let double = Callable::chip_program("double", |chip| {
///     let double = chip.kernel("double", Core::Aiv, |k| {
///         k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
///         Ok(())
///     })?;
///     Ok(move |orch: &mut prewire_chip::Orch<'_>, args: &Args<'_>| {
///         orch.submit(&double).inout(&args.tensor(0)?).go().map(drop)
///     })
/// });
/// let tree = Worker::node().chips(1, Chip::sim(prewire_a2a3::a2a3())).callable(&double);
/// let node = tree.device_quota(1 << 20).threads().start()?;
/// let chip = node.device("chip0")?;
/// let weights = chip.tensor(&[1.0f32, 2.0, 3.0], &[3])?;
/// node.run(|orch| orch.submit(&double).to("chip0").inout(&weights).go().map(drop))?;
/// let result = node.zeros::<f32>(&[3])?;
/// chip.copy_from(&weights, &result)?;
/// assert_eq!(node.read::<f32>(&result)?, [2.0, 4.0, 6.0]);
/// # Ok::<(), prewire_worker::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Device<'w> {
    worker: &'w Worker,
    lane: LaneId,
}

/// Where bytes of device memory are.
#[derive(Clone, Copy)]
struct Spot {
    place: Place,
    /// The first of them, in its allocation.
    start: u64,
}

impl Spot {
    const fn args(&self) -> [u64; 4] {
        let Place { addr, serial, life, .. } = self.place;
        [addr, serial, life as u64, self.start]
    }

    const fn after(self, bytes: u64) -> Self {
        Self { start: self.start + bytes, ..self }
    }
}

impl Worker {
    /// The child of that name, which is a chip, to have memory on it.
    ///
    /// # Errors
    ///
    /// There is no such child, or it is no chip.
    pub fn device(&self, child: &str) -> Result<Device<'_>> {
        let children = self.inner.engine.children();
        let lane = children.lane(child).ok_or_else(|| children.unknown(child))?;
        if !self.plan().is_chip(lane) {
            let path = children.get(lane).path().to_owned();
            let why = "it is no chip: it has no memory of its own".to_owned();
            return Err(Error::Control { path, request: "device", why });
        }
        Ok(Device { worker: self, lane })
    }

    /// The chip that a tensor is in the device memory of.
    pub(crate) fn device_of(&self, tensor: &Tensor) -> Option<Device<'_>> {
        let lane = devices::owner(tensor.inner().buffer_addr())?;
        Some(Device { worker: self, lane })
    }

    fn plan(&self) -> &Plan {
        self.family.plan()
    }

    /// That a tensor is one of a buffer of this worker.
    fn check_buffer(&self, arg: usize, tensor: &Tensor) -> Result<(), Refusal> {
        let store = &self.inner.store;
        match tensor.origin() {
            _ if tensor.owner() != store.id() => Err(Refusal::OtherChip { arg }),
            Origin::Buffer { index, generation, .. } if store.is_live(index, generation) => Ok(()),
            Origin::Buffer { .. } => Err(Refusal::Dropped { arg }),
            _ => Err(Refusal::OtherRun { arg }),
        }
    }

    /// What the bytes of a tensor in shared memory are called on the way to a child.
    fn describe(&self, tensor: &Tensor, bytes: u64, access: AccessMode) -> Result<BufferDescriptor> {
        let (addr, segments) = (tensor.inner().start_addr(), &self.plan().segments);
        let inside = |from: u64, len: u64| addr.wrapping_sub(from) < len;
        let found = segments.iter().find(|(_, _, memory)| inside(memory.addr(), memory.len()));
        let (identity, _, memory) = found.ok_or(prewire_chip::Error::Shared(SharedError::NotAdopted))?;
        let described = segments.describe(identity, addr - memory.addr(), bytes, access);
        Ok(described.map_err(prewire_chip::Error::Shared)?)
    }
}

impl Device<'_> {
    /// Where the chip is in the tree.
    #[must_use]
    pub fn path(&self) -> &str {
        self.worker.inner.engine.children().get(self.lane).path()
    }

    /// Bytes that buffers on it take now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.worker.inner.devices.used(self.lane)
    }

    fn request(&self, code: Code, args: [u64; 4], bytes: &[u8]) -> Result<Answer> {
        self.worker.family.request(self.lane.0.into(), code, args, bytes)
    }

    /// Asks the chip whether it serves, and waits for the answer: until the task that it runs has ended.
    ///
    /// # Errors
    ///
    /// It does not serve.
    pub fn ping(&self) -> Result<()> {
        self.request(Code::Ping, [0; 4], &[]).map(drop)
    }

    /// Tells the chip what nobody uses any more.
    fn settle(&self) {
        for place in self.worker.inner.devices.take_dropped(self.lane) {
            // If it does not serve, its memory is gone anyway.
            if let Err(error) = self.request(Code::Free, Spot { place, start: 0 }.args(), &[]) {
                event!(debug, %error, "device memory was not given back");
            }
        }
    }

    fn allocate(&self, shape: &[u32], dtype: DataType) -> Result<Buffer> {
        let bytes = ChipTensor::contiguous(0, shape, dtype).map_err(prewire_chip::Error::from)?.buffer_size();
        let (devices, lane) = (&self.worker.inner.devices, self.lane);
        self.settle();
        devices.charge(lane, bytes).map_err(|over| Error::Control {
            path: self.path().to_owned(),
            request: Code::Malloc.name(),
            why: format!(
                "{bytes} bytes were wanted, and {} of the {} that this worker may take there are in use; drop a buffer, \
                 or raise device_quota",
                over.used, over.quota
            ),
        })?;
        let answer =
            self.request(Code::Malloc, [bytes, 0, 0, 0], &[]).inspect_err(|_| devices.refund(lane, bytes))?;
        let [addr, serial, life, _] = answer.results;
        let addr = devices.add(lane, Place { addr, serial, life: life as u32, bytes });
        Ok(self.worker.inner.store.buffer_at(addr, shape, dtype)?)
    }

    /// A buffer of zeros in device memory.
    ///
    /// # Errors
    ///
    /// The shape is not one; the chip has no room, or the quota is used up; or it does not serve.
    pub fn zeros<T: Element>(&self, shape: &[u32]) -> Result<Buffer> {
        self.allocate(shape, T::DTYPE)
    }

    /// A buffer in device memory with `data` in it, row after row.
    ///
    /// # Errors
    ///
    /// As [`zeros`](Device::zeros); or the shape has not as many elements; or this is inside of a run.
    #[track_caller]
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[u32]) -> Result<Buffer> {
        let buffer = self.zeros::<T>(shape)?;
        self.worker.write(&buffer, data)?;
        Ok(buffer)
    }

    /// Where in device memory an address is.
    fn spot(&self, tensor: &Tensor, addr: u64) -> Result<Spot> {
        let base = tensor.inner().buffer_addr();
        let place = self.worker.inner.devices.get(base);
        let gone = SharedError::NotAllocated { addr: base, serial: 0 };
        let place = place.ok_or(prewire_chip::Error::Shared(gone))?;
        Ok(Spot { place, start: addr - base })
    }

    /// The elements of a tensor on the chip. No run goes on.
    pub(crate) fn read<T: Element>(
        &self,
        tensor: &Tensor,
        site: &'static Location<'static>,
    ) -> Result<Vec<T>> {
        self.worker.inner.store.check::<T>(tensor, site, false)?;
        let mut data = vec![T::zeroed(); usize::try_from(tensor.len()).unwrap_or(0)];
        let mut rest: &mut [u8] = bytemuck::cast_slice_mut(&mut data);
        for (addr, elements) in rows(tensor) {
            let (row, others) = rest.split_at_mut(elements * size_of::<T>());
            let mut spot = self.spot(tensor, addr)?;
            for piece in row.chunks_mut(ANSWER_BYTES) {
                let answer = self.request(Code::Read, spot.args(), &(piece.len() as u64).to_ne_bytes())?;
                if answer.bytes.len() != piece.len() {
                    let (got, asked) = (answer.bytes.len(), piece.len());
                    let why = format!("it answered with {got} bytes where {asked} were asked for");
                    return Err(Error::Control {
                        path: self.path().to_owned(),
                        request: Code::Read.name(),
                        why,
                    });
                }
                piece.copy_from_slice(&answer.bytes);
                spot = spot.after(piece.len() as u64);
            }
            rest = others;
        }
        Ok(data)
    }

    /// Overwrites the elements of a tensor on the chip, of which there are as many. No run goes on.
    pub(crate) fn write<T: Element>(
        &self,
        tensor: &Tensor,
        data: &[T],
        site: &'static Location<'static>,
    ) -> Result<()> {
        self.worker.inner.store.check::<T>(tensor, site, true)?;
        if tensor.len() != data.len() as u64 {
            let why = format!("the tensor has {} elements, and {} were given", tensor.len(), data.len());
            return Err(refused("a copy", site, Refusal::Call(why)));
        }
        let mut rest: &[u8] = bytemuck::cast_slice(data);
        for (addr, elements) in rows(tensor) {
            let (row, others) = rest.split_at(elements * size_of::<T>());
            let mut spot = self.spot(tensor, addr)?;
            for piece in row.chunks(REQUEST_BYTES) {
                self.request(Code::Write, spot.args(), piece)?;
                spot = spot.after(piece.len() as u64);
            }
            rest = others;
        }
        Ok(())
    }

    /// Copies a tensor in shared memory over one on the chip. The two have as many elements, of one type, that lie row
    /// after row. Between runs.
    ///
    /// # Errors
    ///
    /// They do not match; one of them is somewhere else, or not a buffer any more; this is inside of a run; or the chip
    /// does not serve, or has been replaced since.
    #[track_caller]
    pub fn copy_to(&self, to: &Tensor, from: &Tensor) -> Result<()> {
        self.copy(Code::Upload, to, from, AccessMode::Read, Location::caller())
    }

    /// Copies a tensor on the chip over one in shared memory. Otherwise as [`copy_to`](Device::copy_to).
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Device::copy_to).
    #[track_caller]
    pub fn copy_from(&self, from: &Tensor, to: &Tensor) -> Result<()> {
        self.copy(Code::Download, from, to, AccessMode::Write, Location::caller())
    }

    fn copy(
        &self,
        code: Code,
        here: &Tensor,
        shared: &Tensor,
        access: AccessMode,
        site: &'static Location<'static>,
    ) -> Result<()> {
        let _idle = self.worker.inner.idle("a copy to or from a device")?;
        let refuse = |why: Refusal| refused("a copy", site, why);
        for (arg, tensor) in [here, shared].into_iter().enumerate() {
            self.worker.check_buffer(arg, tensor).map_err(refuse)?;
            if !tensor.inner().is_contiguous() {
                return Err(refuse(Refusal::Call("the elements of one do not lie row after row".into())));
            }
        }
        if devices::owner(here.inner().buffer_addr()) != Some(self.lane) {
            return Err(refuse(Refusal::Call(format!(
                "one tensor is to be in device memory of {}",
                self.path()
            ))));
        }
        if devices::owner(shared.inner().buffer_addr()).is_some() {
            return Err(refuse(Refusal::Call(
                "one tensor is to be in shared memory, and both are on chips".into(),
            )));
        }
        if (here.len(), here.dtype()) != (shared.len(), shared.dtype()) {
            let of = |tensor: &Tensor| format!("{} elements of {}", tensor.len(), tensor.dtype());
            let why = format!("the one on the chip has {}, the other one {}", of(here), of(shared));
            return Err(refuse(Refusal::Call(why)));
        }
        if here.is_empty() {
            return Ok(());
        }
        let bytes = shared.len() * u64::from(shared.dtype().size());
        let (spot, buffer) =
            (self.spot(here, here.inner().start_addr())?, self.worker.describe(shared, bytes, access)?);
        self.request(code, spot.args(), bytemuck::bytes_of(&buffer)).map(drop)
    }
}
