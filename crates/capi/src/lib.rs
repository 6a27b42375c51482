//! The drop-in host runtime: `libhost_runtime.so`, with which programs compiled for simpler run on prewire, unchanged.
//!
//! | module | what it is |
//! |---|---|
//! | [`layout`] | the records that compiled orchestration libraries touch, with their sizes and offsets asserted |
//! | [`orchestration`] | orchestration libraries: loaded, bound, and played on a chip |
//! | [`host`] | the symbols that a front end calls: contexts, memory, callables, runs |
//! | [`arch`] | which family of chips the library is for |
//! | [`context`] | who kernels are told that they are, when they ask by name |
//! | [`comm`] | windows of shared memory and barriers for chips that work together |

pub mod arch;
pub mod comm;
pub mod context;
pub mod host;
pub mod layout;
pub mod orchestration;
