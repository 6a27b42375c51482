//! Programs drawn from a seed, on threads that shuttle schedules from the same seed.
//!
//! The environment chooses: `PREWIRE_SHUTTLE_SEED` the first seed, `PREWIRE_SHUTTLE_ITERATIONS` how many programs, and
//! `PREWIRE_SHUTTLE_SCHEDULE` one schedule of the first program, as shuttle prints it. `cargo xtask shuttle` sets them.
#![cfg(prewire_shuttle)]

mod cores;
mod dice;
mod draw;
mod drive;
mod ledger;
mod machine;
mod program;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::ledger::Tally;
use crate::program::Program;

/// Schedules of a program that are drawn without a plan; and those that change between threads rarely, which finds what
/// needs long stretches of one thread.
const EACH: usize = 3;
/// So many programs have some of everything in them.
const ENOUGH: u64 = 100;

/// The number in a variable of the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    let Ok(text) = env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, not a number"))
}

/// Prints a program, a task and an operation a line.
fn print(seed: u64, program: &Program) {
    let Program { clusters, slabs, edges, .. } = program;
    eprintln!("program {seed}: {clusters} clusters, {slabs} outputs a heap, {edges} edges a task");
    for (number, task) in program.tasks.iter().enumerate() {
        eprintln!("  task {number}: {task:?}");
    }
    for (number, run) in program.runs.iter().enumerate() {
        run.ops.iter().for_each(|op| eprintln!("  run {number}: {op:?}"));
    }
}

/// Executes the program of `seed` as `scheduler` says: what happened.
fn explore(seed: u64, scheduler: impl Scheduler + 'static) -> Tally {
    let program = Arc::new(draw::draw(seed));
    let sum = Arc::new(Mutex::new(Tally::default()));
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.silence_warnings = true;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    let runner = Runner::new(scheduler, config);
    let (shared, total) = (Arc::clone(&program), Arc::clone(&sum));
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runner.run(move || {
            let tally = drive::execute(&shared);
            total.lock().unwrap().add(&tally);
        })
    }));
    if let Err(panic) = ended {
        print(seed, &program);
        eprintln!("`cargo xtask shuttle --seed {seed}` runs this program through the same schedules again;");
        eprintln!("with `--schedule` and the schedule printed above it runs through that one alone");
        resume_unwind(panic);
    }
    *sum.lock().unwrap()
}

/// On every schedule: a task starts after all that it waits for, held back ones let go, runs once and whole or is skipped
/// where it must be, and reads what was written for it; a cohort starts whole; nobody waits for ever; and at the end the rings are empty.
#[test]
fn small_programs_run_as_written_on_every_schedule() {
    let first = number("PREWIRE_SHUTTLE_SEED", 0);
    if let Ok(schedule) = env::var("PREWIRE_SHUTTLE_SCHEDULE") {
        let tally = explore(first, ReplayScheduler::new_from_encoded(schedule.trim()));
        println!("shuttle: program {first}, one schedule: {tally:?}");
        return;
    }
    let programs = number("PREWIRE_SHUTTLE_ITERATIONS", ENOUGH);
    let mut sum = Tally::default();
    for seed in first..first.wrapping_add(programs) {
        sum.add(&explore(seed, RandomScheduler::new_from_seed(seed, EACH)));
        let depth = 1 + (seed % 5) as usize;
        sum.add(&explore(seed, PctScheduler::new_from_seed(seed, depth, EACH)));
    }
    println!("shuttle: programs {first} to {}: {sum:?}", first.wrapping_add(programs).wrapping_sub(1));
    assert_eq!(sum.executions, programs * 2 * EACH as u64, "executions");
    if programs >= ENOUGH {
        assert!(sum.all().iter().all(|&n| n > 0), "something is never drawn: {sum:?}");
    }
}
