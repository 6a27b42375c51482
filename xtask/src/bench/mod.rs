//! `cargo xtask bench`: what prewire costs, alone and beside its peers.

mod versus;

use crate::sim_test;
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Runs the graphs of Task Bench on prewire and on other runtimes, side by side.
    Versus(versus::Args),
}

/// Runs what is asked for.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Versus(args) => versus::run(args),
    }
}

/// Builds a binary of the benchmarks with optimisation, and says where it is.
fn build_ours(binary: &str) -> Result<PathBuf> {
    sim_test::build("prewire-benches", binary)
}
