//! `cargo xtask loom`: the models, built with the atomics of loom and explored. Every crate that uses `prewire-sync` up
//! to the chips is built that way, with a model or without one, which keeps that arm of the code from rotting.

mod mutants;
mod scan;

use crate::{layers, workspace};
use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{DependencyKind, Message, Metadata};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;
use xshell::{Shell, cmd};

use scan::{Model, Scan};

#[cfg(test)]
pub(crate) use scan::{problems, workspace as scan_workspace};

/// The shim that switches between the standard atomics and loom's.
const SHIM: &str = "prewire-sync";
/// The highest layer that is model-checked: above it are whole chips.
const HIGHEST: u8 = 3;
/// Preemptions that are explored unless somebody says otherwise. Explored without a bound a model of three threads takes
/// minutes; two preemptions find nearly every bug.
const BOUND: u32 = 2;
/// The variable that names the mutant that is on.
const BUG: &str = "PREWIRE_LOOM_BUG";

/// What the command is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// A part of the names of models; all of them without it.
    pub(crate) group: Option<String>,
    pub(crate) bound: Option<u32>,
    pub(crate) list: bool,
    pub(crate) mutants: bool,
}

/// `cargo xtask loom`.
pub(crate) fn run(asked: &Asked) -> Result<ExitCode> {
    let scan = scan::workspace().context("reading the sources")?;
    if asked.list {
        for model in chosen(&scan, asked.group.as_deref())? {
            println!("{}\n    {}\n    fails with {}", model.name(), model.claim, model.catches.join(", "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let sh = Shell::new()?;
    sh.change_dir(workspace::root());
    if asked.mutants {
        return mutants::run(&sh, &scan, asked);
    }
    explore(&sh, &scan, asked)?;
    Ok(ExitCode::SUCCESS)
}

/// The step of the suite.
pub(crate) fn step(sh: &Shell) -> Result<()> {
    explore(sh, &scan::workspace().context("reading the sources")?, &Asked::default())
}

/// The models of the crate `group`, or else those whose names have `group` in them.
fn chosen<'a>(scan: &'a Scan, group: Option<&str>) -> Result<Vec<&'a Model>> {
    let is_crate = |group: &str| scan.models.iter().any(|model| model.folder == group);
    let is_chosen =
        |model: &&Model| {
            group.is_none_or(|group| {
                if is_crate(group) { model.folder == group } else { model.name().contains(group) }
            })
        };
    let found: Vec<&Model> = scan.models.iter().filter(is_chosen).collect();
    if found.is_empty() {
        let all: Vec<String> = scan.models.iter().map(Model::name).collect();
        bail!("no model has `{}` in its name; there are:\n{}", group.unwrap_or_default(), all.join("\n"));
    }
    Ok(found)
}

/// Builds the crates under the cfg, and explores the models that are asked for.
fn explore(sh: &Shell, scan: &Scan, asked: &Asked) -> Result<()> {
    let models = chosen(scan, asked.group.as_deref())?;
    let built = build(sh, scan, &models)?;
    let mut explored = 0;
    for binary in &built {
        let start = Instant::now();
        let tests: Vec<&str> = binary.models.iter().map(|model| model.test.as_str()).collect();
        let mut command = binary.command(bound(asked));
        command
            .args(["--quiet", "--include-ignored", "--exact"])
            .args(&tests)
            .env_remove(BUG)
            .stdout(Stdio::piped());
        let output = command.output().with_context(|| format!("running {}", binary.path.display()))?;
        if !output.status.success() {
            print!("{}", String::from_utf8_lossy(&output.stdout));
            bail!(
                "{}: an interleaving breaks a claim, see above; LOOM_LOG=trace and LOOM_LOCATION=1 with `{} <model>` \
                 show it",
                binary.folder(),
                binary.path.display()
            );
        }
        explored += tests.len();
        let seconds = start.elapsed().as_secs_f64();
        println!("   {}: {} models hold, {seconds:.1} s", binary.folder(), tests.len());
    }
    ensure!(explored > 0, "no model was run");
    println!("   {explored} models, at most {} preemptions", bound(asked));
    Ok(())
}

fn bound(asked: &Asked) -> String {
    let given = asked.bound.map(|bound| bound.to_string());
    given.or_else(|| std::env::var("LOOM_MAX_PREEMPTIONS").ok()).unwrap_or_else(|| BOUND.to_string())
}

/// A test binary, and those of its models that were chosen.
struct Binary<'a> {
    path: PathBuf,
    models: Vec<&'a Model>,
}

impl Binary<'_> {
    fn folder(&self) -> &str {
        &self.models[0].folder
    }

    fn command(&self, bound: String) -> Command {
        let mut command = Command::new(&self.path);
        command.env("LOOM_MAX_PREEMPTIONS", bound).current_dir(workspace::root());
        command
    }
}

