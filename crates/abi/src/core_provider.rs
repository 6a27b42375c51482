//! How a host runtime answers kernels that ask, through the library that a front end loads for all, which core they are on.

use core::ffi::c_void;
use core::mem::offset_of;

/// What a host runtime answers for the threads that run its kernels.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CoreProvider {
    /// [`SIZE`](Self::SIZE): another version of it has another.
    pub size: u64,
    /// The vector core that runs the calling thread's kernel; negative if the thread runs none of this runtime.
    pub subblock: extern "C" fn() -> i64,
    /// Memory that the cores of its cluster share, by key and bytes. Asked only on a thread for which `subblock` is not
    /// negative.
    pub pipe: extern "C" fn(u64, usize) -> *mut c_void,
}

impl CoreProvider {
    /// What stands in [`size`](Self::size).
    pub const SIZE: u64 = size_of::<Self>() as u64;
}

const _: () = assert!(size_of::<CoreProvider>() == 24 && align_of::<CoreProvider>() == 8);
const _: () = assert!(offset_of!(CoreProvider, subblock) == 8 && offset_of!(CoreProvider, pipe) == 16);
