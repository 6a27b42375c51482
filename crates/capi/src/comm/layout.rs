//! The two records of communication that others read: the context that kernels follow to the windows of all ranks, and the
//! descriptor with which a rank of a global domain tells the others where its window is.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use super::group::is_in;

/// How many ranks a context has room for.
pub const MAX_RANKS: usize = 64;

/// What a kernel is given of a communicator: its rank, and where the window of each rank is in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CommContext {
    /// No simulator has any: 0.
    pub work_space: u64,
    /// In bytes: 0.
    pub work_space_size: u64,
    /// The rank whose context this is.
    pub rank: u32,
    /// How many ranks there are.
    pub ranks: u32,
    /// Bytes of each window that may be used.
    pub window_size: u64,
    /// The address of the window of each rank.
    pub windows_in: [u64; MAX_RANKS],
    /// Where to write to a window: in a simulator the same addresses.
    pub windows_out: [u64; MAX_RANKS],
}

const _: () = assert!(size_of::<CommContext>() == 1056 && align_of::<CommContext>() == 8);
const _: () = assert!(offset_of!(CommContext, rank) == 16 && offset_of!(CommContext, ranks) == 20);
const _: () =
    assert!(offset_of!(CommContext, window_size) == 24 && offset_of!(CommContext, windows_in) == 32);
const _: () = assert!(offset_of!(CommContext, windows_out) == 544);

impl CommContext {
    /// The context of `rank`, whose peers have their windows at `windows`, at most [`MAX_RANKS`] of them.
    pub(crate) fn new(rank: u32, window_size: u64, windows: impl Iterator<Item = u64>) -> Self {
        let mut context = Self { rank, window_size, ..Self::zeroed() };
        for (place, window) in context.windows_in.iter_mut().zip(windows) {
            *place = window;
            context.ranks += 1;
        }
        context.windows_out = context.windows_in;
        context
    }

    /// Whether the `bytes` bytes at `address` are in it, where it is.
    pub(crate) fn shows(&self, address: u64, bytes: u64) -> bool {
        is_in(core::ptr::from_ref(self).addr() as u64, size_of::<Self>() as u64, address, bytes)
    }
}

/// What a rank of a global domain tells the others: the program passes it on, and looks at
/// [`mapping_size`](Self::mapping_size) alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct GlobalDescriptor {
    /// [`VERSION`](Self::VERSION).
    pub version: u32,
    /// [`SHARED_MEMORY`](Self::SHARED_MEMORY).
    pub profile: u32,
    /// Which rank's window it is.
    pub rank: u32,
    /// How many ranks the domain has.
    pub ranks: u32,
    /// Bytes of the window.
    pub mapping_size: u64,
    /// How many bytes of `handle` count.
    pub handle_size: u32,
    /// 0.
    pub reserved: u32,
    /// Where the window is: see [`Ticket`](super::hello::Ticket).
    pub handle: [u8; 256],
}

const _: () = assert!(size_of::<GlobalDescriptor>() == 288 && align_of::<GlobalDescriptor>() == 8);
const _: () =
    assert!(offset_of!(GlobalDescriptor, mapping_size) == 16 && offset_of!(GlobalDescriptor, handle) == 32);

impl GlobalDescriptor {
    /// The only version there is.
    pub const VERSION: u32 = 1;
    /// The profile of simulators: windows in shared memory.
    pub const SHARED_MEMORY: u32 = 1;
}
