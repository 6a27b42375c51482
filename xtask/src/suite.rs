//! `cargo xtask test`: the whole suite, step by step. The first failure ends it and says what to do; the last line
//! counts the steps, as `<n> passed, 0 failed`.

use crate::bench::guard;
use crate::{loom, oracle, shuttle, sim_test, workspace};
use anyhow::{Result, ensure};
use core::fmt;
use std::process::ExitCode;
use std::time::Instant;
use xshell::{Shell, cmd};

/// One step of the suite.
#[derive(Clone, Copy)]
struct Step {
    name: &'static str,
    what: &'static str,
    /// What to do when it fails.
    remedy: &'static str,
    /// Left out by `--fast`.
    slow: bool,
    /// Why it cannot run on this machine; then it is said to be skipped.
    missing: fn() -> Option<String>,
    run: fn(&Shell) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        what: "cargo fmt --all --check",
        remedy: "run `cargo fmt --all`",
        slow: false,
        missing: nothing,
        run: |sh| Ok(cmd!(sh, "cargo fmt --all --check").quiet().run()?),
    },
    Step {
        name: "lints",
        what: "cargo clippy --workspace --all-targets -- -D warnings",
        remedy: "mend what clippy names above; an `allow` needs a reason",
        slow: false,
        missing: nothing,
        run: |sh| {
            let clippy = cmd!(sh, "cargo clippy --quiet --workspace --all-targets -- -D warnings");
            Ok(clippy.quiet().run()?)
        },
    },
    Step {
        name: "models",
        what: "cargo xtask loom",
        remedy: "the code above names something that loom lacks, or a model found an interleaving that breaks its \
                 claim; see the documentation of prewire-sync",
        slow: false,
        missing: nothing,
        run: loom::step,
    },
    Step {
        name: "schedules",
        what: "cargo xtask shuttle",
        remedy: "`cargo xtask shuttle --seed <seed>` repeats the program that failed, with the seed printed above",
        slow: true,
        missing: nothing,
        run: |sh| shuttle::run(sh, &shuttle::Options::default()),
    },
    Step {
        name: "tests",
        what: "cargo test --workspace",
        remedy: "the list under `failures:` above names it; `cargo test --package <package> <test>` repeats it alone",
        slow: false,
        missing: nothing,
        run: |sh| Ok(cmd!(sh, "cargo test --quiet --workspace").quiet().run()?),
    },
    Step {
        name: "documentation",
        what: "cargo doc --workspace --no-deps, warnings are errors",
        remedy: "mend the link or the item that rustdoc names above",
        slow: true,
        missing: nothing,
        run: |sh| {
            let given = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
            let _flags = sh.push_env("RUSTDOCFLAGS", format!("{given} -D warnings").trim());
            Ok(cmd!(sh, "cargo doc --quiet --workspace --no-deps").quiet().run()?)
        },
    },
    Step {
        name: "scenes",
        what: "cargo xtask sim-test",
        remedy: "the command that runs it again is below the table; `--seeds 0..1000` looks for an order that fails",
        slow: true,
        missing: nothing,
        run: |_| {
            let status = sim_test::scenes(&[])?;
            ensure!(status.success(), "the scenes ended with {status}");
            Ok(())
        },
    },
    Step {
        name: "races",
        what: "cargo xtask sim-test --check-races",
        remedy: "the report above names two tasks and what is missing between them; \
                 `cargo xtask sim-test --check-races --scene <scene>` repeats it",
        slow: true,
        missing: nothing,
        run: |_| {
            let status = sim_test::scenes(&["--check-races".into()])?;
            ensure!(status.success(), "the checked scenes ended with {status}");
            Ok(())
        },
    },
    Step {
        name: "oracle",
        what: "cargo xtask oracle",
        remedy: "the smallest program that goes wrong is printed above as a test, with the command that runs it again, \
                 alone",
        slow: true,
        missing: nothing,
        run: |_| oracle::step(),
    },
    Step {
        name: "guard",
        what: "cargo xtask bench guard",
        remedy: "the message above names the program; `git stash` and `cargo xtask bench guard <program>` shows which \
                 change it was",
        slow: true,
        missing: guard::missing,
        run: |_| guard::step(),
    },
];

/// A step that runs everywhere.
fn nothing() -> Option<String> {
    None
}

/// Runs the suite.
pub(crate) fn run(fast: bool) -> Result<ExitCode> {
    let sh = Shell::new()?;
    sh.change_dir(workspace::root());
    let steps: Vec<&Step> = STEPS.iter().filter(|step| !(fast && step.slow)).collect();
    let tally = walk(&steps, |step| (step.run)(&sh));
    if fast {
        let left: Vec<&str> = STEPS.iter().filter(|step| step.slow).map(|step| step.name).collect();
        println!("left out by --fast: {}", left.join(", "));
    }
    println!("{tally}");
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many steps ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

/// Runs the steps in order, up to the first that fails.
fn walk(steps: &[&Step], mut run: impl FnMut(&Step) -> Result<()>) -> Tally {
    let mut tally = Tally::default();
    for (index, step) in steps.iter().enumerate() {
        println!("== {}/{} {}: {}", index + 1, steps.len(), step.name, step.what);
        if let Some(why) = (step.missing)() {
            tally.skipped += 1;
            println!("   skipped: {why}");
            continue;
        }
        let start = Instant::now();
        let ended = run(step);
        let seconds = start.elapsed().as_secs_f64();
        match ended {
            Ok(()) => {
                tally.passed += 1;
                println!("   ok, {seconds:.1} s");
            }
            Err(error) => {
                tally.failed += 1;
                println!("   failed, {seconds:.1} s: {error:#}");
                println!("   what to do: {}", step.remedy);
                break;
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn the_first_failure_ends_the_walk() {
        let steps: Vec<&Step> = STEPS.iter().collect();
        let mut seen = Vec::new();
        let tally = walk(&steps, |step| {
            seen.push(step.name);
            if step.name == "models" { bail!("on purpose") } else { Ok(()) }
        });
        assert_eq!(seen, ["format", "lints", "models"]);
        assert_eq!(tally.to_string(), "2 passed, 1 failed");
    }

    #[test]
    fn a_clean_walk_counts_every_step() {
        let steps: Vec<&Step> = STEPS.iter().filter(|step| (step.missing)().is_none()).collect();
        let tally = walk(&steps, |_| Ok(()));
        assert_eq!(tally, Tally { passed: steps.len(), failed: 0, skipped: 0 });
    }

    #[test]
    fn what_cannot_run_here_is_skipped_and_counted() {
        let step = Step { missing: || Some("there is no such tool".to_owned()), ..STEPS[0] };
        let tally = walk(&[&step, &STEPS[1]], |step| {
            assert_eq!(step.name, STEPS[1].name);
            Ok(())
        });
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
    }
}
