//! `prewire-scenes`: runs real programs on simulated chips and compares every result with its golden. Exit code 0
//! means that all are right, 1 that something is not, 2 that the command line asks for what does not exist.
#![forbid(unsafe_code)]

mod args;
mod table;

use core::fmt::Display;
use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use prewire::prelude::Check;
use prewire_scenes::{Platform, Row, Scene, Setup, run};

use args::Args;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

fn main() -> ExitCode {
    let args = Args::parse();
    // What takes long, and why, is told as a warning. Some scenes fill their rings on purpose: how far is told only if
    // it is asked for. One loses a chip on purpose: that a child has ended is in the error of its run.
    let sizes = if args.usage { LevelFilter::WARN } else { LevelFilter::OFF };
    let told = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("prewire_chip::sizes", sizes)
        .with_target("prewire_worker::family::deaths", LevelFilter::ERROR);
    tracing_subscriber::registry().with(fmt::layer().with_writer(stderr).with_filter(told)).init();
    let (scenes, platforms) = match args.choose() {
        Ok(choice) => choice,
        Err(unknown) => {
            complain(unknown);
            return ExitCode::from(2);
        }
    };
    if args.list {
        let said = writeln!(stdout(), "{}", table::of_scenes(&scenes));
        return if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let start = Instant::now();
    let rows = match run_all(&args, &scenes, &platforms) {
        Ok(rows) => rows,
        Err(error) => {
            complain(format_args!("{error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let took = start.elapsed();
    // First the file: nobody may read what is printed. Where it cannot be written that is printed all the same.
    let written = write_json(&args, &rows);
    let said = say(&args, &rows, took);
    if let Err(error) = &written {
        complain(format_args!("{error:#}"));
    }
    if written.is_ok() && said.is_ok() && rows.iter().all(|row| row.ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Says what is wrong, if anybody reads that. Not by the signal that ends other programs where nobody does: here it would end
/// workers, which live by streams of their own.
fn complain(what: impl Display) {
    let _ = writeln!(stderr(), "error: {what}");
}

/// Prints how it went.
fn say(args: &Args, rows: &[Row], took: Duration) -> io::Result<()> {
    let mut to = stdout();
    writeln!(to, "{}", table::of_rows(rows))?;
    if args.usage {
        writeln!(to, "\n{}\n", table::of_usage(rows))?;
    }
    for row in rows.iter().filter(|row| !row.ok) {
        let error = row.error.as_deref().unwrap_or("no reason given");
        writeln!(to, "{} on {}: {error}\n  {}", row.scene, row.platform, args.replay(row))?;
    }
    writeln!(to, "{}", table::summary(rows, took))
}

/// Runs every scene on every platform, one after another, behind a progress bar.
fn run_all(args: &Args, scenes: &[Scene], platforms: &[Platform]) -> anyhow::Result<Vec<Row>> {
    let bar = ProgressBar::with_draw_target(
        Some((scenes.len() * platforms.len()) as u64),
        if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
    );
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut rows = Vec::new();
    for scene in scenes {
        for &platform in platforms {
            bar.set_message(format!("{} on {}", scene.name, platform.name));
            let row = run_under_seeds(args, scene, platform);
            write_trace(args, &row)?;
            rows.push(row);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// Runs a scene under one seed after the other, up to the first that fails: the row of the last one, with the tasks and
/// the time of all.
fn run_under_seeds(args: &Args, scene: &Scene, platform: Platform) -> Row {
    let check = args.check_races.then_some(Check::Races);
    let setup =
        Setup::new(platform).with_size(args.size()).with_trace(args.trace.is_some()).with_check(check);
    let mut seeds = args.seeds().into_iter();
    // A checked run is a seeded one.
    let first = seeds.next().flatten().or(check.map(|_| 0));
    let mut row = run(scene, &setup.with_seed(first));
    for seed in seeds {
        if !row.ok {
            break;
        }
        let (tasks, wall_ms) = (row.tasks, row.wall_ms);
        row = run(scene, &setup.with_seed(seed));
        row.tasks += tasks;
        row.wall_ms += wall_ms;
    }
    row
}

/// Writes the trace of a row to its file in the folder that was asked for, if any.
fn write_trace(args: &Args, row: &Row) -> anyhow::Result<()> {
    let (Some(folder), Some(trace)) = (&args.trace, &row.trace) else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let path = folder.join(format!("{}-{}.trace", row.scene, row.platform));
    std::fs::write(&path, trace).with_context(|| format!("write a trace to {}", path.display()))
}

/// Writes the rows to the file that was asked for, if any.
fn write_json(args: &Args, rows: &[Row]) -> anyhow::Result<()> {
    let Some(path) = &args.json else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(rows).context("encode the rows")?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("write the rows to {}", path.display()))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use prewire_scenes::{list, platforms};

    use super::*;

    const FAILS_UNDER_FOUR: Scene = Scene {
        name: "made_up",
        about: "",
        level: 2,
        tolerance: 1e-3,
        kernels: &[],
        run: |setup| match setup.seed {
            Some(4) | None => bail!("on purpose"),
            Some(_) => (list()[0].run)(setup),
        },
    };

    #[test]
    fn the_first_seed_that_fails_is_the_one_to_run_again() {
        let args = Args::parse_from(["prewire-scenes", "--small", "--seeds", "2..9"]);
        let row = run_under_seeds(&args, &FAILS_UNDER_FOUR, platforms()[1]);
        assert_eq!((row.ok, row.seed), (false, Some(4)), "{row:?}");
        let replay = args.replay(&row);
        for part in
            [" --scene made_up ", &format!(" --platform {} ", row.platform), " --small ", " --seed 4 "]
        {
            assert!(replay.contains(part), "{part} is not in: {replay}");
        }
        let args = Args::parse_from(["prewire-scenes", "--small", "--seeds", "5..8"]);
        let row = run_under_seeds(&args, &FAILS_UNDER_FOUR, platforms()[1]);
        assert_eq!((row.ok, row.seed), (true, Some(7)), "{row:?}");
        assert_eq!(row.tasks % 3, 0, "of three runs: {row:?}");
    }

    #[test]
    fn what_failed_without_a_seed_says_how_to_look_for_one() {
        let args = Args::parse_from(["prewire-scenes", "--full"]);
        let row = run_under_seeds(&args, &FAILS_UNDER_FOUR, platforms()[0]);
        let replay = args.replay(&row);
        assert!(
            !row.ok && replay.contains("no seed drew") && replay.contains(" --full --seeds 0.."),
            "{replay}"
        );
    }
}
