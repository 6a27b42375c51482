//! The records of the host interface. Invariant: size, alignment and every offset are asserted when this is compiled.
//!
//! They are plain numbers: a pointer is kept as the address that it is, so that a record read from a front end claims
//! nothing about memory.

use core::mem::{align_of, offset_of, size_of};

/// How many runs of a context can be prepared or launched at a time.
pub const PIPELINE_DEPTH: u32 = 2;
/// How many resources a contract can name.
pub const MAX_RESOURCES: usize = 8;

/// Which run is prepared, on which resources, and where to say that it was launched. 56 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct NativeRunDescriptor {
    /// The place in the pipeline: 0 or 1. What a run stages is kept by place.
    pub pipeline_slot: u32,
    /// The bank of shared device memory: 0 or 1.
    pub arena_bank: u32,
    /// The front end's name for the run.
    pub run_id: u64,
    /// How often the place was lent before.
    pub generation: u64,
    /// The front end's name for the hand-over.
    pub dispatch_id: u64,
    /// The number of the run in its process.
    pub run_epoch: u64,
    /// The address of the 32-bit word that says that the run was launched, or 0.
    pub accepted_state: u64,
    /// What is written there.
    pub accepted_value: i32,
    /// Not used.
    pub pad: u32,
}

const _: () = assert!(size_of::<NativeRunDescriptor>() == 56 && align_of::<NativeRunDescriptor>() == 8);
const _: () = assert!(offset_of!(NativeRunDescriptor, pipeline_slot) == 0);
const _: () = assert!(offset_of!(NativeRunDescriptor, arena_bank) == 4);
const _: () = assert!(offset_of!(NativeRunDescriptor, run_id) == 8);
const _: () = assert!(offset_of!(NativeRunDescriptor, generation) == 16);
const _: () = assert!(offset_of!(NativeRunDescriptor, dispatch_id) == 24);
const _: () = assert!(offset_of!(NativeRunDescriptor, run_epoch) == 32);
const _: () = assert!(offset_of!(NativeRunDescriptor, accepted_state) == 40);
const _: () = assert!(offset_of!(NativeRunDescriptor, accepted_value) == 48);
const _: () = assert!(offset_of!(NativeRunDescriptor, pad) == 52);

/// A resource that outlives the launch of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct PipelineResource {
    /// What it is: heap 1, shared memory 2, image of the runtime 3, arguments 4, streams 5 and 6.
    pub kind: u32,
    /// How many there are: one a run 0, one for all 1, a handle of an execution 2.
    pub class: u32,
    /// Always 0.
    pub bytes_per_copy: u64,
}

const _: () = assert!(size_of::<PipelineResource>() == 16 && align_of::<PipelineResource>() == 8);
const _: () = assert!(offset_of!(PipelineResource, kind) == 0);
const _: () = assert!(offset_of!(PipelineResource, class) == 4);
const _: () = assert!(offset_of!(PipelineResource, bytes_per_copy) == 8);

/// What of a run is there once, and what twice. 144 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct PipelineContract {
    /// The version of this record: 1.
    pub abi_version: u32,
    /// How many resources are named.
    pub resource_count: u32,
    /// How many runs can be prepared or launched at a time.
    pub pipeline_depth: u32,
    /// Not used.
    pub pad: u32,
    /// The resources.
    pub resources: [PipelineResource; MAX_RESOURCES],
}

const _: () = assert!(size_of::<PipelineContract>() == 144 && align_of::<PipelineContract>() == 8);
const _: () = assert!(offset_of!(PipelineContract, abi_version) == 0);
const _: () = assert!(offset_of!(PipelineContract, resource_count) == 4);
const _: () = assert!(offset_of!(PipelineContract, pipeline_depth) == 8);
const _: () = assert!(offset_of!(PipelineContract, pad) == 12);
const _: () = assert!(offset_of!(PipelineContract, resources) == 16);

/// Two runs at a time, each with arguments of its own, on one heap.
pub(crate) static CONTRACT: PipelineContract = {
    const ONE_A_RUN: u32 = 0;
    const ONE_FOR_ALL: u32 = 1;
    const HANDLE: u32 = 2;
    const fn resource(kind: u32, class: u32) -> PipelineResource {
        PipelineResource { kind, class, bytes_per_copy: 0 }
    }
    let none = resource(0, 0);
    PipelineContract {
        abi_version: 1,
        resource_count: 6,
        pipeline_depth: PIPELINE_DEPTH,
        pad: 0,
        resources: [
            resource(1, ONE_FOR_ALL),
            resource(2, ONE_FOR_ALL),
            resource(3, ONE_FOR_ALL),
            resource(4, ONE_A_RUN),
            resource(5, HANDLE),
            resource(6, HANDLE),
            none,
            none,
        ],
    }
};

/// What all libraries of a front end share of their log. 16 bytes. The front end owns it, and writes the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct SimplerHostLogState {
    /// The version of this record: 1.
    pub abi_version: u32,
    /// Its bytes: 16.
    pub struct_size: u32,
    /// The lowest level that is written: 10, 20, 25, 30, 40; 60 for none.
    pub threshold: i32,
    /// The process whose clock was told.
    pub clock_anchor_pid: i32,
}

const _: () = assert!(size_of::<SimplerHostLogState>() == 16 && align_of::<SimplerHostLogState>() == 4);
const _: () = assert!(offset_of!(SimplerHostLogState, abi_version) == 0);
const _: () = assert!(offset_of!(SimplerHostLogState, struct_size) == 4);
const _: () = assert!(offset_of!(SimplerHostLogState, threshold) == 8);
const _: () = assert!(offset_of!(SimplerHostLogState, clock_anchor_pid) == 12);
