//! `cargo xtask shuttle`: small programs drawn from a seed, on the engine built with the atomics of shuttle, through
//! schedules drawn from the same seed. What fails says which program it was, and is run again by its seed.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use std::process::ExitCode;
use xshell::{Shell, cmd};

/// The package and the test target of the programs.
const PACKAGE: &str = "prewire-scheduler";
const TARGET: &str = "shuttle";
/// Programs of a run that names no number: some 20 seconds.
const PROGRAMS: u64 = 600;

/// What is to be run.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// How many programs; each goes through six schedules [default: 600, or 1 where a seed is given].
    #[arg(long)]
    iterations: Option<u64>,
    /// The seed of the first program; the others have the seeds that follow.
    #[arg(long)]
    seed: Option<u64>,
    /// One schedule of the first program, as a failure has printed it; nothing else is run.
    #[arg(long, requires = "seed", conflicts_with = "iterations")]
    schedule: Option<String>,
}

impl Options {
    /// How many programs, from which seed on.
    fn range(&self) -> (u64, u64) {
        let otherwise = if self.seed.is_some() { 1 } else { PROGRAMS };
        (self.iterations.unwrap_or(otherwise), self.seed.unwrap_or(0))
    }
}

/// The command.
pub(crate) fn task(options: &Options) -> Result<ExitCode> {
    let sh = Shell::new()?;
    sh.change_dir(workspace::root());
    run(&sh, options).map(|()| ExitCode::SUCCESS)
}

/// Builds the programs in a target folder of their own, as the flag reaches every dependency, and runs them.
pub(crate) fn run(sh: &Shell, options: &Options) -> Result<()> {
    let (iterations, seed) = options.range();
    ensure!(iterations > 0, "no program is to be run: --iterations is 0; ask for at least one");
    let target = workspace::metadata()?.target_directory.join("shuttle");
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{given} --cfg prewire_shuttle");
    let _flags = sh.push_env("RUSTFLAGS", flags.trim());
    let _target = sh.push_env("CARGO_TARGET_DIR", target.as_str());
    let _iterations = sh.push_env("PREWIRE_SHUTTLE_ITERATIONS", iterations.to_string());
    let _seed = sh.push_env("PREWIRE_SHUTTLE_SEED", seed.to_string());
    let _schedule = options.schedule.as_ref().map(|schedule| {
        let words: String = schedule.split_whitespace().collect();
        sh.push_env("PREWIRE_SHUTTLE_SCHEDULE", words)
    });
    let test = |more: &[&str]| {
        cmd!(sh, "cargo test --quiet --profile loom --package {PACKAGE} --test {TARGET} {more...}")
            // Shuttle would take it for the seed of every program.
            .env_remove("SHUTTLE_RANDOM_SEED")
    };
    let listing = test(&["--", "--list"]).quiet().read()?;
    ensure!(
        listing.lines().any(|line| line.ends_with(": test")),
        "{PACKAGE}: no test in {TARGET}; does a cfg hide them?"
    );
    let said = test(&["--", "--nocapture"]).quiet().read().with_context(|| {
        format!("one of the {iterations} programs from seed {seed} on failed; its seed and schedule are printed above")
    })?;
    let line = told(&said);
    ensure!(line.is_some(), "{TARGET} ended well, but does not say that it ran a program");
    println!("   {}", line.unwrap_or_default());
    Ok(())
}

/// The line in which the test says what it ran.
fn told(output: &str) -> Option<&str> {
    output.lines().find_map(|line| Some(&line[line.find("shuttle: program")?..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_alone_is_one_program_and_nothing_is_many() {
        let options = |iterations, seed| Options { iterations, seed, schedule: None };
        assert_eq!(options(None, None).range(), (PROGRAMS, 0));
        assert_eq!(options(None, Some(7)).range(), (1, 7));
        assert_eq!(options(Some(30), Some(7)).range(), (30, 7));
        assert_eq!(options(Some(30), None).range(), (30, 0));
    }

    #[test]
    fn silence_is_not_taken_for_success() {
        assert_eq!(told("\nrunning 0 tests\n"), None);
        assert_eq!(
            told("running 1 test\nshuttle: programs 0 to 9: 60\n"),
            Some("shuttle: programs 0 to 9: 60")
        );
    }

    #[test]
    fn no_program_is_refused() {
        let none = Options { iterations: Some(0), ..Options::default() };
        let error = run(&Shell::new().unwrap(), &none).unwrap_err();
        assert!(error.to_string().contains("--iterations is 0"), "{error}");
    }
}
