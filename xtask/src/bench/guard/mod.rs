//! `cargo xtask bench guard`: the instructions of the fixed programs, beside those that were recorded.
//!
//! An instruction counter says the same however busy the machine is, so a change of some per cent is a change of the code.
//! What it cannot say is what a cache miss or a locked instruction costs: `cargo xtask bench` measures that.

mod count;
mod record;

use crate::built;
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use record::{Counted, Record};
use std::path::PathBuf;
use std::process::ExitCode;

/// The record, from the root.
const RECORD: &str = "benches/guard.json";

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Records what is counted now, with this reason for each program that has changed.
    #[arg(long, value_name = "REASON")]
    record: Option<String>,
    /// Only the programs whose name contains this.
    #[arg(conflicts_with = "record")]
    name: Option<String>,
}

/// Counts, and compares or records.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(why) = missing() {
        bail!("{why}");
    }
    let name = args.name.as_deref().unwrap_or("");
    match &args.record {
        Some(reason) => {
            ensure!(!reason.trim().is_empty(), "say why the counts have changed: --record \"...\"");
            let counted = count()?;
            let record = read().unwrap_or_default().updated(&counted, &count::system(), reason.trim());
            let path = path();
            std::fs::write(&path, record.json()?)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            println!("{} programs recorded in {RECORD}", record.programs.len());
            Ok(ExitCode::SUCCESS)
        }
        None => Ok(if compare(name)? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

/// The step of the suite.
pub(crate) fn step() -> Result<()> {
    ensure!(compare("")?, "the programs above take more instructions than are recorded");
    Ok(())
}

/// Why nothing can be counted on this machine.
pub(crate) fn missing() -> Option<String> {
    let there = count::is_there();
    (!there).then(|| "valgrind is not on the PATH; Debian's package is `valgrind`".to_owned())
}

/// Counts the programs whose name contains `name`, prints them beside the record, and says whether all are as recorded.
fn compare(name: &str) -> Result<bool> {
    let record = read()?;
    let (counted, system) = (counts(name)?, count::system());
    ensure!(!counted.is_empty(), "no program is called anything like {name}");
    let outcome = record.compare(&counted, &system, name);
    println!("{}", outcome.table);
    outcome.notes.iter().for_each(|note| println!("note: {note}"));
    outcome.problems.iter().for_each(|problem| println!("error: {problem}"));
    Ok(outcome.problems.is_empty())
}

fn count() -> Result<Vec<Counted>> {
    counts("")
}

fn counts(name: &str) -> Result<Vec<Counted>> {
    count::all(&built::release(super::BENCHES, "programs")?, name)
}

fn path() -> PathBuf {
    workspace::root().join(RECORD)
}

fn read() -> Result<Record> {
    let path = path();
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{RECORD} is no record; `git checkout` brings it back"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_record_has_the_programs_that_there_are() {
        let source = workspace::root().join("benches/src/programs.rs");
        let source = std::fs::read_to_string(source).expect("the programs can be read");
        let named =
            source.lines().filter_map(|line| line.trim().strip_prefix("program(\"")?.split('"').next());
        let named: BTreeSet<String> = named.map(str::to_owned).collect();
        let record = read().expect("the record can be read");
        let recorded: BTreeSet<String> = record.programs.iter().map(|program| program.name.clone()).collect();
        assert!(named.len() >= 12, "{named:?}");
        assert_eq!(recorded, named, "`cargo xtask bench guard --record REASON` brings them together");
        assert!(record.programs.iter().all(|program| !program.reason.is_empty()));
    }
}
