//! A front end's worker: a context with a device, storage for two runs, and the calls with everything that they want.

use crate::api::{Api, Handle};
use host_runtime::host::NativeRunDescriptor;
use prewire_abi::{
    ArgDirection, CallConfig, ChipCallable, ChipCallableParts, ChipStorageTaskArgs, ChipTensor, CoreCallable,
    DataType, RuntimeEnv,
};
use std::ffi::c_int;

/// Storage that a front end lends for a run.
#[derive(Debug)]
pub(crate) struct Storage {
    words: Box<[u128]>,
}

impl Storage {
    pub(crate) fn new(api: &Api) -> Self {
        // SAFETY: it takes nothing.
        let (size, align) = (unsafe { (api.get_runtime_size)() }, unsafe { (api.get_runtime_alignment)() });
        assert!(size >= 8 && align >= 8 && align.is_power_of_two(), "{size} {align}");
        assert!(align <= 16, "a word of this test is aligned to 16");
        Self { words: vec![0; size.div_ceil(16)].into() }
    }

    pub(crate) fn at(&mut self) -> Handle {
        self.words.as_mut_ptr().cast()
    }

    pub(crate) fn copy(&self) -> Self {
        Self { words: self.words.clone() }
    }

    pub(crate) fn scribble(&mut self, word: u128) {
        self.words.fill(word);
    }

    pub(crate) fn first_word(&self) -> u64 {
        self.words[0] as u64
    }
}

/// A worker of one device.
pub(crate) struct Worker<'a> {
    pub(crate) api: &'a Api,
    pub(crate) ctx: Handle,
    pub(crate) storage: [Storage; 2],
}

impl<'a> Worker<'a> {
    /// A context with a device, as a front end makes it.
    pub(crate) fn new(api: &'a Api, device: c_int) -> Self {
        let worker = Self::bare(api);
        assert_eq!(worker.init(device, None), 0);
        worker
    }

    /// A context without a device.
    pub(crate) fn bare(api: &'a Api) -> Self {
        // SAFETY: it takes nothing.
        let ctx = unsafe { (api.create_device_context)() };
        assert!(!ctx.is_null());
        Self { api, ctx, storage: [Storage::new(api), Storage::new(api)] }
    }

    pub(crate) fn init(&self, device: c_int, prewarm: Option<&CallConfig>) -> c_int {
        let (binary, none) = ([1u8, 2, 3], core::ptr::null());
        let config = prewarm.map_or(core::ptr::null(), core::ptr::from_ref);
        // SAFETY: bytes with their lengths, and a configuration or null.
        unsafe {
            (self.api.simpler_init)(self.ctx, device, binary.as_ptr(), 3, binary.as_ptr(), 3, none, 0, config)
        }
    }

    pub(crate) fn register(&self, id: i32, callable: &[u8]) -> c_int {
        // SAFETY: the libraries of the callables of these tests are theirs.
        unsafe { (self.api.simpler_register_callable)(self.ctx, id, callable.as_ptr().cast()) }
    }

    pub(crate) fn unregister(&self, id: i32) -> c_int {
        // SAFETY: a context and a number.
        unsafe { (self.api.simpler_unregister_callable)(self.ctx, id) }
    }

    pub(crate) fn run(&mut self, id: i32, args: &ChipStorageTaskArgs, config: &CallConfig) -> c_int {
        let at = self.storage[0].at();
        // SAFETY: records of this test, and tensors that it keeps.
        unsafe { (self.api.simpler_run)(self.ctx, at, id, args, config, &descriptor(0)) }
    }

    pub(crate) fn prepare(
        &mut self,
        slot: u32,
        id: i32,
        args: &ChipStorageTaskArgs,
        config: &CallConfig,
    ) -> c_int {
        self.prepare_as(&descriptor(slot), id, args, config)
    }

    pub(crate) fn prepare_as(
        &mut self,
        descriptor: &NativeRunDescriptor,
        id: i32,
        args: &ChipStorageTaskArgs,
        config: &CallConfig,
    ) -> c_int {
        let at = self.storage[descriptor.pipeline_slot as usize].at();
        // SAFETY: records of this test, and tensors that it keeps until the run is finalized.
        unsafe { (self.api.simpler_prepare_run)(self.ctx, at, id, args, config, descriptor) }
    }

