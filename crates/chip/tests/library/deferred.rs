//! Tasks that are complete only when counters have been raised: by a kernel, by another thread, by another process.

use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use prewire_chip::{
    Chip, Core, DeferredError, Error, ErrorCode, Kernel, KernelError, Run, StallClass, StallReason,
};
use prewire_os::Segment;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_test_support::{Watchdog, idle_for};

use crate::Case;
use crate::compile::kernel;
use crate::kept::kept;

pub(crate) const CASES: &[Case] = &[
    ("deferred::who_depends_waits_and_the_cores_are_free", who_depends_waits_and_the_cores_are_free),
    ("deferred::another_process_raises_a_counter", another_process_raises_a_counter),
    ("deferred::kernels_raise_counters_for_each_other", kernels_raise_counters_for_each_other),
    ("deferred::all_blocks_of_a_task_are_waited_for", all_blocks_of_a_task_are_waited_for),
    ("deferred::what_cannot_be_waited_for_ends_the_run", what_cannot_be_waited_for_ends_the_run),
    ("deferred::a_run_that_ends_does_not_wait", a_run_that_ends_does_not_wait),
    ("deferred::a_chip_that_is_dropped_does_not_wait", a_chip_that_is_dropped_does_not_wait),
    (UNWATCHED, who_waits_for_the_run_sees_the_counter),
    (
        "deferred::without_a_look_out_who_waits_for_the_run_looks",
        without_a_look_out_who_waits_for_the_run_looks,
    ),
];

const LONG: Duration = Duration::from_secs(60);

/// A test that is run in a process of its own too, in which threads get no stack unless they ask for a size.
const UNWATCHED: &str = "deferred::who_waits_for_the_run_sees_the_counter";
const STACK: &str = "RUST_MIN_STACK";

/// Appends an entry for the counter whose address is the first scalar, which is to reach the second.
const DEFER: &str = "
    volatile entry *e = LOCAL->entries + *LOCAL->count;
    e->addr = args[0]; e->expected = (uint32_t)args[1]; e->engine = 0; e->kind = 0;
    *LOCAL->count += LOCAL->task != UINT64_MAX;";

fn chip() -> Chip {
    Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap()
}

/// A counter that outlives every run, and its address.
fn counter() -> (&'static AtomicU32, u64) {
    let counter = kept(AtomicU32::new(0));
    (counter, counter.as_ptr().expose_provenance() as u64)
}

/// A kernel that counts its runs.
fn counts(chip: &Chip, name: &str) -> (Kernel, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let body = move |_: &mut prewire_chip::KernelCtx<'_>| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    (chip.kernel(name, Core::Aiv, body).unwrap(), runs)
}

/// Waits until a run has nothing left but tasks that wait for counters.
fn until_deferred(run: &Run, tasks: usize) {
    loop {
        let Err(stall) = run.wait_for(Duration::from_millis(1)) else { panic!("{:?}", run.root_cause()) };
        // While it submits there is more to come.
        let submitted = stall.orchestrator.is_some();
        if submitted && stall.class == StallClass::Deferred && stall.deferred.len() == tasks {
            assert!(stall.to_string().contains("waits for counters"), "{stall}");
            return;
        }
    }
}

