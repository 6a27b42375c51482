//! The models: every crate of the engine, built with the atomics of loom. Building them on every change is what
//! keeps that arm of `prewire-sync` from rotting. The list is derived: whoever uses `prewire-sync` in layers 0 to 2.

use crate::{layers, workspace};
use anyhow::{Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, TargetKind};
use xshell::{Shell, cmd};

/// The shim that switches between the standard atomics and loom's.
const SHIM: &str = "prewire-sync";
/// The highest layer that is model-checked; above it there are threads of its own.
const HIGHEST: u8 = 2;

/// A crate that is built for the models.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Modelled {
    /// The package.
    pub(crate) package: String,
    /// Its test targets that are models: those named `loom` or `loom_...`.
    pub(crate) models: Vec<String>,
}

/// The crates that are built for the models.
pub(crate) fn modelled(metadata: &Metadata) -> Vec<Modelled> {
    let mut found = Vec::new();
    for package in metadata.workspace_packages() {
        let low = layers::of(&package.name).and_then(|m| m.layer).is_some_and(|layer| layer <= HIGHEST);
        let uses = package.dependencies.iter().any(|d| d.kind == DependencyKind::Normal && d.name == SHIM);
        if low && (uses || package.name.as_str() == SHIM) {
            let tests = package.targets.iter().filter(|t| t.kind.contains(&TargetKind::Test));
            let models = tests.map(|t| t.name.clone()).filter(|n| n == "loom" || n.starts_with("loom_"));
            found.push(Modelled { package: package.name.to_string(), models: models.collect() });
        }
    }
    found.sort_by(|a, b| a.package.cmp(&b.package));
    found
}

/// Checks the crates under `--cfg prewire_loom`, and runs their models, in a target folder of their own: the flag
/// reaches every dependency.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let metadata = workspace::metadata()?;
    let list = modelled(&metadata);
    ensure!(!list.is_empty(), "no crate of layers 0 to {HIGHEST} uses {SHIM}: the list of models is empty");
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{given} --cfg prewire_loom");
    let target = metadata.target_directory.join("loom");
    let _flags = sh.push_env("RUSTFLAGS", flags.trim());
    let _target = sh.push_env("CARGO_TARGET_DIR", target.as_str());
    // Explored without a bound a model of three threads takes minutes; two preemptions find nearly every bug.
    let bound = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "2".to_owned());
    let _bound = sh.push_env("LOOM_MAX_PREEMPTIONS", bound);

    let packages = list.iter().flat_map(|m| ["--package", m.package.as_str()]);
    cmd!(sh, "cargo check --quiet --lib {packages...}").quiet().run()?;
    for Modelled { package, models } in &list {
        if models.is_empty() {
            println!("   {package}: builds");
            continue;
        }
        let tests = &models.iter().flat_map(|name| ["--test", name.as_str()]).collect::<Vec<_>>();
        let test = |more: &[&str]| {
            cmd!(sh, "cargo test --quiet --profile loom --package {package} {tests...} {more...}")
        };
        let names = count(&test(&["--", "--list"]).quiet().read()?);
        // A target whose tests are all compiled out passes without a word.
        ensure!(names > 0, "{package}: no test in {}; does a cfg hide them?", models.join(", "));
        println!("   {package}: {names} models");
        test(&[]).quiet().run()?;
    }
    Ok(())
}

/// How many tests a listing names.
fn count(listing: &str) -> usize {
    listing.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_without_tests_counts_none() {
        assert_eq!(count("push_works: test\nclose_works: test\n\n2 tests, 0 benchmarks\n"), 2);
        assert_eq!(count("\n0 tests, 0 benchmarks\n"), 0);
    }

    #[test]
    fn the_list_holds_the_shim_and_the_ring_and_nothing_above_layer_two() {
        let list = modelled(&workspace::metadata().unwrap());
        let names: Vec<&str> = list.iter().map(|m| m.package.as_str()).collect();
        for wanted in ["prewire-sync", "prewire-os", "prewire-ring", "prewire-scheduler"] {
            assert!(names.contains(&wanted), "{wanted} is missing in {names:?}");
        }
        for other in ["prewire-abi", "prewire-sim", "prewire-chip", "prewire", "xtask"] {
            assert!(!names.contains(&other), "{other} has no models, yet it is in {names:?}");
        }
    }
}
