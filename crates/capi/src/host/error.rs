//! Why a call of a front end was refused, and the number that it gets.

use std::io;

use prewire_abi::{ArgsError, CallableError, ConfigError, MAX_REGISTERED_CALLABLES};

use super::records::PIPELINE_DEPTH;

/// What a call that failed returns, unless a run failed with a code of its own.
pub(crate) const INTERNAL: i32 = -1;
/// What was asked for is not there on this platform.
pub(crate) const UNSUPPORTED: i32 = -2;
/// The run cannot be prepared while another one goes on; it can be afterwards.
pub(crate) const PREPARED_INCOMPATIBLE: i32 = -3;

/// Why a call was refused. Nothing of it was carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A pointer that must be given is null.
    #[error("{what} is null")]
    Null {
        /// What should have been there.
        what: &'static str,
    },
    /// A pointer is not aligned.
    #[error("{what} is at {addr:#x}, but must be at a multiple of {align}")]
    Unaligned {
        /// What is there.
        what: &'static str,
        /// Where it is.
        addr: usize,
        /// What its address must be a multiple of.
        align: usize,
    },
    /// The log state is of another version.
    #[error("the log state has version {version} and {size} bytes; known are version 1 and 16 bytes")]
    LogState {
        /// Its version.
        version: u32,
        /// Its size in bytes.
        size: u32,
    },
    /// No context has this handle.
    #[error("{handle:#x} is no device context of this process; was it destroyed, or made before a fork?")]
    NoContext {
        /// The handle.
        handle: usize,
    },
    /// The context has no device.
    #[error("the device context is not initialised; call simpler_init first")]
    NotInitialised,
    /// The context has a device.
    #[error("the device context has device {device} already; call finalize_device first")]
    Initialised {
        /// Which device.
        device: i32,
    },
    /// The number of a device is negative.
    #[error("device {device} cannot be: devices have numbers from 0")]
    Device {
        /// The number.
        device: i32,
    },
    /// Runs are prepared or go on.
    #[error("{count} runs are prepared or go on; call simpler_finalize_run for each first")]
    Runs {
        /// How many.
        count: usize,
    },
    /// No callable has a number like this.
    #[error("callable {id} cannot be: they have numbers from 0 to {}", MAX_REGISTERED_CALLABLES - 1)]
    CallableId {
        /// The number.
        id: i32,
    },
    /// The number is taken.
    #[error("callable {id} is registered already; unregister it first")]
    CallableTaken {
        /// The number.
        id: i32,
    },
    /// Nothing has the number.
    #[error("callable {id} is not registered")]
    CallableUnknown {
        /// The number.
        id: i32,
    },
    /// Memory of the front end that is not there.
    #[error("{what} at {addr:#x} (+{len} bytes) cannot be read: {error}")]
    Unreadable {
        /// What should have been there.
        what: &'static str,
        /// Where.
        addr: u64,
        /// How many bytes.
        len: usize,
        /// What the system says.
        error: io::Error,
    },
    /// A callable that is not one.
    #[error(transparent)]
    Callable(#[from] CallableError),
    /// An orchestration or a kernel that cannot be loaded.
    #[error("callable {id} cannot be loaded: {why}")]
    Load {
        /// Its number.
        id: i32,
        /// Why.
        why: String,
    },
    /// A configuration that is not one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Arguments that are none.
    #[error("arguments of callable {id}: {error}")]
    Args {
        /// The callable.
        id: i32,
        /// What is wrong.
        error: ArgsError,
    },
    /// A tensor of the host at address 0.
    #[error("tensor {index} of callable {id} is in host memory at address 0 and has {bytes} bytes")]
    NullTensor {
        /// The callable.
        id: i32,
        /// Which of its tensors.
        index: usize,
        /// How many bytes it has.
        bytes: u64,
    },
    /// Fewer tensors than the callable has parameters for.
    #[error("callable {id} has {want} tensor parameters, and {have} tensors were given")]
    Tensors {
        /// The callable.
        id: i32,
        /// How many its signature names.
        want: usize,
        /// How many there are.
        have: usize,
    },
    /// A place or a bank that is not there.
    #[error("the descriptor names {what} {value}; there are 0 to {}", PIPELINE_DEPTH - 1)]
    Place {
        /// What it names.
        what: &'static str,
        /// The number.
        value: u32,
    },
    /// Another run is in the place.
    #[error("pipeline slot {slot} has a run that is not finalized")]
    PlaceTaken {
        /// The place.
        slot: u32,
    },
    /// The storage of a run was not cleared before its first use.
    #[error("the run storage begins with {word:#x}; it must be zeroed before its first use")]
    NotZeroed {
        /// Its first word.
        word: u64,
    },
    /// The storage has a run.
    #[error("the run storage holds a prepared run; finalize it before it is used again")]
    StorageTaken,
    /// The storage has no run.
    #[error("the run storage holds no prepared run")]
    NotPrepared,
    /// The storage was moved, copied or overwritten, or belongs to a run that is over.
    #[error("the run storage does not hold the run that it speaks of: {what}")]
    Storage {
        /// What is not as it was.
        what: &'static str,
    },
    /// The run is in another phase.
    #[error("the run is {phase}; {call} needs one that is {need}")]
    Phase {
        /// What was called.
        call: &'static str,
        /// What it needs.
        need: &'static str,
        /// What it is.
        phase: &'static str,
    },
    /// Device memory that is not this context's.
    #[error("{len} bytes at {addr:#x} are not in device memory of this context; nearest below: {near}")]
    Range {
        /// Where.
        addr: usize,
        /// How many bytes.
        len: usize,
        /// The allocation that begins before it.
        near: String,
    },
    /// The address is not one that an allocation begins at.
    #[error("{addr:#x} is not an address that device_malloc_ctx returned and that was not freed since")]
    NotAllocated {
        /// The address.
        addr: usize,
    },
    /// Device memory that cannot be had.
    #[error("{bytes} bytes of device memory cannot be had; {committed} are in use")]
    Memory {
        /// How many were asked for.
        bytes: u64,
        /// How many there are.
        committed: u64,
    },
    /// The chip cannot be built, or not be used.
    #[error("the simulated chip: {0}")]
    Chip(#[from] prewire_chip::Error),
    /// The chip is in use with other sizes.
    #[error(
        "the run wants a chip with other ring sizes or limits than the run that goes on; prepare it when that one is finalized"
    )]
    Incompatible,
    /// What the simulator does not have.
    #[error("{what} is not there on a simulated chip")]
    Unsupported {
        /// What.
        what: &'static str,
    },
}

impl HostError {
    /// What the front end gets.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Unsupported { .. } => UNSUPPORTED,
            Self::Incompatible => PREPARED_INCOMPATIBLE,
            _ => INTERNAL,
        }
    }
}
