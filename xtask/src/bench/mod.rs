//! `cargo xtask bench`: builds the benches with optimisation and runs the suites, or one of the tasks beside them.

pub(crate) mod guard;
mod versus;

use crate::built;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The package of the benches.
const BENCHES: &str = "prewire-benches";

/// What is asked for.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    suites: Suites,
}

/// What there is beside the suites.
#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Counts the instructions of the fixed programs, and fails where they take 5 % more than is recorded.
    Guard(guard::Args),
    /// Runs the graphs of Task Bench on prewire and on other runtimes, side by side.
    Versus(versus::Args),
    /// Measures what tasks and runs cost through the C interface, beside the same in Rust.
    Capi {
        /// Fewer samples.
        #[arg(long)]
        quick: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Suites {
    /// A part of a suite's or a case's name; all cases without it.
    name: Option<String>,
    /// Fewer samples, and nothing that takes long.
    #[arg(long)]
    quick: bool,
    /// Writes the rows to a file as well: an array of name, unit, median, min, max and n.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Builds a binary of the benches with optimisation, and says where it is.
fn build_ours(binary: &str) -> Result<PathBuf> {
    built::release(BENCHES, binary)
}

/// Runs what is asked for.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.task {
        None => suites(&args.suites),
        Some(Task::Guard(args)) => guard::run(args),
        Some(Task::Versus(args)) => versus::run(args),
        Some(Task::Capi { quick }) => capi(*quick),
    }
}

/// The bench is in the package that it measures, as it calls what is not safe to call.
fn capi(quick: bool) -> Result<ExitCode> {
    let mut bench = Command::new("cargo");
    bench.args(["bench", "--quiet", "--package", "prewire-capi", "--bench", "capi", "--"]);
    if quick {
        bench.arg("--quick");
    }
    let status =
        bench.current_dir(crate::workspace::root()).status().context("cargo could not be started")?;
    Ok(built::ended(status))
}

fn suites(asked: &Suites) -> Result<ExitCode> {
    let binary = build_ours("suites")?;
    let mut suites = Command::new(&binary);
    suites.args(asked.name.iter());
    if asked.quick {
        suites.arg("--quick");
    }
    if let Some(path) = &asked.json {
        suites.arg("--json").arg(path);
    }
    let status = suites.status().with_context(|| format!("{} could not be run", binary.display()))?;
    Ok(built::ended(status))
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser;

    #[test]
    fn a_name_and_flags_are_of_the_suites() {
        let parse = |args: &[&str]| Cli::try_parse_from(["cargo xtask", "bench"].iter().chain(args));
        assert!(parse(&[]).is_ok());
        assert!(parse(&["life", "--quick", "--json", "out.json"]).is_ok());
        assert!(parse(&["life", "chip"]).is_err());
        assert!(parse(&["--samples", "3"]).is_err());
        assert!(parse(&["guard", "--record", "why"]).is_ok());
        assert!(parse(&["guard", "--record"]).is_err());
        assert!(parse(&["capi", "--quick"]).is_ok());
        assert!(parse(&["capi", "submit"]).is_err());
    }
}
