//! The records that a kernel library is given beside its tensors. Sizes and offsets are asserted: they are those that its
//! compiler knew.

use core::mem::{align_of, offset_of, size_of};

/// Words of the argument array.
pub(crate) const WORDS: usize = 50;
/// Where it has the local context.
pub(crate) const LOCAL: usize = 48;
/// Where it has the global context.
pub(crate) const GLOBAL: usize = 49;

/// One run of a kernel among the blocks of its task.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct LocalContext {
    pub(crate) block: i32,
    pub(crate) blocks: i32,
    pub(crate) deferral: Deferral,
}

/// Where a kernel writes what its task waits for beyond its return: addresses.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Deferral {
    pub(crate) count: u64,
    pub(crate) error: u64,
    pub(crate) entries: u64,
    pub(crate) capacity: u32,
    pub(crate) pad: u32,
    /// The task; a kernel that finds all ones here does not write.
    pub(crate) task: u64,
}

/// What a core is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct GlobalContext {
    pub(crate) subblock: i32,
    pub(crate) pad: u32,
    /// Memory for engines that move data by themselves: the simulator has none.
    pub(crate) workspace: [u64; 2],
}

impl Deferral {
    /// For a task that does not defer its completion.
    pub(crate) const NONE: Self =
        Self { count: 0, error: 0, entries: 0, capacity: 0, pad: 0, task: u64::MAX };
}

const _: () = assert!(size_of::<LocalContext>() == 48 && align_of::<LocalContext>() == 8);
const _: () = assert!(offset_of!(LocalContext, block) == 0);
const _: () = assert!(offset_of!(LocalContext, blocks) == 4);
const _: () = assert!(offset_of!(LocalContext, deferral) == 8);
const _: () = assert!(size_of::<Deferral>() == 40 && align_of::<Deferral>() == 8);
const _: () = assert!(offset_of!(Deferral, count) == 0);
const _: () = assert!(offset_of!(Deferral, error) == 8);
const _: () = assert!(offset_of!(Deferral, entries) == 16);
const _: () = assert!(offset_of!(Deferral, capacity) == 24);
const _: () = assert!(offset_of!(Deferral, task) == 32);
const _: () = assert!(size_of::<GlobalContext>() == 24 && align_of::<GlobalContext>() == 8);
const _: () = assert!(offset_of!(GlobalContext, subblock) == 0);
const _: () = assert!(offset_of!(GlobalContext, workspace) == 8);
