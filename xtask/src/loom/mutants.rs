//! `cargo xtask loom --mutants`: each model with each mutant that it says it catches, one process a pair.
//!
//! A mutant is caught if the model fails on an assertion or on a report of loom: a race, a deadlock, a bound that was
//! exceeded. A crash of another kind, or a process that does not end, is not that.

use super::scan::{self, Scan};
use super::{Asked, BUG, bound, build, chosen, explore};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use xshell::Shell;

/// A pair that takes longer is not caught: loom's own bounds end a model that goes round and round.
const LIMIT: Duration = Duration::from_secs(120);

/// How a model ended with a mutant on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// By what: the first line of the message.
    Caught(String),
    /// It passed.
    Passed,
    /// It ended for a reason that is not the model's.
    Crashed(String),
    /// It did not end.
    Hung,
}

/// Runs the pairs and prints the table.
pub(super) fn run(sh: &Shell, scan: &Scan, asked: &Asked) -> Result<ExitCode> {
    let problems: Vec<String> =
        scan::problems(scan).into_iter().map(|(file, line, what)| format!("{file}:{line}: {what}")).collect();
    ensure!(problems.is_empty(), "models and mutants do not fit together:\n{}", problems.join("\n"));
    // A model that fails anyway catches everything.
    explore(sh, scan, asked)?;
    let start = Instant::now();
    let models = chosen(scan, asked.group.as_deref())?;
    let (mut pairs, mut missed, mut mutants) = (0, 0, BTreeSet::new());
    let width = models.iter().flat_map(|m| &m.catches).map(String::len).max().unwrap_or(0);
    println!("{:width$}  {:<10}  model, what the mutant does, what caught it", "mutant", "verdict");
    for binary in build(sh, scan, &models)? {
        for model in &binary.models {
            for name in &model.catches {
                let mut command = binary.command(bound(asked));
                command.args(["--include-ignored", "--exact", &model.test, "--nocapture"]).env(BUG, name);
                let verdict = with_limit(&mut command, LIMIT)
                    .with_context(|| format!("running {} with {name}", model.name()))?;
                let (word, by) = match &verdict {
                    Verdict::Caught(by) => ("caught", by.as_str()),
                    Verdict::Passed => ("NOT CAUGHT", "the model passed"),
                    Verdict::Crashed(how) => ("NOT CAUGHT", how.as_str()),
                    Verdict::Hung => ("NOT CAUGHT", "the model did not end"),
                };
                let what = scan.mutants.iter().find(|m| m.name == *name).map_or("", |m| m.what.as_str());
                println!("{name:width$}  {word:<10}  {}", model.name());
                println!("{:width$}  {:<10}    {what}", "", "");
                println!("{:width$}  {:<10}    {by}", "", "");
                pairs += 1;
                missed += usize::from(word != "caught");
                mutants.insert(name.as_str());
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} of {} mutants in {} models, {pairs} pairs, {missed} not caught, {seconds:.0} s",
        mutants.len(),
        scan.mutants.len(),
        models.len()
    );
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `command` for as long as `limit`.
fn with_limit(command: &mut Command, limit: Duration) -> Result<Verdict> {
    let mut child = command
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = child.stderr.take().context("the process has no error output")?;
    let (send, receive) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stderr.read_to_end(&mut bytes);
        // Nobody listens any more if the time has passed.
        let _ = send.send(read.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    let said = receive.recv_timeout(limit);
    if said.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let _ = reader.join();
    let Ok(said) = said else { return Ok(Verdict::Hung) };
    Ok(judge(status.success(), &status.to_string(), &said?))
}

/// Judges by the first panic: what follows it while the model unwinds says nothing.
fn judge(success: bool, status: &str, said: &str) -> Verdict {
    if success {
        return Verdict::Passed;
    }
    let mut lines = said.lines();
    let Some(at) = lines.find_map(|line| line.split_once("panicked at ")).map(|(_, at)| at) else {
        return Verdict::Crashed(format!("{status}, without a panic"));
    };
    let message = lines.next().unwrap_or_default().trim();
    // `assert_eq` puts what it is about behind a colon; loom's messages and our own start with it.
    let by = message.strip_prefix("assertion `left == right` failed: ").unwrap_or(message);
    let model = at.contains("/tests/loom") || at.contains("/src/models/");
    let arithmetic = ["attempt to ", "index out of bounds", "range ", "called `", "capacity overflow"];
    if !model && arithmetic.iter().any(|start| message.starts_with(start)) {
        return Verdict::Crashed(format!("{at} {message}"));
    }
    Verdict::Caught(by.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_and_reports_of_loom_catch_and_crashes_do_not() {
        let by = |said: &str| judge(false, "signal: 6", said);
        let caught = |by: &str| Verdict::Caught(by.to_owned());
        let said = "\nthread 'a' (7) panicked at crates/ring/tests/loom/lock.rs:30:9:\n\
                    assertion `left == right` failed: news was lost\n  left: 1\n";
        assert_eq!(by(said), caught("news was lost"));
        let said = "thread 'a' panicked at x/loom-0.7.2/src/rt/execution.rs:216:13:\ndeadlock; threads = [..]\n\
                    thread 'a' panicked at core/panicking.rs:1:1:\nattempt to subtract with overflow\n";
        assert_eq!(by(said), caught("deadlock; threads = [..]"));
        let said = "thread 'a' panicked at crates/ring/src/ring.rs:9:9:\nindex out of bounds: the len is 4\n";
        assert!(matches!(by(said), Verdict::Crashed(_)));
        assert!(matches!(by("Segmentation fault"), Verdict::Crashed(_)));
        assert_eq!(judge(true, "", said), Verdict::Passed);
    }

    #[test]
    fn a_process_that_does_not_end_is_ended() {
        let mut endless = Command::new("tail");
        endless.args(["-f", "/dev/null"]);
        assert_eq!(with_limit(&mut endless, Duration::from_millis(50)).unwrap(), Verdict::Hung);
        let mut none = Command::new("true");
        assert_eq!(with_limit(&mut none, Duration::from_secs(60)).unwrap(), Verdict::Passed);
    }
}
