//! `cargo xtask oracle`: random programs on chips with the smallest rings, compared with running their tasks one by one,
//! built with optimisation. Says how many ran, by theme; running none is a failure.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

/// Programs of one call, and of the suite.
pub(crate) const PROGRAMS: u64 = 12_000;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many programs, of all themes together.
    #[arg(long, value_name = "N", default_value_t = PROGRAMS)]
    cases: u64,
    /// Which ones: each is drawn from this, its theme and its number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// One program alone, again and again, as a failure names it.
    #[arg(long, value_name = "THEME:SEED:NUMBER", conflicts_with_all = ["cases", "seed"])]
    case: Option<String>,
    /// Themes that run at the same time [default: one a processor].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

/// Runs the programs that are asked for.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let counts = programs(args)?;
    for (theme, programs) in &counts {
        println!("{programs:>9}  {theme}");
    }
    println!("{:>9}  programs, all as running their tasks one by one", total(&counts));
    Ok(ExitCode::SUCCESS)
}

/// The step of the suite.
pub(crate) fn step() -> Result<()> {
    let counts = programs(&Args { cases: PROGRAMS, seed: 1, case: None, jobs: None })?;
    println!("   {} programs of {} themes", total(&counts), counts.len());
    Ok(())
}

fn total(counts: &[(String, u64)]) -> u64 {
    counts.iter().map(|(_, programs)| programs).sum()
}

/// Builds and runs the oracle: how many programs ran, by theme.
fn programs(args: &Args) -> Result<Vec<(String, u64)>> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--release", "--package", "prewire-chip", "--test", "oracle", "--"])
        .arg("--nocapture")
        .env("PREWIRE_ORACLE_CASES", args.cases.to_string())
        .env("PREWIRE_ORACLE_SEED", args.seed.to_string())
        .env_remove("PREWIRE_ORACLE_CASE")
        .current_dir(workspace::root())
        .stdout(Stdio::piped());
    if let Some(case) = &args.case {
        cargo.env("PREWIRE_ORACLE_CASE", case);
    }
    if let Some(jobs) = args.jobs {
        cargo.arg(format!("--test-threads={jobs}"));
    }
    let mut child = cargo.spawn().context("cargo could not be started; is it on the PATH?")?;
    let output = child.stdout.take().context("the output of cargo is not piped")?;
    let lines = BufReader::new(output).lines().collect::<Result<Vec<_>, _>>().context("read the oracle")?;
    let status = child.wait().context("cargo could not be waited for")?;
    if !status.success() {
        lines.iter().for_each(|line| println!("{line}"));
    }
    ensure!(status.success(), "the oracle ended with {status}; what it found is above");
    let counts: Vec<_> = lines.iter().filter_map(|line| count(line)).collect();
    let ran = total(&counts);
    ensure!(ran > 0, "no program ran; does crates/chip/tests/oracle.rs still say how many?");
    let wanted = if args.case.is_some() { 1 } else { args.cases };
    ensure!(ran >= wanted, "{ran} programs ran, {wanted} were asked for");
    Ok(counts)
}

/// The theme and the number of programs that a line tells. Other words may be before it: tests share a terminal.
fn count(line: &str) -> Option<(String, u64)> {
    let (_, told) = line.split_once("oracle: ")?;
    let (theme, rest) = told.split_once(" ran ")?;
    Some((theme.to_owned(), rest.strip_suffix(" programs")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_tells_of_programs_is_counted_and_no_other() {
        assert_eq!(count("oracle: raw-waw ran 750 programs"), Some(("raw-waw".to_owned(), 750)));
        assert_eq!(count("....oracle: raw ran 7 programs"), Some(("raw".to_owned(), 7)));
        for other in
            ["", "oracle: raw is at 20 of 40 programs", "raw ran 7 programs", "oracle: raw ran x programs"]
        {
            assert_eq!(count(other), None, "{other:?}");
        }
        assert_eq!(total(&[("a".to_owned(), 2), ("b".to_owned(), 3)]), 5);
    }
}