fn who_depends_waits_and_the_cores_are_free() {
    let _dog = Watchdog::new(LONG);
    // One vector core of the two is enough to run into trouble if it were kept.
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let defer = kernel(&chip, "defer", Core::Aiv, DEFER);
    let ((after, ran_after), (other, ran_other)) = (counts(&chip, "after"), counts(&chip, "other"));
    for (raised, holds) in [(0, false), (1, false), (2, true), (3, true)] {
        let (counter, addr) = counter();
        counter.store(raised, Ordering::Release);
        let before = (ran_after.load(Ordering::Relaxed), ran_other.load(Ordering::Relaxed));
        let (defer, after, other) = (defer.clone(), after.clone(), other.clone());
        let run = chip
            .launch(move |orch| {
                let first = orch.submit(&defer).scalar(addr).scalar(2u64).go()?;
                orch.submit(&after).after(&first).go()?;
                for _ in 0..4 {
                    orch.submit(&other).go()?;
                }
                Ok(())
            })
            .unwrap();
        if !holds {
            until_deferred(&run, 1);
            assert_eq!(ran_after.load(Ordering::Relaxed), before.0, "its counter is at {raised} of 2");
            assert_eq!(ran_other.load(Ordering::Relaxed), before.1 + 4, "nothing orders these");
            let waiting = idle_for(Duration::from_millis(200));
            assert!(waiting.processors() < 0.2, "to wait for a counter took {waiting:?}");
            counter.store(2, Ordering::Release);
        }
        assert_eq!(run.wait().unwrap().tasks, 6);
        assert_eq!(ran_after.load(Ordering::Relaxed), before.0 + 1);
    }
    let idle = idle_for(Duration::from_millis(200));
    assert!(idle.processors() < 0.02, "nothing waits any more: {idle:?}");
}

/// The process is a fork that the kernel makes: it tells nobody here when it raises the counter.
fn another_process_raises_a_counter() {
    let _dog = Watchdog::new(LONG);
    let chip = chip();
    let body = format!(
        "volatile uint32_t *words = (volatile uint32_t *)(uintptr_t)args[0];
         extern int fork(void); extern void _exit(int); extern int usleep(unsigned);
         if (fork() == 0) {{
             while (__atomic_load_n(words + 1, __ATOMIC_ACQUIRE) == 0) usleep(200);
             words[2] = 77;
             arrive(words);
             _exit(0);
         }}
         {DEFER}"
    );
    let forks = kernel(&chip, "forks", Core::Aiv, &body);
    let reads = kernel(&chip, "reads", Core::Aiv, "WORDS(0)[0] = ((uint32_t *)(uintptr_t)args[1])[2];");
    let shared = Segment::new("counter", 4096).unwrap();
    let addr = shared.as_ptr().expose_provenance() as u64;
    let words: Vec<&AtomicU32> = (0..2)
        .map(|at| {
            // SAFETY: inside the segment, which lives to the end of the test; both processes use it atomically.
            unsafe { AtomicU32::from_ptr(shared.as_ptr().cast::<u32>().wrapping_add(at)) }
        })
        .collect();
    let out = chip.zeros::<u32>(&[1]).unwrap();
    let (tensor, pages) = (out.tensor(), shared.len());
    assert_eq!(pages, 4096);
    let run = chip
        .launch(move |orch| {
            let first = orch.submit(&forks).scalar(addr).scalar(1u64).go()?;
            orch.submit(&reads).output_into(&tensor).scalar(addr).after(&first).go().map(drop)
        })
        .unwrap();
    until_deferred(&run, 1);
    assert_eq!(words[0].load(Ordering::Acquire), 0);
    words[1].store(1, Ordering::Release);
    run.wait().unwrap();
    assert_eq!(chip.read::<u32>(&out).unwrap(), [77]);
}

