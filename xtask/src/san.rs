//! `cargo xtask san`: the tests of the engine and the simulator under the sanitizers of the compiler, by hand. They are
//! options of the nightly compiler alone. What the toolchain lacks is named, and skipped.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Whose tests are run.
const PACKAGES: &[&str] = &[
    "prewire-abi",
    "prewire-sync",
    "prewire-ring",
    "prewire-tensormap",
    "prewire-orchestrator",
    "prewire-scheduler",
    "prewire-mailbox",
    "prewire-sim",
    "prewire-chip",
];
/// Tests that count what the whole process holds, and their files: a sanitizer holds threads and memory of its own.
const COUNTS: &[(&str, &str)] = &[
    ("long_use_leaves_everything_where_it_was", "chip/tests/endurance.rs"),
    ("chips_leave_nothing_behind_and_idle_ones_cost_nothing", "chip/tests/leaks.rs"),
    ("two_thousand_starts_and_stops_leave_what_was_there_before", "sim/tests/leaks.rs"),
    ("an_idle_chip_with_the_usual_rings_takes_less_than_ten_megabytes", "chip/tests/footprint.rs"),
    ("nothing_is_left_of_chips_that_shared_memory", "chip/tests/shared_leaks.rs"),
];
/// Programs of the oracle, unless the environment says otherwise: each costs some ten times as much here.
const CASES: &str = "320";

/// A sanitizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sanitizer {
    /// Accesses outside of objects, use after free, and memory that is never freed.
    Address,
    /// Two threads that access the same bytes unordered, one of them writing.
    Thread,
}

impl Sanitizer {
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
        }
    }

    /// The library that the compiler links in, as it is named behind the last dot but one.
    const fn runtime(self) -> &'static str {
        match self {
            Self::Address => "_rt.asan.a",
            Self::Thread => "_rt.tsan.a",
        }
    }

    /// Whether the standard library has to be built with it too: otherwise its locks are not seen to order anything.
    const fn builds_std(self) -> bool {
        matches!(self, Self::Thread)
    }

    /// What the runtime is told.
    fn options(self, root: &Path) -> (&'static str, String) {
        let file = |name: &str| root.join("ci").join(name).display().to_string();
        match self {
            Self::Address => ("LSAN_OPTIONS", format!("suppressions={}", file("lsan-suppressions.txt"))),
            Self::Thread => ("TSAN_OPTIONS", format!("suppressions={}", file("tsan-suppressions.txt"))),
        }
    }
}

/// What a toolchain has, as its folders show it.
#[derive(Debug)]
struct Toolchain {
    host: String,
    /// The names in the folder of its libraries.
    libraries: Vec<String>,
    /// Whether the source of the standard library is there.
    source: bool,
}

impl Toolchain {
    /// The nightly toolchain, or why there is none.
    fn nightly() -> Result<Self, String> {
        let ask = |args: &[&str]| {
            let output = Command::new("rustc").arg("+nightly").args(args).output();
            let output = output.ok().filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let missing = "there is no nightly toolchain; install it with `rustup toolchain install nightly`";
        let version = ask(&["-vV"]).ok_or(missing)?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or("`rustc -vV` names no host")?;
        let root = PathBuf::from(ask(&["--print", "sysroot"]).ok_or(missing)?).join("lib/rustlib");
        let entries = std::fs::read_dir(root.join(host).join("lib")).map_err(|error| error.to_string())?;
        let libraries =
            entries.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned())).collect();
        Ok(Self { host: host.to_owned(), libraries, source: root.join("src/rust/library/std").is_dir() })
    }

    /// What it lacks for `sanitizer`, and what to do about it.
    fn lacks(&self, sanitizer: Sanitizer) -> Option<String> {
        if !self.libraries.iter().any(|name| name.ends_with(sanitizer.runtime())) {
            let (host, runtime) = (&self.host, sanitizer.runtime());
            return Some(format!(
                "the nightly toolchain has no library `*{runtime}` for {host}; use a host that has"
            ));
        }
        (sanitizer.builds_std() && !self.source).then(|| {
            "the nightly toolchain has no source of the standard library, whose locks have to be seen; install it \
             with `rustup component add rust-src --toolchain nightly`"
                .to_owned()
        })
    }
}

/// How many sanitizers ran and how many could not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    clean: usize,
    found: usize,
    skipped: usize,
}

impl Tally {
    /// Nothing was found, something ran, and all of it if `require`.
    const fn is_success(&self, require: bool) -> bool {
        self.found == 0 && self.clean > 0 && !(require && self.skipped > 0)
    }
}

