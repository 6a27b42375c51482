//! The types that cross a process, a device or a library boundary of prewire, with their sizes and offsets asserted.
//!
//! Each record is `repr(C)`, has no hidden padding, and may be read from any bytes; its size and every offset are
//! checked when this crate is compiled. A record holds raw numbers, and its getters decode them, so bytes from
//! another process or library are data until a `validate` or `parse` has accepted them. Nothing here panics on, or
//! reads past the end of, any input.
//!
//! | type | bytes | align | what it is |
//! |---|---|---|---|
//! | [`TaskId`] | 8 | 8 | the name of a task |
//! | [`ChipTensor`] | 128 | 64 | a view with an absolute address: what kernels see |
//! | [`TensorCreateInfo`] | 64 | 64 | an output that does not exist yet |
//! | [`Tensor`] | 144 | 8 | a view on a described buffer: what processes exchange |
//! | [`BufferDescriptor`] | 88 | 8 | what backs a buffer, and who may do what with it |
//! | [`BufferIdentity`] | 32 | 8 | which buffer it is |
//! | [`TaskArgsViewRaw`] | 24 | 8 | the C form of [`TaskArgsView`] |
//! | [`ChipStorageTaskArgs`] | 33856 | 64 | the arguments of one run of a chip |
//! | [`CallConfig`] | 1144 | 1 | threads, diagnostics and ring sizes of a run |
//! | [`RuntimeEnv`] | 96 | 8 | the ring sizes in it |
//! | [`CoreCallableHeader`] | 144 | 8 | a kernel; its binary starts at 192 |
//! | [`ChipCallableHeader`] | 9376 | 16 | an orchestration with its kernels |
//! | [`CoreProvider`] | 24 | 8 | how a host runtime tells a kernel which core it is on |
//!
//! [`Arch`] is the family of chips that a runtime library is for, and the note in the library that says so.
//!
//! The arguments of a task go from one process to another as a blob:
//!
//! ```
//! use prewire_abi::{
//!     AccessMode, BlobView, BufferDescriptor, BufferIdentity, DataType, TaskArgs, Tensor, TensorArgType, write_blob,
//! };
//!
//! // The submitter describes a buffer, views it, and writes the blob into a frame.
//! let identity = BufferIdentity::new(*b"node0001", 7, 1);
//! let buffer = BufferDescriptor::posix_shm(identity, "segment-7", 4096, AccessMode::ReadWrite)?;
//! let mut args = TaskArgs::new();
//! args.add_tensor(Tensor::contiguous(buffer, 0, &[32, 32], DataType::F32)?, TensorArgType::InOut)?;
//! args.add_scalar(3)?;
//! args.validate_submit()?;
//! let mut frame = vec![0; 512];
//! write_blob(&args, &mut frame)?;
//!
//! // The receiver reads it in place, and resolves the tensor where it has mapped the buffer.
//! let received = BlobView::parse(&frame)?.args();
//! let tensor = received.tensor(0)?.to_chip(0x7f00_0000)?;
//! let row = tensor.view(&[1, 32], &[4, 0])?;
//! assert_eq!(row.start_addr(), 0x7f00_0000 + 4 * 32 * 4);
//! assert_eq!(received.scalar(0)?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod arch;
mod args_error;
mod args_kind;
mod args_view;
mod blob;
mod blob_writer;
mod buffer;
mod bytes;
mod call_config;
mod callable_error;
mod chip_args;
mod chip_callable;
mod chip_tensor;
mod coded;
mod core_callable;
mod core_provider;
mod create_info;
mod dtype;
mod edge;
mod error_code;
mod geometry;
mod lanes;
mod limits;
mod predicate;
mod scope;
mod signature;
mod space;
mod task_args;
mod task_id;
mod tensor;
mod tensor_error;
mod valid;
mod view_error;

pub use arch::{Arch, NoteCount};
pub use args_error::ArgsError;
pub use args_kind::{ArgDirection, TensorArgType};
pub use args_view::{TaskArgsView, TaskArgsViewRaw};
pub use blob::{BlobError, BlobView, write_blob};
pub use blob_writer::BlobWriter;
pub use buffer::{BufferDescriptor, BufferError, BufferIdentity};
pub use call_config::{CallConfig, ConfigError, Diagnostic, RuntimeEnv};
pub use callable_error::CallableError;
pub use chip_args::ChipStorageTaskArgs;
pub use chip_callable::{ChipCallable, ChipCallableHeader, ChipCallableParts};
pub use chip_tensor::ChipTensor;
pub use coded::UnknownCode;
pub use core_callable::{CoreCallable, CoreCallableHeader};
pub use core_provider::CoreProvider;
pub use create_info::TensorCreateInfo;
pub use dtype::DataType;
pub use edge::EdgeKind;
pub use error_code::ErrorCode;
pub use lanes::{LaneMask, Shape};
pub use limits::*;
pub use predicate::PredicateOp;
pub use scope::ScopeMode;
pub use space::{AccessMode, AddressSpace, BackendKind};
pub use task_args::TaskArgs;
pub use task_id::TaskId;
pub use tensor::Tensor;
pub use tensor_error::TensorError;
pub use valid::ValidTensor;
pub use view_error::ViewError;
