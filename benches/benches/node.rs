//! A node with children in processes: round trips, throughput, start and close, and what it costs idle. Beside each, in the
//! same run, the raw limits of the machine: how fast two processes hand a cache line, or a wake-up, back and forth.
//!
//! A round trip is too rare and too scattered for a mean: median and 99th percentile are printed. A name on the command
//! line chooses; `--quick` takes a tenth of the samples.

use std::time::{Duration, Instant};

use prewire::chip::{Chip, Core};
use prewire::worker::{Args, Callable, Worker};
use prewire_os::Beacons;
use prewire_os::process::{self, Fork, PidFd, Signal};

/// What was measured, the least first.
struct Row {
    name: &'static str,
    samples: Vec<f64>,
}

impl Row {
    fn at(&self, part: f64) -> f64 {
        self.samples[((self.samples.len() - 1) as f64 * part) as usize]
    }
}

/// Runs what was chosen, and prints it.
struct Bench {
    only: Option<String>,
    scale: usize,
    rows: Vec<Row>,
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Adds a row. What is to stay below its budget, or above it for a rate, at the median; the row beside hogs, and what
    /// happens once, at the 99th percentile.
    fn add(&mut self, name: &'static str, unit: &'static str, budget: Option<f64>, mut samples: Vec<f64>) {
        samples.sort_unstable_by(f64::total_cmp);
        let row = Row { name, samples };
        let budget = budget.map(|budget| format!("{budget:>10.2}")).unwrap_or_else(|| " ".repeat(10));
        println!("{name:<44} {:>10.2} {:>10.2} {budget}  {unit}", row.at(0.5), row.at(0.99));
        self.rows.push(row);
    }

    /// Row `name` at a part of its samples, 0 if it was not measured.
    fn past(&self, name: &str, part: f64) -> f64 {
        self.rows.iter().find(|row| row.name == name).map_or(0.0, |row| row.at(part))
    }
}

/// Nobody raises it: who waits for it waits for the time to pass, parked, as one does who has nothing to do.
struct Pause(Beacons, Option<Duration>);

impl Pause {
    fn new(length: Option<Duration>) -> Self {
        Self(Beacons::new(1).expect("there is memory"), length)
    }

    fn take(&self) {
        if self.1.is_some() {
            let _ = self.0.get(0).wait(1, self.1);
        }
    }
}

/// Long enough for everybody to park, and for processors to fall asleep.
const PAUSE: Option<Duration> = Some(Duration::from_micros(300));