/// Runs the sanitizers, all unless some are named; `require` makes a missing one a failure.
pub(crate) fn run(wanted: &[Sanitizer], require: bool, packages: &[String]) -> Result<ExitCode> {
    let wanted = if wanted.is_empty() { Sanitizer::value_variants() } else { wanted };
    for package in packages {
        ensure!(PACKAGES.contains(&package.as_str()), "{package} is not one of {}", PACKAGES.join(", "));
    }
    let packages: Vec<&str> =
        if packages.is_empty() { PACKAGES.to_vec() } else { packages.iter().map(String::as_str).collect() };
    let toolchain = Toolchain::nightly();
    let mut tally = Tally::default();
    for &sanitizer in wanted {
        let lacks = match &toolchain {
            Ok(toolchain) => toolchain.lacks(sanitizer),
            Err(why) => Some(why.clone()),
        };
        match (&toolchain, lacks) {
            (Ok(toolchain), None) => {
                println!("== {} sanitizer: the tests of {}", sanitizer.name(), packages.join(", "));
                if tests(sanitizer, toolchain, &packages)? { tally.clean += 1 } else { tally.found += 1 }
            }
            (_, lacks) => {
                println!("== {} sanitizer: skipped: {}", sanitizer.name(), lacks.unwrap_or_default());
                tally.skipped += 1;
            }
        }
    }
    println!("{} passed, {} failed, {} skipped", tally.clean, tally.found, tally.skipped);
    Ok(if tally.is_success(require) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the tests pass under a sanitizer. Built in a target folder of their own: the flags reach every dependency.
fn tests(sanitizer: Sanitizer, toolchain: &Toolchain, packages: &[&str]) -> Result<bool> {
    let root = workspace::root();
    let target = workspace::metadata()?.target_directory.join(format!("san-{}", sanitizer.name()));
    let (name, options) = sanitizer.options(&root);
    let mut flags = format!("-Zsanitizer={}", sanitizer.name());
    if !sanitizer.builds_std() {
        flags += " -Cunsafe-allow-abi-mismatch=sanitizer";
    }
    let mut cargo = Command::new("cargo");
    cargo.args([
        "+nightly",
        "test",
        "--quiet",
        "--no-fail-fast",
        "--lib",
        "--tests",
        "--target",
        &toolchain.host,
    ]);
    if sanitizer.builds_std() {
        cargo.arg("-Zbuild-std");
    }
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    cargo.arg("--").args(COUNTS.iter().flat_map(|(test, _)| ["--skip", test]));
    if std::env::var_os("PREWIRE_ORACLE_CASES").is_none() {
        cargo.env("PREWIRE_ORACLE_CASES", CASES);
    }
    let status = cargo
        // The watchdogs of the tests know how long they take without a sanitizer.
        .env("PREWIRE_PATIENCE", "20")
        .env_remove("RUSTC")
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", target.as_std_path())
        .env(name, options)
        .current_dir(&root)
        .status()
        .context("cargo could not be started; is rustup's on the PATH?")?;
    Ok(status.success())
}

#[cfg(test)]
mod checks {
    use super::*;

    fn toolchain(libraries: &[&str], source: bool) -> Toolchain {
        let libraries = libraries.iter().map(|name| (*name).to_owned()).collect();
        Toolchain { host: "a-host".to_owned(), libraries, source }
    }

    #[test]
    fn what_a_toolchain_lacks_is_named_with_what_to_install() {
        let full = toolchain(&["librustc-nightly_rt.asan.a", "librustc-nightly_rt.tsan.a"], true);
        assert_eq!((full.lacks(Sanitizer::Address), full.lacks(Sanitizer::Thread)), (None, None));
        let lacks = toolchain(&["librustc-nightly_rt.asan.a"], true).lacks(Sanitizer::Thread).unwrap();
        assert!(lacks.contains("_rt.tsan.a") && lacks.contains("a-host"), "{lacks}");
        let bare = toolchain(&["librustc-nightly_rt.asan.a", "librustc-nightly_rt.tsan.a"], false);
        assert_eq!(bare.lacks(Sanitizer::Address), None, "it needs no source");
        let lacks = bare.lacks(Sanitizer::Thread).unwrap();
        assert!(lacks.contains("rustup component add rust-src"), "{lacks}");
    }

    #[test]
    fn what_did_not_run_is_no_success() {
        let tally = |clean, found, skipped| Tally { clean, found, skipped };
        assert!(tally(2, 0, 0).is_success(true) && tally(1, 0, 1).is_success(false));
        assert!(!tally(1, 0, 1).is_success(true), "a missing one was required");
        assert!(!tally(0, 0, 2).is_success(false), "none ran");
        assert!(!tally(1, 1, 0).is_success(false));
    }

    /// A test that was renamed would run again, and fail for no reason.
    #[test]
    fn the_packages_and_the_tests_that_are_left_out_exist() {
        let metadata = workspace::metadata().unwrap();
        for package in PACKAGES {
            assert!(metadata.workspace_packages().iter().any(|p| p.name.as_str() == *package), "{package}");
        }
        for (test, file) in COUNTS {
            let text = std::fs::read_to_string(workspace::root().join("crates").join(file)).unwrap();
            assert!(text.contains(&format!("fn {test}()")), "{test} is not in {file}");
        }
    }

    #[test]
    fn every_suppression_has_its_reason_above_it() {
        for file in ["lsan-suppressions.txt", "tsan-suppressions.txt"] {
            let text = std::fs::read_to_string(workspace::root().join("ci").join(file)).unwrap();
            let mut reason = false;
            for line in text.lines() {
                let comment = line.starts_with("# ");
                assert!(comment || line.is_empty() || reason, "{file}: `{line}` has no reason above it");
                reason = comment;
            }
        }
    }
}
