//! Runs the suites, or the cases whose name contains a part, and prints one table; behind `cargo xtask bench`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use prewire_benches::{Effort, Report, Unit, calibrate, measure, work};
use prewire_os::process::{self, Signal};

/// What is asked for.
#[derive(Debug, Default)]
struct Asked {
    /// A part of suite and name.
    part: Option<String>,
    quick: bool,
    json: Option<PathBuf>,
}

fn parse(args: impl Iterator<Item = String>) -> Result<Asked, String> {
    let (mut asked, mut args) = (Asked::default(), args);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => asked.quick = true,
            "--json" => asked.json = Some(args.next().ok_or("--json wants a file")?.into()),
            flag if flag.starts_with('-') => return Err(format!("there is no {flag}")),
            _ if asked.part.is_some() => return Err(format!("one part of a name is enough: {arg}")),
            _ => asked.part = Some(arg),
        }
    }
    Ok(asked)
}

fn run(asked: &Asked) -> Result<(), String> {
    let effort = if asked.quick { Effort::QUICK } else { Effort::FULL };
    let wanted = |name: &str| asked.part.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let mut cases: Vec<_> = work::all()
        .into_iter()
        .filter(|case| wanted(&case.full_name()) && !(asked.quick && case.slow))
        .collect();
    if cases.is_empty() {
        let suites: Vec<&str> = work::SUITES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no case has such a name; the suites are {}", suites.join(", ")));
    }
    // Memory first: what others have freed would be used again, and not be seen.
    cases.sort_by_key(|case| case.unit != Unit::Kibibytes);
    let mut report = Report::default();
    calibrate(effort).into_iter().for_each(|row| report.add(row));
    println!("the machine:\n{}\n", report.table());
    for (at, case) in cases.iter().enumerate() {
        eprint!("\r{}/{} {:<80}", at + 1, cases.len(), case.full_name());
        report.add(measure(case, effort));
    }
    eprint!("\r{:<90}\r", "");
    // First the file: nobody may read what is printed. Where it cannot be written that is printed all the same.
    let written = asked.json.as_ref().map_or(Ok(()), |path| {
        let json = report.json().map_err(|error| error.to_string())?;
        std::fs::write(path, json + "\n").map_err(|error| format!("{}: {error}", path.display()))
    });
    println!("{}", report.table());
    written
}

fn main() -> ExitCode {
    // Where nobody reads what it prints it has nothing more to do.
    let _ = process::restore(Signal::PIPE);
    match parse(std::env::args().skip(1)).and_then(|asked| run(&asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
