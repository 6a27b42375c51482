//! The arguments of a task, and of an orchestration: what a library fills in place and hands over by reference.

use core::ffi::{c_char, c_void};
use core::mem::{MaybeUninit, align_of, offset_of, size_of};

use prewire_abi::{CHIP_MAX_SCALAR_ARGS, CHIP_MAX_TENSOR_ARGS, ChipTensor};

/// Tensors that a task can have.
pub const CORE_TENSORS: usize = 32;
/// Scalars that a task can have.
pub const CORE_SCALARS: usize = 16;

/// How many blocks a task has, and whether they start together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LaunchSpec {
    /// Blocks.
    pub block_num: i16,
    /// Not 0: all start together.
    pub sync_start: u8,
}

/// A condition on one element of a tensor.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PredicateRecord {
    /// The tensor; null where there is no condition.
    pub tensor: *const ChipTensor,
    /// How many indices there are.
    pub ndims: u32,
    /// The element.
    pub indices: [u32; 5],
    /// How it is compared; 0 for no condition.
    pub op: u8,
    /// With what.
    pub target: i64,
}

/// What the arguments of a task begin with, in both forms; with other numbers, those of an orchestration.
#[derive(Debug)]
#[repr(C)]
pub struct ArgsHead<const T: usize, const S: usize> {
    /// What the task does with each tensor.
    pub tags: [MaybeUninit<i32>; T],
    /// A tensor each; for an output that is to be created, what it is to be.
    pub tensors: [MaybeUninit<*const c_void>; T],
    /// Bits each.
    pub scalars: [MaybeUninit<u64>; S],
    /// How many tensors there are.
    pub tensor_count: i32,
    /// How many scalars there are.
    pub scalar_count: i32,
    /// Not 0: the library made a mistake when it filled this in.
    pub has_error: u8,
    /// Which mistake.
    pub error_msg: *const c_char,
    /// Blocks.
    pub launch: LaunchSpec,
    /// Not 0: consumers may be prepared before the task has ended.
    pub allow_early_resolve: u8,
    /// When the task runs at all.
    pub predicate: PredicateRecord,
    /// Which slot its times are kept in; -1 for none.
    pub timing_slot: i32,
}

/// The arguments of a task.
pub type CoreArgs = ArgsHead<CORE_TENSORS, CORE_SCALARS>;
/// The arguments of an orchestration: [`CoreArgs`], with room for more.
pub type ChipArgs = ArgsHead<CHIP_MAX_TENSOR_ARGS, CHIP_MAX_SCALAR_ARGS>;

/// Which arguments are to be dumped.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DumpSelection {
    /// A bit an argument.
    pub mask: u64,
    /// Those of `mask` that were named by a scalar that is there twice.
    pub ambiguous: u64,
    /// Where each scalar was read from; 0 for a temporary.
    pub sources: [u64; CORE_SCALARS],
    /// What each scalar is.
    pub dtypes: [u8; CORE_SCALARS],
}

/// The producers that a task names itself.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ExplicitDeps {
    /// Their ids.
    pub ids: *const u64,
    /// The kind of each edge; null for all kinds.
    pub kinds: *const u8,
    /// How many there are.
    pub count: u32,
}

/// What follows the head of a task's arguments in the form with the dump member.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FullTail {
    /// What is to be dumped.
    pub dump: DumpSelection,
    /// Explicit producers.
    pub deps: ExplicitDeps,
}

const _: () = assert!(size_of::<LaunchSpec>() == 4 && offset_of!(LaunchSpec, sync_start) == 2);
const _: () = assert!(size_of::<PredicateRecord>() == 48);
const _: () = assert!(offset_of!(PredicateRecord, tensor) == 0 && offset_of!(PredicateRecord, ndims) == 8);
const _: () = assert!(offset_of!(PredicateRecord, indices) == 12 && offset_of!(PredicateRecord, op) == 32);
const _: () = assert!(offset_of!(PredicateRecord, target) == 40);

macro_rules! head {
    ($head:ty, $tensors:expr, $scalars:expr, $counts:expr, $size:expr) => {
        const _: () = assert!(size_of::<$head>() == $size && align_of::<$head>() == 8);
        const _: () = assert!(offset_of!($head, tags) == 0 && offset_of!($head, tensors) == $tensors);
        const _: () = assert!(offset_of!($head, scalars) == $scalars);
        const _: () = assert!(offset_of!($head, tensor_count) == $counts);
        const _: () = assert!(offset_of!($head, scalar_count) == $counts + 4);
        const _: () = assert!(offset_of!($head, has_error) == $counts + 8);
        const _: () = assert!(offset_of!($head, error_msg) == $counts + 16);
        const _: () = assert!(offset_of!($head, launch) == $counts + 24);
        const _: () = assert!(offset_of!($head, allow_early_resolve) == $counts + 28);
        const _: () = assert!(offset_of!($head, predicate) == $counts + 32);
        const _: () = assert!(offset_of!($head, timing_slot) == $counts + 80);
    };
}

head!(CoreArgs, 128, 384, 512, 600);
head!(ChipArgs, 1024, 3072, 4096, 4184);

const _: () = assert!(size_of::<DumpSelection>() == 160 && align_of::<DumpSelection>() == 8);
const _: () = assert!(offset_of!(DumpSelection, ambiguous) == 8 && offset_of!(DumpSelection, sources) == 16);
const _: () = assert!(offset_of!(DumpSelection, dtypes) == 144);
const _: () = assert!(size_of::<ExplicitDeps>() == 24 && align_of::<ExplicitDeps>() == 8);
const _: () = assert!(offset_of!(ExplicitDeps, kinds) == 8 && offset_of!(ExplicitDeps, count) == 16);
const _: () = assert!(size_of::<CoreArgs>() + size_of::<ExplicitDeps>() == 624);
const _: () = assert!(size_of::<CoreArgs>() + size_of::<FullTail>() == 784);
const _: () = assert!(size_of::<CoreArgs>() + offset_of!(FullTail, deps) == 760);
const _: () = assert!(size_of::<ChipArgs>() + size_of::<ExplicitDeps>() == 4208);
const _: () = assert!(size_of::<ChipArgs>() + size_of::<FullTail>() == 4368);