/// What one call takes, again and again, in microseconds; a pause before each.
fn times(n: usize, pause: &Pause, mut call: impl FnMut()) -> Vec<f64> {
    (0..n)
        .map(|_| {
            pause.take();
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect()
}

/// Hands something to a forked process and back, spinning or parked. `apart`: on two processors, whatever the kernel would
/// like better.
fn raw(n: usize, parked: bool, apart: bool) -> Vec<f64> {
    let beacons = Beacons::new(2).expect("there is memory");
    let (there, back) = (beacons.get(0), beacons.get(1));
    let pid = match process::fork().expect("no other thread runs") {
        Fork::Child => {
            if apart {
                process::run_on(1).expect("it is placed");
            }
            for count in 1.. {
                if parked {
                    assert!(there.wait(count, None))
                } else {
                    there.spin(count)
                }
                back.raise();
            }
            process::exit_now(0);
        }
        Fork::Parent(pid) => pid,
    };
    let mut count = 0;
    let pause = Pause::new(if parked { PAUSE } else { None });
    // On a thread that is over afterwards: what is forked later is placed as this process is.
    let samples = std::thread::scope(|scope| {
        let parent = scope.spawn(|| {
            if apart {
                process::run_on(0).expect("it is placed");
            }
            times(n, &pause, || {
                count += 1;
                there.raise();
                if parked { assert!(back.wait(count, None)) } else { back.spin(count) }
            })
        });
        parent.join().expect("it measures")
    });
    PidFd::open(pid).and_then(|child| child.kill(Signal::KILL)).expect("it is there");
    let _ = process::reap(pid);
    samples
}

fn empty() -> Callable {
    Callable::host_function("empty", |_| Ok(()))
}

/// Round trips of an empty SUB task inside one run, and the last one until it is over.
fn round_trips(n: usize, pause: Option<Duration>) -> Vec<f64> {
    let (empty, pause) = (empty(), Pause::new(pause));
    let node = Worker::node().subs(1).callable(&empty).start().expect("the node starts");
    let x = node.zeros::<u32>(&[1]).expect("there is memory");
    let mut samples = Vec::with_capacity(n);
    node.run(|orch| {
        for _ in 0..n {
            pause.take();
            let start = Instant::now();
            orch.submit(&empty).inout(&x).go()?;
            // Waits for the task.
            orch.read::<u32>(&x, &[0])?;
            samples.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(())
    })
    .expect("the run succeeds");
    node.close().expect("the node closes");
    samples
}

fn throughput(n: usize, runs: usize) -> Vec<f64> {
    let empty = empty();
    let node = Worker::node().subs(2).callable(&empty).start().expect("the node starts");
    let samples = (0..runs)
        .map(|_| {
            let start = Instant::now();
            node.run(|orch| {
                for _ in 0..n {
                    orch.submit(&empty).go()?;
                }
                Ok(())
            })
            .expect("the run succeeds");
            n as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    node.close().expect("the node closes");
    samples
}

/// What the submit of an empty SUB task takes more than that of a dummy task with the same argument: the task is scheduled
/// and posted to a child that looks, the dummy completes and goes nowhere. Each is waited for before the next.
fn dispatch(n: usize) -> Vec<f64> {
    let empty = empty();
    let node = Worker::node().subs(1).callable(&empty).start().expect("the node starts");
    let x = node.zeros::<u32>(&[1]).expect("there is memory");
    let mut samples = [Vec::with_capacity(n), Vec::with_capacity(n)];
    node.run(|orch| {
        for at in 0..2 * n {
            let start = Instant::now();
            let submit = if at % 2 == 0 { orch.submit(&empty) } else { orch.dummy() };
            submit.inout(&x).go()?;
            samples[at % 2].push(start.elapsed().as_secs_f64() * 1e6);
            orch.read::<u32>(&x, &[0])?;
        }
        Ok(())
    })
    .expect("the run succeeds");
    node.close().expect("the node closes");
    let [mut real, mut dummy] = samples;
    dummy.sort_unstable_by(f64::total_cmp);
    real.iter_mut().for_each(|time| *time -= dummy[n / 2]);
    real
}

fn chip_round_trips(n: usize) -> Vec<f64> {
    let nop = Callable::chip_program("nop", |chip: &Chip| {
        let nop = chip.kernel("nop", Core::Aiv, |_| Ok(()))?;
        Ok(move |orch: &mut prewire::chip::Orch<'_>, _: &Args<'_>| orch.submit(&nop).go().map(drop))
    });
    let chip = prewire::platform("a2a3sim").expect("it is a platform");
    let node = Worker::node().chips(1, chip).callable(&nop).start().expect("the node starts");
    let mut samples = Vec::with_capacity(n);
    for _ in 0..n {
        let start = Instant::now();
        node.run(|orch| orch.submit(&nop).to("chip0").go().map(drop)).expect("the run succeeds");
        samples.push(start.elapsed().as_secs_f64() * 1e6);
    }
    node.close().expect("the node closes");
    samples
}

/// Milliseconds to start and to close a node with four chips.
fn start_and_close(n: usize) -> (Vec<f64>, Vec<f64>) {
    (0..n)
        .map(|_| {
            let chip = prewire::platform("a2a3sim").expect("it is a platform");
            let start = Instant::now();
            let node = Worker::node().chips(4, chip).start().expect("the node starts");
            let started = start.elapsed().as_secs_f64() * 1e3;
            let start = Instant::now();
            node.close().expect("the node closes");
            (started, start.elapsed().as_secs_f64() * 1e3)
        })
        .unzip()
}

/// Milliseconds from the submit of a task that kills its child until its run has failed, and from there until the
/// replacement has run another one.
fn deaths(n: usize) -> (Vec<f64>, Vec<f64>) {
    let (empty, dies) = (
        empty(),
        Callable::host_function("dies", |_| {
            let _ = process::kill_self(Signal::KILL);
            Ok(())
        }),
    );
    let node = Worker::node().subs(1).callable(&empty).callable(&dies).start().expect("the node starts");
    let times = (0..n).map(|_| {
        let start = Instant::now();
        node.run(|orch| orch.submit(&dies).go().map(drop)).expect_err("its child dies");
        let told = start.elapsed().as_secs_f64() * 1e3;
        node.run(|orch| orch.submit(&empty).go().map(drop)).expect("the next run is clean");
        (told, start.elapsed().as_secs_f64() * 1e3 - told)
    });
    let times = times.unzip();
    node.close().expect("the node closes");
    times
}

/// Milliseconds of processor time that the children of a node with 16 chips and 16 SUBs use in five idle seconds, in ticks
/// of the kernel.
fn idle() -> f64 {
    let chip = prewire::platform("a2a3sim").expect("it is a platform");
    let node = Worker::node().chips(16, chip).subs(16).start().expect("the node starts");
    let tree = || -> Duration {
        let below = process::descendants().expect("the processes are listed");
        below.iter().map(|process| process.cpu).sum()
    };
    // What the start has left to do.
    Pause::new(Some(Duration::from_secs(1))).take();
    let before = tree();
    Pause::new(Some(Duration::from_secs(5))).take();
    let used = tree().saturating_sub(before);
    node.close().expect("the node closes");
    used.as_secs_f64() * 1e3
}

/// Runs `body` while two processes use all the processor time that they can get.
fn beside_hogs<T>(body: impl FnOnce() -> T) -> T {
    let hogs: Vec<_> = (0..2)
        .map(|_| match process::fork().expect("no other thread runs") {
            Fork::Child => loop {
                std::hint::spin_loop();
            },
            Fork::Parent(pid) => pid,
        })
        .collect();
    let result = body();
    for hog in hogs {
        let _ = PidFd::open(hog).and_then(|hog| hog.kill(Signal::KILL));
        let _ = process::reap(hog);
    }
    result
}

fn main() {
    let (bench, args): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg == "--bench");
    if bench.is_empty() {
        return println!(
            "nothing is measured without --bench: use `cargo bench --package prewire-benches --bench node`"
        );
    }
    let scale = if args.iter().any(|arg| arg == "--quick") { 10 } else { 1 };
    let only = args.into_iter().find(|arg| !arg.starts_with("--"));
    let mut bench = Bench { only, scale, rows: Vec::new() };
    let n = |all: usize| (all / bench.scale).max(3);
    let (many, some, few) = (n(200_000), n(3_000), n(30));
    println!("{:<44} {:>10} {:>10} {:>10}", "", "p50", "p99", "budget");
    bench.add("raw: a cache line there and back", "us", None, raw(many, false, true));
    bench.add("raw: a futex pair", "us", None, raw(some, true, false));
    bench.add("raw: a futex pair on two processors", "us", None, raw(some, true, true));
    let pair = bench.past("raw: a futex pair on two processors", 0.5);
    if bench.wants("round") {
        bench.add("round trip of an empty SUB task, hot", "us", Some(1.5), round_trips(many, None));
        bench.add(
            "round trip of an empty SUB task, parked",
            "us",
            Some(1.3 * pair),
            round_trips(some, PAUSE),
        );
        let quiet = bench.past("round trip of an empty SUB task, parked", 0.99);
        let loaded = beside_hogs(|| round_trips(some, PAUSE));
        bench.add("the same beside two hogs", "us", Some(3.0 * quiet), loaded);
    }
    if bench.wants("throughput") {
        bench.add("empty SUB tasks, two children", "M/s", Some(0.3), throughput(many, few));
    }
    if bench.wants("dispatch") {
        bench.add("dispatch of a task in the parent", "us", Some(0.5), dispatch(many));
    }
    if bench.wants("chip") {
        bench.add("run of an empty chip task", "us", Some(100.0), chip_round_trips(some));
    }
    if bench.wants("start") {
        let (start, close) = start_and_close(few);
        bench.add("start of a node with 4 chips", "ms", Some(15.0), start);
        bench.add("close of it", "ms", Some(20.0), close);
    }
    if bench.wants("death") {
        let (told, replaced) = deaths(few);
        bench.add("death of a child until its run has failed", "ms", Some(100.0), told);
        bench.add("from there until its replacement has run one", "ms", None, replaced);
    }
    if bench.wants("idle") {
        bench.add("16 chips and 16 SUBs, 5 s idle: processor time", "ms", Some(0.0), vec![idle()]);
    }
}