fn kernels_raise_counters_for_each_other() {
    let _dog = Watchdog::new(LONG);
    for seed in [None, Some(5)] {
        let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(2);
        let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
        let defer = kernel(&chip, "defer", Core::Aiv, DEFER);
        let raise = kernel(&chip, "raise", Core::Aic, "arrive((volatile uint32_t *)(uintptr_t)args[0]);");
        let (after, ran) = counts(&chip, "after");
        let (_, addr) = counter();
        chip.run(|orch| {
            // 50 tasks wait at the same time, each for a value of its own, and each has one that depends on it.
            for value in 1..=50u64 {
                let first = orch.submit(&defer).scalar(addr).scalar(value).go()?;
                orch.submit(&after).after(&first).go()?;
            }
            for _ in 0..50 {
                orch.submit(&raise).scalar(addr).go()?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 50);
    }
}

fn all_blocks_of_a_task_are_waited_for() {
    let _dog = Watchdog::new(LONG);
    let chip = chip();
    let body = "
        volatile entry *e = LOCAL->entries;
        e[0].addr = args[0] + 4 * LOCAL->block; e[0].expected = 1; e[0].kind = 0;
        e[1].addr = args[1]; e[1].cookie = 1ull << 33; e[1].kind = 1;
        *LOCAL->count = LOCAL->capacity == 64 ? 2 : 99;";
    let defer = kernel(&chip, "defer", Core::Aiv, body);
    let (after, ran) = counts(&chip, "after");
    let counters = kept([const { AtomicU32::new(0) }; 16]);
    let event = kept(AtomicU64::new(0));
    let addr = counters[0].as_ptr().expose_provenance() as u64;
    let events = event.as_ptr().expose_provenance() as u64;
    let run = chip
        .launch(move |orch| {
            let first = orch.submit(&defer).scalar(addr).scalar(events).blocks(16).go()?;
            orch.submit(&after).after(&first).go().map(drop)
        })
        .unwrap();
    until_deferred(&run, 1);
    for counter in counters {
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        counter.store(1, Ordering::Release);
    }
    event.store((1 << 33) - 1, Ordering::Release);
    until_deferred(&run, 1);
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    event.store(1 << 33, Ordering::Release);
    run.wait().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

fn what_cannot_be_waited_for_ends_the_run() {
    let _dog = Watchdog::new(LONG);
    let chip = chip();
    let (after, ran) = counts(&chip, "after");
    let (_, addr) = counter();
    let failure = |name: &str, body: &str, blocks: u32, tasks: u32| {
        let bad = kernel(&chip, name, Core::Aiv, body);
        let error = chip
            .run(|orch| {
                for _ in 0..tasks {
                    let task = orch.submit(&bad).scalar(addr).scalar(1u64).blocks(blocks).go()?;
                    orch.submit(&after).after(&task).go()?;
                }
                Ok(())
            })
            .unwrap_err();
        let code = error.code();
        match error {
            Error::Task(failure) => match failure.error {
                KernelError::Deferred(error) => (code, error),
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        }
    };
    let invalid = Some(ErrorCode::AsyncCompletionInvalid);
    let overflow = Some(ErrorCode::AsyncWaitOverflow);
    let malformed = Some(ErrorCode::AsyncRegistrationFailed);
    let none = "LOCAL->entries[0].addr = 0; LOCAL->entries[0].kind = 0; *LOCAL->count = 1;";
    assert_eq!(failure("none", none, 1, 1), (invalid, DeferredError::Counter { entry: 0, addr: 0, size: 4 }));
    let kind = format!("{DEFER} e->kind = 7;");
    assert_eq!(failure("kind", &kind, 1, 1), (invalid, DeferredError::Kind { entry: 0, kind: 7 }));
    assert_eq!(
        failure("told", "*LOCAL->error = 101;", 1, 1),
        (invalid, DeferredError::Reported { code: 101 })
    );
    let full = "for (int i = 0; i < 65; i++) {
            if (*LOCAL->count == LOCAL->capacity) { *LOCAL->error = 102; return; }
            volatile entry *e = LOCAL->entries + *LOCAL->count;
            e->addr = args[0]; e->expected = 1; e->kind = 0; *LOCAL->count += 1;
        }";
    assert_eq!(failure("full", full, 1, 1), (overflow, DeferredError::Reported { code: 102 }));
    assert_eq!(failure("tasks", DEFER, 1, 65), (overflow, DeferredError::Tasks { allowed: 64 }));
    let count = format!("{DEFER} *LOCAL->count = 65;");
    assert_eq!(failure("count", &count, 1, 1), (malformed, DeferredError::Count { count: 65, allowed: 64 }));
    let many = DEFER.repeat(5).replace("volatile entry *e =", "e =");
    let (code, error) = failure("many", &format!("volatile entry *e; {many}"), 13, 1);
    assert_eq!((code, error), (malformed, DeferredError::Conditions { count: 65, allowed: 64 }));
    assert_eq!(ran.load(Ordering::Relaxed), 0, "nothing that depends on them ran");
    let defer = kernel(&chip, "in order", Core::Aiv, DEFER);
    chip.run(|orch| orch.submit(&defer).scalar(addr).scalar(0u64).go().map(drop)).unwrap();
}

fn a_run_that_ends_does_not_wait() {
    let _dog = Watchdog::new(LONG);
    let chip = chip();
    let defer = kernel(&chip, "defer", Core::Aiv, DEFER);
    let (after, ran) = counts(&chip, "after");
    let (_, addr) = counter();
    let begin = |tasks: u64, deadline: Option<Duration>| {
        let (defer, after) = (defer.clone(), after.clone());
        chip.launch(move |orch| {
            deadline.into_iter().for_each(|allowed| orch.deadline(allowed));
            for _ in 0..tasks {
                let first = orch.submit(&defer).scalar(addr).scalar(1u64).go()?;
                orch.submit(&after).after(&first).go()?;
            }
            Ok(())
        })
        .unwrap()
    };
    let run = begin(20, None);
    until_deferred(&run, 20);
    run.cancel();
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    let allowed = Duration::from_millis(50);
    match begin(3, Some(allowed)).wait() {
        Err(Error::Stalled(report)) => assert_eq!(report.reason, StallReason::Deadline(allowed)),
        other => panic!("{other:?}"),
    }
    // A failure of another task is no end: what waits is waited for.
    let (counter, addr) = counter();
    let bad = chip.kernel("bad", Core::Aiv, |_| Err(KernelError::new("it is bad"))).unwrap();
    let ok = defer.clone();
    let (told, hear) = mpsc::channel();
    let raiser = thread::spawn(move || {
        hear.recv().unwrap();
        counter.store(1, Ordering::Release);
    });
    let run = chip
        .launch(move |orch| {
            orch.submit(&bad).go()?;
            orch.submit(&ok).scalar(addr).scalar(1u64).go().map(drop)
        })
        .unwrap();
    until_deferred(&run, 1);
    told.send(()).unwrap();
    assert!(matches!(run.wait(), Err(Error::Task(_))));
    raiser.join().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    counter.store(1, Ordering::Release);
    chip.run(|orch| orch.submit(&defer).scalar(addr).scalar(1u64).go().map(drop)).unwrap();
}

fn a_chip_that_is_dropped_does_not_wait() {
    let _dog = Watchdog::new(LONG);
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let (_, addr) = counter();
    let run = {
        let chip = chip();
        let defer = kernel(&chip, "defer", Core::Aiv, DEFER);
        let run =
            chip.launch(move |orch| orch.submit(&defer).scalar(addr).scalar(1u64).go().map(drop)).unwrap();
        until_deferred(&run, 1);
        run
    };
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    while threads() > before {
        // A thread that was joined may still be listed for a moment.
        thread::yield_now();
    }
}

/// Nothing but the counter is left when it is raised, and nobody is told. The run has a deadline: a look too few is an
/// error, not a hang.
fn who_waits_for_the_run_sees_the_counter() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let defer = kernel(&chip, "defer", Core::Aiv, DEFER);
    let (after, ran) = counts(&chip, "after");
    for _ in 0..3 {
        let (counter, addr) = counter();
        let (defer, after) = (defer.clone(), after.clone());
        let run = chip
            .launch(move |orch| {
                orch.deadline(Duration::from_secs(20));
                let first = orch.submit(&defer).scalar(addr).scalar(1u64).go()?;
                orch.submit(&after).after(&first).go().map(drop)
            })
            .unwrap();
        until_deferred(&run, 1);
        counter.store(1, Ordering::Release);
        run.wait().unwrap();
    }
    assert_eq!(ran.load(Ordering::Relaxed), 3);
    // Whoever saw the counters is there until the chip is dropped.
    let names = std::fs::read_dir("/proc/self/task").unwrap().map(|task| {
        // A thread may end while they are listed.
        std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
    });
    let watched = names.into_iter().any(|name| name.starts_with("prewire-lookout"));
    assert_eq!(watched, std::env::var_os(STACK).is_none(), "no stack, no thread");
}

fn without_a_look_out_who_waits_for_the_run_looks() {
    let _dog = Watchdog::new(LONG);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", UNWATCHED])
        // More than a process can address.
        .env(STACK, (1u64 << 47).to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}