/// The packages that are built for the models: those up to layer 3 that use the shim.
fn modelled(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let is_modelled = |package: &&&cargo_metadata::Package| {
        let low = layers::of(&package.name).and_then(|m| m.layer).is_some_and(|layer| layer <= HIGHEST);
        let uses = package.dependencies.iter().any(|d| d.kind == DependencyKind::Normal && d.name == SHIM);
        low && (uses || package.name.as_str() == SHIM)
    };
    let mut names: Vec<String> = packages.iter().filter(is_modelled).map(|p| p.name.to_string()).collect();
    names.sort();
    names
}

/// Checks the crates under `--cfg prewire_loom` and builds the binaries of `models`, in a target folder of their own:
/// the flag reaches every dependency.
fn build<'a>(sh: &Shell, scan: &Scan, models: &[&'a Model]) -> Result<Vec<Binary<'a>>> {
    let metadata = workspace::metadata()?;
    let packages = modelled(&metadata);
    for model in models {
        let package = format!("prewire-{}", model.folder);
        ensure!(packages.contains(&package), "{}: {package} is above layer {HIGHEST}", model.name());
    }
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{given} --cfg prewire_loom");
    let target = metadata.target_directory.join("loom");
    let _flags = sh.push_env("RUSTFLAGS", flags.trim());
    let _target = sh.push_env("CARGO_TARGET_DIR", target.as_str());
    let named = packages.iter().flat_map(|package| ["--package", package.as_str()]);
    cmd!(sh, "cargo check --quiet --lib {named...}").quiet().run()?;

    let mut targets: Vec<(&str, Option<&str>)> =
        models.iter().map(|m| (m.folder.as_str(), m.target.as_deref())).collect();
    targets.sort_unstable();
    targets.dedup();
    let mut binaries = Vec::new();
    for (folder, target) in targets {
        let path = executable(sh, folder, target)?;
        let is_here = |m: &&&Model| m.folder == folder && m.target.as_deref() == target;
        let models: Vec<&Model> = models.iter().copied().filter(|m| is_here(&m)).collect();
        // What the source says and what the binary has must be the same: a cfg hides a test without a word.
        let listing = cmd!(sh, "{path} --list").quiet().read()?;
        let tests = listing.lines().filter_map(|line| line.strip_suffix(": test"));
        let mut has: Vec<&str> =
            tests.filter(|test| target.is_some() || test.starts_with("models::")).collect();
        let all = scan.models.iter().filter(|m| is_here(&m));
        let mut says: Vec<&str> = all.map(|m| m.test.as_str()).collect();
        has.sort_unstable();
        says.sort_unstable();
        ensure!(
            has == says,
            "{folder}: the source has the models {says:?}, the binary {has:?}; does a cfg hide them?"
        );
        binaries.push(Binary { path, models });
    }
    Ok(binaries)
}

/// Builds one test binary.
fn executable(sh: &Shell, folder: &str, target: Option<&str>) -> Result<PathBuf> {
    let package = format!("prewire-{folder}");
    let which = target.map_or_else(|| vec!["--lib"], |name| vec!["--test", name]);
    let build = cmd!(
        sh,
        "cargo test --quiet --profile loom --no-run --message-format json-render-diagnostics --package {package} {which...}"
    );
    let messages = build.quiet().read()?;
    let mut found = None;
    for message in Message::parse_stream(BufReader::new(messages.as_bytes())) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.profile.test
            && let Some(path) = artifact.executable
        {
            found = Some(path.into_std_path_buf());
        }
    }
    found.with_context(|| format!("{package}: cargo built no test binary"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_names_nothing_is_an_error_that_says_what_there_is() {
        let scan = scan::workspace().unwrap();
        let error = chosen(&scan, Some("no such model")).unwrap_err().to_string();
        assert!(error.contains("ring::fanout::one_wait_ends_once"), "{error}");
        // `os` is in `lose` too.
        assert!(chosen(&scan, Some("os")).unwrap().iter().all(|model| model.folder == "os"));
        let ring = chosen(&scan, Some("ring::")).unwrap();
        assert!(ring.len() < chosen(&scan, None).unwrap().len());
        assert!(ring.iter().all(|model| model.folder == "ring"));
    }

    #[test]
    fn the_list_holds_the_shim_and_the_simulator_and_nothing_above() {
        let names = modelled(&workspace::metadata().unwrap());
        for wanted in ["prewire-sync", "prewire-os", "prewire-ring", "prewire-scheduler", "prewire-sim"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted} is missing in {names:?}");
        }
        for other in ["prewire-abi", "prewire-chip", "prewire", "xtask"] {
            assert!(!names.iter().any(|name| name == other), "{other} has no models, yet it is in {names:?}");
        }
    }
}
