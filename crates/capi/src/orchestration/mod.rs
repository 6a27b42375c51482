//! Orchestration libraries: loaded, bound to a chip, and played in its runs.
//!
//! | file | what it holds |
//! |---|---|
//! | `program.rs` | [`Program`]: a callable whose libraries are loaded; [`Bound`]: with its kernels on a chip |
//! | `library.rs` | one loaded orchestration library, and the runtime that it is bound to |
//! | `playing.rs` | one run of a library: what each operation does |
//! | `ops.rs` | the table of operations, as C calls it |
//! | `form.rs`, `form/decide.rs` | how the two compiled forms of task arguments are told apart |
//! | `shim.rs` | what is compiled from C and C++: formats, and catching what libraries throw |
//! | `error.rs` | why a program was not loaded, and the codes of a run that failed |
//!
//! **Invariants.** A library calls the runtime that it is bound to and no other: it keeps one address, so one run of a
//! loaded library goes on at a time, and between runs it is bound to a runtime in which everything has failed. Nothing that
//! goes wrong in an operation, a panic included, unwinds into a library; nothing that a library throws unwinds into what
//! called it. After the first failure of a run every operation does nothing, and that failure is what the run returns.
//!
//! # The two forms of task arguments
//!
//! A library is compiled with or without the member of task arguments that selects what is dumped (its
//! `SIMPLER_DFX` setting), and nothing in it says which. It is found out from the arguments of its tasks: the list of
//! explicit dependencies lies at byte 760 or at byte 600, and in each form the bytes at the other place cannot look as they
//! do there. `form.rs` says why nothing is misread.
//!
//! # One thread
//!
//! A library submits from the thread that its entry was called on. Its operations are not for other threads, as they are
//! not in the runtime that it was written for.

mod error;
mod form;
mod library;
mod ops;
mod playing;
mod program;
mod shim;

pub use error::{Fatal, LoadError, Status, status_of};
#[doc(hidden)]
pub use form::first_list;
pub use program::{Bound, Program, StagedArgs};
