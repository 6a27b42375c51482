//! What prewire costs: workloads, how they are measured, and what the machine itself costs.
//!
//! A workload is written once, under [`work`], as [`Case`]s of a suite. Three things run it: the criterion benches, a file
//! for each suite (`cargo bench --package prewire-benches`), for comparing two versions while one works on them; the
//! binary `suites` behind `cargo xtask bench`, which prints one table and writes rows for a program; and the binary
//! `programs`, which runs a fixed number of rounds under callgrind, where `cargo xtask bench guard` counts
//! instructions.
//!
//! What is measured lies between the two ends of [`Clock::time`]; what prepares and clears away lies outside.
#![forbid(unsafe_code)]

mod calibration;
mod case;
mod clock;
mod engine;
mod measure;
mod programs;
mod report;
pub mod taskbench;
pub mod work;

pub use calibration::calibrate;
pub use case::{Case, Round, Unit};
pub use clock::{Clock, counted};
pub use engine::{Engine, vector_task};
pub use measure::{Effort, measure};
pub use programs::{PROGRAMS, Program};
pub use report::{Report, Row};
