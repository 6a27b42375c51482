//! Tests that need a process of their own, which begins as one thread: whatever forks, or dies on purpose.

use crate::watchdog::patience;
use core::time::Duration;
use libtest_mimic::{Arguments, Failed, Trial};
use prewire_os::process::{self, Exit, Pid, PidFd, Process, Signal};
use prewire_os::{Pipe, WaitSet, clock};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// How a process is told that it is one of the cases: this, its name, and the number of the process that waits for it. A
/// part has no number there: it belongs to the case that has started it.
const CASE: &str = "--case";
/// How long the processes that a case has left behind may take to die after it.
const ORPHANS: Duration = Duration::from_secs(10);
/// What is kept of what a case prints.
const OUTPUT: usize = 1 << 20;

/// The main function of a test target with `harness = false`: runs the functions named, each as the only thread of a
/// fresh process; after `parts:`, what they start themselves. Before anything else, what stands after `first:`. See
/// [`Cases`].
///
/// ```
/// fn arithmetic_works() {
///     assert_eq!(2 + 2, 4);
/// }
///
/// mod far {
///     pub(crate) fn programs_can_be_started() {
///         let me = std::env::current_exe().unwrap();
///         assert!(std::process::Command::new(me).args(["--case", "said"]).status().unwrap().success());
///     }
/// }
///
/// fn said() {
///     println!("hello");
/// }
///
/// prewire_test_support::cases! {
///     arithmetic_works,
///     far::programs_can_be_started;
///     parts:
///     said,
/// }
/// ```
#[macro_export]
macro_rules! cases {
    (first: $first:expr; $($case:path),+ $(,)? $(; parts: $($part:path),+ $(,)?)?) => {
        fn main() -> ::std::process::ExitCode {
            $first;
            $crate::Cases::new()
                $(.case(stringify!($case), $case))+
                $($(.part(stringify!($part), $part))+)?
                .run()
        }
    };
    ($($cases:tt)+) => {
        $crate::cases! { first: (); $($cases)+ }
    };
}

/// Test cases, each run as the only thread of a fresh process: this program again, told which of them it is.
///
/// It takes the arguments of the usual test harness: filters, `--list`, `--ignored` and so on. A case fails if it
/// panics, exits with another code than 0, is killed, has not ended in time (then it and what it started is killed), or
/// leaves a process behind that does not die by itself within seconds.
#[derive(Debug, Default)]
#[must_use = "nothing runs before `run`"]
pub struct Cases {
    all: Vec<Case>,
    limit: Option<Duration>,
}

#[derive(Debug)]
struct Case {
    name: &'static str,
    run: fn(),
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Always,
    Ignored,
    Part,
}

impl Cases {
    /// How long a case may take, unless [`limit`](Cases::limit) says otherwise.
    const LIMIT: Duration = Duration::from_secs(60);

    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a case.
    pub fn case(mut self, name: &'static str, run: fn()) -> Self {
        self.all.push(Case { name, run, kind: Kind::Always });
        self
    }

    /// Adds a case that runs only when it is asked for.
    pub fn ignored(mut self, name: &'static str, run: fn()) -> Self {
        self.all.push(Case { name, run, kind: Kind::Ignored });
        self
    }

    /// Adds what cases start in a process of its own: this program with `--case` and `name` for arguments. It is no case
    /// by itself.
    pub fn part(mut self, name: &'static str, run: fn()) -> Self {
        self.all.push(Case { name, run, kind: Kind::Part });
        self
    }

