//! Memory that tensors live in.

use core::fmt;

/// Why device memory could not be had or reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryError {
    /// `wanted` more bytes do not fit: `used` of `limit` are taken.
    Exhausted {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes that there are.
        limit: u64,
    },
    /// `wanted` more bytes would be more than the machine has for this process, `used` bytes being taken.
    BeyondMachine {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes that the machine has.
        machine: u64,
    },
    /// `len` bytes at `addr` are not inside one allocation.
    OutOfRange {
        /// The first byte.
        addr: u64,
        /// How many bytes.
        len: u64,
    },
    /// `addr` is not the start of an allocation.
    NotAllocated {
        /// The address given.
        addr: u64,
    },
    /// Memory that was to be adopted overlaps with an allocation, or with memory that was adopted before.
    Overlaps {
        /// The first byte of what was to be adopted.
        addr: u64,
        /// How many bytes it has.
        len: u64,
        /// The first byte of what is there.
        other: u64,
        /// How many bytes that has.
        other_len: u64,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { wanted, used, limit } => write!(
                f,
                "device memory is exhausted: {wanted} bytes wanted, {used} of {limit} in use; free a buffer or \
                 raise the memory limit of the chip (`memory_limit`)"
            ),
            Self::BeyondMachine { wanted, used, machine } => write!(
                f,
                "{wanted} bytes of device memory were wanted, with {used} in use that is {}, but this machine has \
                 {machine} for the process: its memory, or the limit of its control group; free a buffer, use \
                 smaller ones, or lower RingSizes::heap",
                used.saturating_add(*wanted)
            ),
            Self::OutOfRange { addr, len } => {
                write!(f, "{len} bytes at {addr:#x} are not inside one device allocation")
            }
            Self::NotAllocated { addr } => write!(f, "{addr:#x} is not the start of a device allocation"),
            Self::Overlaps { addr, len, other, other_len } => write!(
                f,
                "{len} bytes at {addr:#x} cannot be adopted: they overlap with {other_len} bytes at {other:#x} that the \
                 chip has already; adopt memory once, and keep what that returns"
            ),
        }
    }
}

impl core::error::Error for MemoryError {}

/// The memory of a chip. Addresses are the chip's own; on a simulator they are addresses of this process.
pub trait DeviceMemory: Send + Sync {
    /// `bytes` zeroed bytes, aligned to 1024. Zero bytes give an address of their own too.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Exhausted`].
    fn allocate(&self, bytes: u64) -> Result<u64, MemoryError>;

    /// Gives back what [`allocate`](DeviceMemory::allocate) returned.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotAllocated`].
    fn free(&self, addr: u64) -> Result<(), MemoryError>;

    /// Copies `from` to `addr`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfRange`].
    fn write(&self, addr: u64, from: &[u8]) -> Result<(), MemoryError>;

    /// Copies `to.len()` bytes from `addr`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfRange`].
    fn read(&self, addr: u64, to: &mut [u8]) -> Result<(), MemoryError>;
}
