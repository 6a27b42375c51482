//! The records that a kernel library is given beside its tensors. Sizes and offsets are asserted: they are those that its
//! compiler knew.

use core::mem::{align_of, offset_of, size_of};

/// Words of the argument array.
pub(crate) const WORDS: usize = 50;
/// Where it has the local context.
pub(crate) const LOCAL: usize = 48;
/// Where it has the global context.
pub(crate) const GLOBAL: usize = 49;
/// How many things one sub-task can wait for.
pub(crate) const CAPACITY: usize = 64;

/// One run of a kernel among the blocks of its task.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct LocalContext {
    pub(crate) block: i32,
    pub(crate) blocks: i32,
    pub(crate) deferral: Deferral,
}

/// Where a kernel writes what its task waits for beyond its return: addresses of the parts of a [`Slab`].
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

/// One thing that a task waits for, as a kernel writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) addr: u64,
    pub(crate) cookie: u64,
    pub(crate) expected: u32,
    pub(crate) engine: u32,
    pub(crate) kind: i32,
    pub(crate) pad: u32,
}

/// What one sub-task waits for. Written by its kernel, then read by the thread that ran it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Slab {
    pub(crate) count: u32,
    pub(crate) error: i32,
    pub(crate) entries: [Entry; CAPACITY],
}

impl Slab {
    pub(crate) fn new() -> Self {
        Self { count: 0, error: 0, entries: [Entry::default(); CAPACITY] }
    }
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
const _: () = assert!(size_of::<Entry>() == 32 && align_of::<Entry>() == 8);
const _: () = assert!(offset_of!(Entry, addr) == 0);
const _: () = assert!(offset_of!(Entry, cookie) == 8);
const _: () = assert!(offset_of!(Entry, expected) == 16);
const _: () = assert!(offset_of!(Entry, engine) == 20);
const _: () = assert!(offset_of!(Entry, kind) == 24);
const _: () = assert!(size_of::<Slab>() == 2112 && align_of::<Slab>() == 64);
const _: () = assert!(offset_of!(Slab, count) == 0);
const _: () = assert!(offset_of!(Slab, error) == 4);
const _: () = assert!(offset_of!(Slab, entries) == 8);