    pub(crate) fn launch(&mut self, slot: usize) -> c_int {
        // SAFETY: a context and the storage of a place.
        unsafe { (self.api.simpler_launch_run)(self.ctx, self.storage[slot].at()) }
    }

    pub(crate) fn poll(&mut self, slot: usize) -> c_int {
        // SAFETY: as above.
        unsafe { (self.api.simpler_poll_run)(self.ctx, self.storage[slot].at()) }
    }

    pub(crate) fn wait(&mut self, slot: usize) -> c_int {
        // SAFETY: as above.
        unsafe { (self.api.simpler_wait_run)(self.ctx, self.storage[slot].at()) }
    }

    pub(crate) fn finish(&mut self, slot: usize) -> c_int {
        // SAFETY: as above.
        unsafe { (self.api.simpler_finalize_run)(self.ctx, self.storage[slot].at()) }
    }

    pub(crate) fn finalize(&self) -> c_int {
        // SAFETY: a context.
        unsafe { (self.api.finalize_device)(self.ctx) }
    }

    pub(crate) fn malloc(&self, bytes: usize) -> Handle {
        // SAFETY: a context.
        unsafe { (self.api.device_malloc_ctx)(self.ctx, bytes) }
    }

    pub(crate) fn free(&self, at: Handle) {
        // SAFETY: a context; what is no allocation is refused.
        unsafe { (self.api.device_free_ctx)(self.ctx, at) }
    }

    pub(crate) fn write(&self, at: Handle, data: &[u8]) -> c_int {
        // SAFETY: the bytes are there, and no run goes on.
        unsafe { (self.api.copy_to_device_ctx)(self.ctx, at, data.as_ptr().cast(), data.len()) }
    }

    pub(crate) fn read(&self, at: Handle, data: &mut [u8]) -> c_int {
        // SAFETY: as above.
        unsafe { (self.api.copy_from_device_ctx)(self.ctx, data.as_mut_ptr().cast(), at, data.len()) }
    }

    pub(crate) fn committed(&self) -> usize {
        // SAFETY: a context.
        unsafe { (self.api.committed_device_memory_ctx)(self.ctx) }
    }

    pub(crate) fn loads(&self) -> usize {
        // SAFETY: a context.
        unsafe { (self.api.get_aicpu_dlopen_count)(self.ctx) }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.finalize(), 0);
            // SAFETY: a context, which nobody uses after this.
            unsafe { (self.api.destroy_device_context)(self.ctx) };
        }
    }
}

pub(crate) fn descriptor(slot: u32) -> NativeRunDescriptor {
    NativeRunDescriptor { pipeline_slot: slot, run_id: 1, generation: 1, run_epoch: 1, ..Default::default() }
}

/// The arguments of a run: tensors over slices of the test, and scalars.
pub(crate) fn args(tensors: &[ChipTensor], scalars: &[u64]) -> Box<ChipStorageTaskArgs> {
    let mut args = ChipStorageTaskArgs::boxed();
    tensors.iter().for_each(|tensor| args.push_tensor(*tensor).unwrap());
    scalars.iter().for_each(|&scalar| args.push_scalar(scalar).unwrap());
    args
}

/// A tensor over a slice.
pub(crate) fn floats(data: &[f32]) -> ChipTensor {
    let addr = data.as_ptr().expose_provenance() as u64;
    ChipTensor::contiguous(addr, &[data.len() as u32], DataType::F32).unwrap()
}

/// A configuration with these rings: window, heap and pool, where 0 is the default.
pub(crate) fn rings(window: u64, heap: u64, pool: u64) -> CallConfig {
    let mut config = CallConfig::default();
    let env = RuntimeEnv { ring_task_window: [window; 4], ring_heap: [heap; 4], ring_dep_pool: [pool; 4] };
    config.set_runtime_env(env);
    config
}

/// The buffer of a callable.
pub(crate) fn callable(
    signature: &[ArgDirection],
    orchestration: &[u8],
    func: &str,
    kernels: &[(u32, &[u8])],
) -> Vec<u8> {
    let kernels: Vec<(u32, Vec<u8>)> =
        kernels.iter().map(|(id, bytes)| (*id, CoreCallable::encode(&[], bytes).unwrap())).collect();
    let children: Vec<(u32, &[u8])> = kernels.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
    ChipCallable::encode(&ChipCallableParts {
        signature,
        binary: orchestration,
        func_name: func,
        config_name: "",
        children: &children,
    })
    .unwrap()
}
