//! `cargo xtask fuzz`: drives the targets of `crates/fuzz` with libFuzzer, by hand. New inputs go to a folder beside
//! what cargo builds; `--keep` merges what they newly reach into the corpus, which the tests replay.

use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The package, its binary, and the triple that it is built for: given, so that the flags reach no build script.
const PACKAGE: &str = "prewire-fuzz";
/// Counters at each edge and traces of comparisons: what libFuzzer is guided by. Understood by every compiler.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions=on",
    "-Coverflow-checks=on",
];

/// No record that is decoded whole is longer; longer ones are made of a whole and changes of it.
const LONGEST: &str = "-max_len=1400";

/// The targets, by the folders of the corpus: a test of `crates/fuzz` holds that each target has one.
fn targets() -> Result<Vec<String>> {
    let folder = workspace::root().join("crates/fuzz/corpus");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Which of `all` are asked for.
fn chosen(all: Vec<String>, wanted: Option<&str>) -> Result<Vec<String>> {
    let Some(wanted) = wanted else { return Ok(all) };
    ensure!(
        all.iter().any(|name| name == wanted),
        "there is no target {wanted:?}; there are {}",
        all.join(", ")
    );
    Ok(vec![wanted.to_owned()])
}

/// Runs the targets, one after another, for so many seconds each.
pub(crate) fn run(target: Option<&str>, seconds: u32, list: bool, keep: bool) -> Result<ExitCode> {
    let all = targets()?;
    if list {
        all.iter().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    let names = chosen(all, target)?;
    let (binary, folder) = build()?;
    for name in &names {
        drive(&binary, &folder, name, seconds, keep)?;
    }
    println!("{} targets kept their promise", names.len());
    Ok(ExitCode::SUCCESS)
}

/// Builds the fuzzer; returns it and the folder for what it finds.
fn build() -> Result<(PathBuf, PathBuf)> {
    let version = Command::new("rustc").arg("-vV").output().context("rustc could not be started")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("`rustc -vV` names no host")?;
    let folder = workspace::metadata()?.target_directory.join("fuzz").into_std_path_buf();
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", PACKAGE, "--features", "libfuzzer"])
        .args(["--bin", PACKAGE, "--target", host])
        .env("RUSTFLAGS", COVERAGE.join(" "))
        .env("CARGO_TARGET_DIR", &folder)
        .current_dir(workspace::root())
        .status()
        .context("cargo could not be started; is it on the PATH?")?;
    ensure!(
        status.success(),
        "the fuzzer does not build ({status}); libFuzzer needs a C++ compiler, such as the packages g++ or clang"
    );
    Ok((folder.join(host).join("release").join(PACKAGE), folder))
}

/// Drives one target. Fails with the input that broke its promise.
fn drive(binary: &PathBuf, folder: &std::path::Path, name: &str, seconds: u32, keep: bool) -> Result<()> {
    println!("== {name}, {seconds} s");
    let corpus = workspace::root().join("crates/fuzz/corpus").join(name);
    let (found, broken) = (folder.join("found").join(name), folder.join("broken").join(name));
    for path in [&found, &broken] {
        std::fs::create_dir_all(path).with_context(|| format!("{} cannot be made", path.display()))?;
    }
    let fuzzer = || {
        let mut fuzzer = Command::new(binary);
        fuzzer.env("PREWIRE_FUZZ_TARGET", name).arg(format!("-artifact_prefix={}/", broken.display()));
        fuzzer
    };
    let status = fuzzer()
        .args([&found, &corpus])
        .arg(format!("-max_total_time={seconds}"))
        .args([LONGEST, "-timeout=10", "-use_value_profile=1", "-print_final_stats=1", "-verbosity=0"])
        .status()
        .with_context(|| format!("{} could not be run", binary.display()))?;
    if !status.success() {
        bail!(
            "{name}: a promise is broken ({status}); the input is in {}. Mend the decoder, and put the input into {}, \
             where the tests replay it",
            broken.display(),
            corpus.display()
        );
    }
    if keep {
        // As few as together reach each place that was reached, however often.
        let status = fuzzer()
            .args(["-set_cover_merge=1", "-use_counters=0", LONGEST, "-verbosity=0"])
            .args([&corpus, &found])
            .status()?;
        ensure!(status.success(), "{name}: the corpora could not be merged ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_the_folders_of_the_corpus_and_an_unknown_one_is_refused() {
        let all = targets().unwrap();
        for wanted in ["arguments", "blob", "tensor", "chip_tensor", "callables", "comm", "config", "mailbox"]
        {
            assert!(all.iter().any(|name| name == wanted), "{wanted} is missing in {all:?}");
            assert_eq!(chosen(all.clone(), Some(wanted)).unwrap(), [wanted]);
        }
        assert_eq!(chosen(all.clone(), None).unwrap(), all);
        let error = chosen(all, Some("blobs")).unwrap_err().to_string();
        assert!(error.contains("blobs") && error.contains("chip_tensor"), "{error}");
    }
}
