//! `prewire-scenes`: runs real programs on simulated chips and compares every result with its golden. Exit code 0
//! means that all are right, 1 that something is not, 2 that the command line asks for what does not exist.
#![forbid(unsafe_code)]

mod args;
mod table;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use prewire_scenes::{Platform, Row, Scene, Setup, run};

use args::Args;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

fn main() -> ExitCode {
    let args = Args::parse();
    // What takes long, and why, is told as a warning. Some scenes fill their rings on purpose: how far is told only if
    // it is asked for.
    let sizes = if args.usage { LevelFilter::WARN } else { LevelFilter::OFF };
    let told = Targets::new().with_default(LevelFilter::WARN).with_target("prewire_chip::sizes", sizes);
    tracing_subscriber::registry().with(fmt::layer().with_writer(stderr).with_filter(told)).init();
    let (scenes, platforms) = match args.choose() {
        Ok(choice) => choice,
        Err(unknown) => {
            eprintln!("error: {unknown}");
            return ExitCode::from(2);
        }
    };
    if args.list {
        println!("{}", table::of_scenes(&scenes));
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let rows = run_all(&args, &scenes, &platforms);
    println!("{}", table::of_rows(&rows));
    if args.usage {
        println!("\n{}\n", table::of_usage(&rows));
    }
    for row in rows.iter().filter(|row| !row.ok) {
        let error = row.error.as_deref().unwrap_or("no reason given");
        println!("{} on {}: {error}", row.scene, row.platform);
    }
    println!("{}", table::summary(&rows, start.elapsed()));
    if let Err(error) = write_json(&args, &rows) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    if rows.iter().all(|row| row.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs every scene on every platform, one after another, behind a progress bar.
fn run_all(args: &Args, scenes: &[Scene], platforms: &[Platform]) -> Vec<Row> {
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
            rows.push(run(scene, &Setup::new(platform).with_size(args.size()).with_seed(args.seed)));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    rows
}

/// Writes the rows to the file that was asked for, if any.
fn write_json(args: &Args, rows: &[Row]) -> anyhow::Result<()> {
    let Some(path) = &args.json else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(rows).context("encode the rows")?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("write the rows to {}", path.display()))
}
