//! The tasks of the prewire workspace, as `cargo xtask <task>`: this file reads the command line and dispatches.
//!
//! The checks of the workspace's structure (layers, lints, orderings, documents) are tests of this package, in
//! `tidy`: `cargo test --package xtask` runs them alone.
#![forbid(unsafe_code)]

mod bench;
mod built;
mod cli;
mod dist;
mod fuzz;
mod layers;
mod loom;
mod oracle;
mod san;
mod shuttle;
mod sim_test;
mod source;
mod suite;
#[cfg(test)]
mod tidy;
mod workspace;

use clap::Parser;
use cli::{Cli, Task};
use prewire_os::process::{self, Signal};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Where nobody reads what it prints it has nothing more to do.
    let _ = process::restore(Signal::PIPE);
    let ended = match Cli::parse().task {
        Task::Test { fast } => suite::run(fast),
        Task::Loom { group, bound, list, mutants } => loom::run(&loom::Asked { group, bound, list, mutants }),
        Task::Dist(asked) => dist::run(&asked),
        Task::Oracle(args) => oracle::run(&args),
        Task::SimTest { args } => sim_test::run(&args),
        Task::Shuttle(options) => shuttle::task(&options),
        Task::Bench(args) => bench::run(&args),
        Task::San { sanitizers, require, package } => san::run(&sanitizers, require, &package),
        Task::Fuzz { target, seconds, list, keep } => fuzz::run(target.as_deref(), seconds, list, keep),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
