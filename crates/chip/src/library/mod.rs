//! Kernel libraries: kernels in shared objects, as compilers for the chips write them.
//!
//! A kernel library is an ELF shared object with the symbol `kernel_entry`, an `extern "C" fn(*mut i64)`. What it is
//! given is an array of 50 words:
//!
//! | word | content |
//! |---|---|
//! | 0 .. T | the address of a 128-byte tensor record, aligned to 64: what was submitted, with its address |
//! | T .. T + S | the scalars |
//! | 48 | the address of a `LocalContext`: which block this is, of how many, and where to write what the task waits for |
//! | 49 | the address of a `GlobalContext`: which vector core of its cluster this is |
//!
//! Array and records stay where they are until the kernel returns, and are nobody's after that. There are at most 32
//! tensors and 16 scalars.
//!
//! **One thread a running kernel.** A kernel has its thread for itself from its first instruction to its last, so its
//! thread-local memory is that of its core. It may wait for other kernels that run at the same time, in a loop of its own:
//! the places of a cluster, the blocks of a task that starts together, or blocks of which there are no more than idle
//! cores. The simulator then runs each on a thread. A seeded chip has one thread alone: there such a wait never ends.
//!
//! **Completion can be deferred.** A task whose kernel sets something going that is over later says so in its local context:
//! it appends entries, each of a counter and the value that it is to reach, and raises their number. The task is complete,
//! and what depends on it goes on, once its kernels have returned and all its counters have got there; its cores are free
//! from the return on. Counters are raised by kernels, by other threads, or by other processes in memory that is shared
//! ([`DeferredError`](crate::DeferredError) has the limits). A run that ends before that ends in order: what still waited
//! counts as not done.
//!
//! **What is loaded is private.** The bytes are copied to a file of their own before they are loaded, so two loads never
//! share a thing, whatever their names, and a file that is written anew is another library. A library that finds others
//! beside its own file does not find them then. But for what the loader itself shares: symbols that a C++ compiler marks as
//! unique are one for the whole process, and a library that has any stays mapped when it is unloaded (`-fno-gnu-unique`
//! avoids that).
//!
//! **A library is trusted as this program is.** It runs in this process: its crash is the process's, and so is an
//! exception that leaves it. Nothing checks which bytes it touches. That is why loading is `unsafe`.
//!
//! If the library has the symbol `pto_sim_register_hooks`, that is called once with the addresses of two functions:
//! one that says which vector core of its cluster a thread is, and one that gives the cores of a cluster memory to share.

pub(crate) mod abi;
mod call;
mod elf;
mod error;
mod hooks;
mod load;

pub use elf::{ElfFault, check_shared_object};
pub use error::LibraryError;
pub use hooks::{CoreIdentity, core_identity, pipe_shared_state};
pub use load::{KernelLibrary, LibrarySource};

pub(crate) use hooks::Pipes;