    /// How long each case may take. `PREWIRE_PATIENCE` in the environment makes it that many times longer.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs what the arguments of this process ask for. The answer is for `main` to return.
    #[must_use = "it is the answer of the tests"]
    pub fn run(self) -> ExitCode {
        let mut arguments = std::env::args().skip(1);
        if arguments.next().as_deref() == Some(CASE) {
            let name = arguments.next().unwrap_or_default();
            let parent = arguments.next().and_then(|text| Pid::from_raw(text.parse().ok()?));
            return self.run_here(&name, parent);
        }
        let limit = self.limit.unwrap_or(Self::LIMIT).saturating_mul(patience());
        let trial = |case: &Case| {
            let name = case.name;
            let run = move || run_apart(name, limit).map_err(Failed::from);
            Trial::test(name, run).with_ignored_flag(case.kind == Kind::Ignored)
        };
        let trials = self.all.iter().filter(|case| case.kind != Kind::Part).map(trial).collect();
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    /// Runs the case `name` in this process.
    fn run_here(&self, name: &str, parent: Option<Pid>) -> ExitCode {
        let Some(case) = self.all.iter().find(|case| case.name == name) else {
            eprintln!("{CASE} {name}: there is no such case");
            return ExitCode::FAILURE;
        };
        // A case must not outlive an interrupted test run.
        if let Some(Err(error)) = parent.map(process::die_with_parent) {
            eprintln!("the case cannot be tied to who waits for it: {error}");
            return ExitCode::FAILURE;
        }
        (case.run)();
        ExitCode::SUCCESS
    }
}

/// Runs the case `name` in a process of its own; the error is for people.
fn run_apart(name: &str, limit: Duration) -> Result<(), String> {
    let (ended, output) = watch(name, limit).map_err(|error| format!("{name} cannot be run: {error}"))?;
    match ended {
        Ok(()) => Ok(()),
        Err(what) => Err(format!("{name} {what}\n{}", String::from_utf8_lossy(&output))),
    }
}

/// Starts the case, waits for its end, and says what was wrong with it, next to what it has printed.
fn watch(name: &str, limit: Duration) -> io::Result<(Result<(), String>, Vec<u8>)> {
    const ENDED: u64 = 0;
    const PRINTED: u64 = 1;
    let pipe = Pipe::new()?;
    let print = || Ok::<Stdio, io::Error>(pipe.writer().try_clone_to_owned()?.into());
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CASE, name, &Pid::current().to_string()]).process_group(0);
    let child = command.stdin(Stdio::null()).stdout(print()?).stderr(print()?).spawn()?;
    // It holds copies of the writing end.
    drop(command);
    let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let leader = leader.ok_or_else(|| io::Error::other("a process has a positive number"))?;
    let (set, watched) = (WaitSet::new()?, PidFd::open(leader)?);
    set.add(&watched, ENDED)?;
    set.add(&pipe, PRINTED)?;

    let end = clock::monotonic().saturating_add(limit);
    let (mut ready, mut output) = (Vec::new(), Vec::new());
    let mut hangs = false;
    while !watched.has_exited()? {
        set.wait(Some(end.saturating_sub(clock::monotonic())), &mut ready)?;
        drain(&pipe, &mut output)?;
        if ready.is_empty() {
            hangs = true;
            process::kill_group(leader, Signal::KILL)?;
            break;
        }
    }
    // Its number is its group's too, and free for others once it is reaped: the group is looked at before.
    let left = orphans(leader, ORPHANS.min(limit))?;
    let exit = process::reap(leader)?;
    drain(&pipe, &mut output)?;
    let wrong = if hangs {
        format!("hangs: it has not ended after {limit:?} and was killed")
    } else if exit == Exit::Code(101) {
        "panicked".to_owned()
    } else if !exit.is_success() {
        exit.to_string()
    } else if !left.is_empty() {
        let names: Vec<String> = left.iter().map(|p| format!("{} ({})", p.pid, p.name)).collect();
        format!("left processes behind that had to be killed: {}", names.join(", "))
    } else {
        return Ok((Ok(()), output));
    };
    Ok((Err(wrong), output))
}

/// Takes what the case has printed; keeps so much of it.
fn drain(pipe: &Pipe, output: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    while let Some(count) = pipe.read(&mut bytes)? {
        let room = OUTPUT.saturating_sub(output.len());
        output.extend_from_slice(&bytes[..count.min(room)]);
    }
    Ok(())
}

/// Waits for the end of all others in the group of `leader`, for so long. Those that do not end are killed, and are the answer.
fn orphans(leader: Pid, patience: Duration) -> io::Result<Vec<Process>> {
    let end = clock::monotonic() + patience;
    loop {
        let mut left = process::all()?;
        left.retain(|p| p.group == Some(leader) && p.pid != leader && !p.ended);
        let Some(one) = left.first() else { return Ok(left) };
        let Ok(watched) = PidFd::open(one.pid) else { continue };
        let set = WaitSet::new()?;
        set.add(&watched, 0)?;
        let mut ready = Vec::new();
        set.wait(Some(end.saturating_sub(clock::monotonic())), &mut ready)?;
        if ready.is_empty() {
            process::kill_group(leader, Signal::KILL)?;
            return Ok(left);
        }
    }
}
