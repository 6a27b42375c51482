//! `cargo xtask bench versus`: the graphs of Task Bench on prewire and on its peers, in turns, in one session.

mod metg;
mod peers;
mod session;
mod table;

use crate::workspace;
use anyhow::{Context, Result, ensure};
use peers::{PEERS, Peer};
use session::Plan;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The patterns, as the programs name them; a test compares with the source of the benchmarks.
const PATTERNS: [&str; 11] = [
    "trivial",
    "no_comm",
    "stencil_1d",
    "stencil_1d_periodic",
    "dom",
    "tree",
    "fft",
    "all_to_all",
    "nearest",
    "spread",
    "random_nearest",
];
/// Those of `--quick`.
const QUICK: [&str; 3] = ["stencil_1d", "fft", "random_nearest"];

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Three patterns, three runs of each, three sweeps for METG.
    #[arg(long)]
    quick: bool,
    /// Writes the rows into this file: work, peer, ns_per_task, ratio, metg_us.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only this pattern; may be given more than once.
    #[arg(long, value_name = "NAME", value_parser = PATTERNS)]
    pattern: Vec<String>,
    /// Only this runtime beside prewire; may be given more than once.
    #[arg(long, value_name = "NAME", value_parser = names())]
    peer: Vec<String>,
    /// Points of a timestep. One task reads at most 31.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=31))]
    width: u32,
    /// Slots of a point, which its timesteps take turns in.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=64))]
    fields: u32,
    /// Threads that run tasks, on as many processors.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// What the tasks do that METG is found with.
    #[arg(long, value_name = "KIND", default_value = "compute", value_parser = ["compute", "memory"])]
    kernel: String,
    /// Runs of each graph [default: 9, with --quick 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: Option<u16>,
}

fn names() -> Vec<&'static str> {
    PEERS.iter().map(|peer| peer.name).collect()
}

impl Args {
    fn patterns(&self) -> Vec<String> {
        let all: &[&str] = if self.quick { &QUICK } else { &PATTERNS };
        if self.pattern.is_empty() {
            all.iter().map(|p| (*p).to_owned()).collect()
        } else {
            self.pattern.clone()
        }
    }

    /// The first runtime, and those that are asked for.
    fn peers(&self) -> impl Iterator<Item = &'static Peer> {
        let asked = |peer: &Peer| self.peer.is_empty() || self.peer.iter().any(|name| name == peer.name);
        PEERS.iter().enumerate().filter(move |(index, peer)| *index == 0 || asked(peer)).map(|(_, peer)| peer)
    }
}

/// Builds what is installed, measures, and tells.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let root = workspace::root();
    let folder = workspace::metadata()?.target_directory.into_std_path_buf().join("versus");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let ours = super::build_ours("taskbench")?;
    let (mut programs, mut missing) = (Vec::new(), Vec::new());
    for peer in args.peers() {
        match peer.build(&root.join("benches/versus"), &folder, &ours)? {
            Ok(program) => programs.push(program),
            Err(lacks) => missing.push(lacks),
        }
    }
    let patterns = args.patterns();
    let plan = Plan {
        patterns: &patterns,
        width: args.width,
        fields: args.fields,
        workers: args.workers.into(),
        kernel: &args.kernel,
        rounds: args.runs.map_or(if args.quick { 3 } else { 9 }, usize::from),
        sweeps: if args.quick { 3 } else { 5 },
    };
    println!("{}", machine(plan.workers)?);
    for peer in args.peers() {
        println!("  {:<16} {}", peer.name, peer.what);
    }
    let measured = plan.run(&programs, |said| eprint!("\r\x1b[K{said}"))?;
    eprint!("\r\x1b[K");
    let names: Vec<&str> = programs.iter().map(|program| program.name).collect();
    let rows = table::rows(&patterns, &names, &measured, plan.workers);
    // First the file: nobody may read what is printed. Where it cannot be written that is printed all the same.
    let written = args.json.as_ref().map_or(Ok(()), |file| {
        let json = serde_json::to_string_pretty(&rows)?;
        std::fs::write(file, json + "\n").with_context(|| format!("write {}", file.display()))
    });
    println!("{}", table::table(&rows, plan.kernel));
    println!(
        "Medians of {} runs of graphs with {} points; METG of {}. Every task has checked its inputs.",
        plan.rounds, plan.width, plan.sweeps
    );
    missing.iter().for_each(|missing| println!("{missing}"));
    written.map(|()| ExitCode::SUCCESS)
}

/// What it runs on, in a line.
fn machine(workers: usize) -> Result<String> {
    let processors = std::thread::available_parallelism()?.get();
    ensure!(
        processors >= workers,
        "{workers} workers need as many processors, this machine has {processors}; give fewer with --workers"
    );
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let gcc = Command::new("gcc").arg("--version").output().ok();
    let gcc =
        gcc.map(|out| String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().to_owned());
    Ok(format!(
        "{} with {processors} processors, {workers} workers; {}",
        name.unwrap_or("a machine without a name"),
        gcc.as_deref().unwrap_or("no gcc")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from(["versus"].iter().chain(words)).map(|line| line.args)
    }

    #[test]
    fn what_is_asked_for_is_run_and_what_does_not_exist_is_refused() {
        let all = parse(&[]).unwrap();
        assert_eq!((all.patterns().len(), all.peers().count()), (11, PEERS.len()));
        let some = parse(&["--quick", "--peer", "starpu", "--json", "x.json"]).unwrap();
        assert_eq!(some.patterns(), QUICK);
        assert_eq!(some.peers().map(|peer| peer.name).collect::<Vec<_>>(), ["prewire", "starpu"]);
        assert_eq!(parse(&["--pattern", "dom", "--pattern", "fft"]).unwrap().patterns(), ["dom", "fft"]);
        for wrong in [["--pattern", "star"], ["--peer", "cilk"], ["--width", "32"], ["--runs", "0"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_patterns_are_those_of_the_programs() {
        let source = workspace::root().join("benches/src/taskbench/pattern.rs");
        let source = std::fs::read_to_string(source).unwrap();
        let named: Vec<&str> =
            source.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")).collect();
        assert_eq!(named, PATTERNS);
    }
}
