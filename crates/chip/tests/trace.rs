//! Traces: the same program, chip and seed give the same bytes, in one process and in two; and a trace says what
//! happened in the order in which it happened.
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use common::dog;
use prewire_chip::{
    Chip, Core, DataType, Ending, Error, KernelError, Mix, Orch, PredicateOp, Result, RingSizes, TaskId,
    Trace, What,
};

/// Where a copy of this process that was started for its trace writes it.
const WRITE_TO: &str = "PREWIRE_TEST_TRACE";

/// Rings in which most submits wait, for every kind of room.
fn tight() -> RingSizes {
    RingSizes::default().with_window(8).with_heap(4096).with_deps(32).with_tensor_map(64)
}

/// A chip, kernels on it, and a program that has everything in it that a run can have. Run `runs` times; the traces.
fn traces(seed: Option<u64>, runs: usize, rings: RingSizes, buffers_before: usize) -> Vec<Trace> {
    let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(5).domains(3).rings(rings).trace(true);
    let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
    // So that the buffers of the program are elsewhere.
    let _others: Vec<_> = (0..buffers_before).map(|i| chip.zeros::<i32>(&[1 << (i % 16)]).unwrap()).collect();
    let step = chip.kernel("step", Core::Aiv, |k| {
        let add = k.scalar::<i32>(0)?;
        k.output::<i32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x = x.wrapping_mul(3).wrapping_add(add));
        Ok(())
    });
    let join = chip.kernel("join", Core::Aic, |k| {
        let from = k.input::<i32>(0)?.to_vec();
        k.output::<i32>(1)?.as_mut_slice()?.iter_mut().zip(&from).for_each(|(to, from)| *to ^= from);
        Ok(())
    });
    let fill = chip.kernel("fill", Core::Aiv, |k| k.output::<i32>(0).map(|mut to| to.fill(7)));
    let meet = chip.kernel("meet", Core::Aiv, |k| k.cohort_barrier());
    let cube = chip.kernel("cube", Core::Aic, |k| k.cluster_barrier()).unwrap();
    let vector = chip.kernel("vector", Core::Aiv, |k| k.cluster_barrier()).unwrap();
    let mix = chip.mix("mix", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) });
    let (step, join, fill, meet, mix) =
        (step.unwrap(), join.unwrap(), fill.unwrap(), meet.unwrap(), mix.unwrap());
    let x = chip.zeros::<i32>(&[6, 8]).unwrap();
    let program = |orch: &mut Orch<'_>| -> Result<()> {
        for round in 0..6 {
            for i in 0..6 {
                orch.submit(&step).inout(&x.slice(0, i..i + 1)?).scalar(round).go()?;
            }
            for _ in 0..2 {
                orch.scope(|orch| {
                    let made = orch.submit(&fill).output(&[8], DataType::I32).go()?;
                    let free = orch.alloc(&[300], DataType::I32)?;
                    orch.submit(&fill).output_into(&free).go()?;
                    let row = x.view(&[round as u32 % 6, 0], &[1, 8])?.reshape(&[8])?;
                    orch.submit(&join).input(&made).inout(&row).go()?;
                    let last = orch.dummy().input(&x).go()?;
                    orch.submit(&step).inout(&x.slice(0, 1..3)?).scalar(1i32).after(&last).go().map(drop)
                })?;
            }
            orch.submit(&meet).input(&x).blocks(7).sync_start().go()?;
            orch.submit(&mix).inout(&x).blocks(4).go()?;
            let one = x.slice(0, 0..1)?;
            orch.submit(&step)
                .inout(&one)
                .scalar(1i32)
                .predicate(&x, &[5, 5], PredicateOp::Gt, i64::from(i32::MAX))
                .go()?;
            if round % 3 == 1 {
                let seen: i32 = orch.read(&x, &[3, 3])?;
                orch.write(&x, &[3, 4], seen)?;
            }
        }
        orch.manual_scope(|orch| orch.submit(&step).inout(&x).scalar(2i32).go().map(drop))
    };
    (0..runs)
        .map(|_| {
            let report = chip.run(program).unwrap_or_else(|error| panic!("seed {seed:?}: {error}"));
            let trace = chip.take_trace().expect("the chip records");
            assert!(chip.take_trace().is_none());
            let begun = trace.events().iter().filter(|event| matches!(event.what, What::Began(_))).count();
            assert_eq!(begun as u64, report.executed);
            trace
        })
        .collect()
}

/// Says where two texts differ first.
#[track_caller]
fn same(one: &str, other: &str, what: &str) {
    if one != other {
        let pair = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
        panic!("{what}: {pair:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_every_process() {
    let _dog = dog();
    let texts = |seed| {
        let all = traces(Some(seed), 3, tight(), 0);
        all.iter().map(Trace::to_string).collect::<Vec<_>>()
    };
    let text = [1, 2, 99].map(|seed| texts(seed).remove(0)).concat();
    if let Some(path) = std::env::var_os(WRITE_TO) {
        std::fs::write(path, text).unwrap();
        return;
    }
    // The later runs of a chip are as the first one, and so is a chip whose buffers are elsewhere.
    let runs = texts(1);
    runs.iter().for_each(|run| same(run, &runs[0], "the runs of one chip differ"));
    let moved = traces(Some(1), 1, tight(), 40).remove(0).to_string();
    same(&moved, &runs[0], "it depends on where the buffers are");
    assert_ne!(texts(2)[0].lines().skip(1).collect::<Vec<_>>(), runs[0].lines().skip(1).collect::<Vec<_>>());

    let folder = std::env::temp_dir().join(format!("prewire-trace-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for copy in 0..3 {
        let path = folder.join(copy.to_string());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["the_same_seed_gives_the_same_bytes_in_every_process", "--exact", "--test-threads=1"])
            .env(WRITE_TO, &path)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        let other = std::fs::read_to_string(&path).unwrap();
        same(&other, &text, "another process gives another trace");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    // Nothing that differs by chance is in it: no address is that short, no number of this process.
    for (at, line) in text.lines().enumerate() {
        assert!(!line.contains("0x") && line.len() < 300, "line {at}: {line}");
    }
    let written = traces(Some(1), 1, tight(), 0).remove(0);
    let mut bytes = Vec::new();
    written.write_to(&mut bytes).unwrap();
    assert_eq!(bytes, runs[0].as_bytes());
    let waits = ["slots", "heap bytes", "an element that", "every task"];
    for what in waits {
        assert!(
            text.lines().any(|line| line.contains(" wait for ") && line.contains(what)),
            "no wait for {what}"
        );
    }
}

#[test]
fn seeds_give_orders_of_their_own() {
    let _dog = dog();
    let mut all: Vec<String> = (0..8)
        .map(|seed| {
            let text = traces(Some(seed), 1, RingSizes::default(), 0).remove(0).to_string();
            text.lines().skip(1).map(|line| format!("{line}\n")).collect()
        })
        .collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8, "two seeds gave the same trace");
}

/// What comes first does: checked of every event against those before it.
fn is_in_order(trace: &Trace) {
    let mut producers: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let (mut running, mut completed) = (BTreeSet::new(), BTreeSet::new());
    let (mut ended, mut failed) = (BTreeMap::<TaskId, u32>::new(), BTreeSet::new());
    let (mut time, mut depth) = (0, 1);
    for event in trace.events() {
        assert!(event.time >= time, "{event} is before {time}");
        time = event.time;
        match &event.what {
            What::Submitted { task, producers: of, kernel, site, blocks, .. } => {
                assert!(of.iter().all(|(id, _)| producers.contains_key(id)), "{event}: an unknown producer");
                assert!(site.is_some_and(|site| site.file() == file!()) && *blocks > 0, "{event}");
                assert!(kernel.as_ref().is_none_or(|name| !name.is_empty()));
                let waits = of.iter().filter(|(_, kind)| kind.waits()).map(|(id, _)| *id);
                assert!(producers.insert(*task, waits.collect()).is_none(), "{event}: twice");
            }
            What::Allocated { task, .. } => {
                assert!(producers.insert(*task, Vec::new()).is_none(), "{event}: twice");
                completed.insert(*task);
            }
            What::Began(sub) => {
                assert!(running.insert((sub.core, sub.task, sub.block)), "{event}");
                assert!(
                    !running.iter().any(|r| r.0 == sub.core && r.1 != sub.task),
                    "{event}: the core is busy"
                );
                let waits = &producers[&sub.task];
                assert!(waits.iter().all(|id| completed.contains(id)), "{event}: before its producers");
                assert!(!completed.contains(&sub.task), "{event}: after its completion");
            }
            What::Ended(sub) => {
                assert!(running.remove(&(sub.core, sub.task, sub.block)), "{event}: did not begin");
                *ended.entry(sub.task).or_default() += 1;
            }
            What::Failed { task, .. } => drop(failed.insert(*task)),
            What::Completed { task, how } => {
                assert!(producers.contains_key(task) && completed.insert(*task), "{event}");
                assert!(!running.iter().any(|r| r.1 == *task), "{event}: it runs");
                assert_eq!(*how == Ending::Failed, failed.contains(task), "{event}");
            }
            What::ScopeOpened { depth: to, .. } => {
                depth += 1;
                assert_eq!(*to, depth);
            }
            What::ScopeClosed { depth: from } => {
                assert_eq!(*from, depth);
                depth -= 1;
            }
            _ => {}
        }
    }
    let text = trace.to_string();
    assert!(running.is_empty() && depth == 1, "{text}");
    assert_eq!(completed.len(), producers.len(), "every task completes: {text}");
    assert_eq!(text.lines().count(), trace.events().len() + 1);
    let last = trace.events().last().map(|event| &event.what);
    assert!(matches!(last, Some(What::RunEnded { .. })), "{last:?}");
}

#[test]
fn what_happens_first_is_told_first_whoever_runs_it() {
    let _dog = dog();
    for seed in [None, Some(5), None, Some(6)] {
        for trace in traces(seed, 2, tight(), 0) {
            assert_eq!(trace.seed(), seed);
            is_in_order(&trace);
        }
    }
}

#[test]
fn a_run_that_fails_has_a_trace_of_it() {
    let _dog = dog();
    for seed in [None, Some(1)] {
        let builder = Chip::sim(prewire_a5::a5()).trace(true);
        let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
        let bad = chip.kernel("bad", Core::Aic, |k| match k.block() {
            1 => Err(KernelError::new("on purpose")),
            _ => Ok(()),
        });
        let bad = bad.unwrap();
        let failed = chip.run(|orch| {
            let first = orch.submit(&bad).blocks(2).go()?;
            orch.scope(|orch| orch.submit(&bad).after(&first).go().map(drop))?;
            orch.dummy().go().map(drop)
        });
        assert!(matches!(failed, Err(Error::Task(_))));
        let trace = chip.take_trace().expect("of a failed run too");
        is_in_order(&trace);
        let text = trace.to_string();
        for line in
            ["fail 0:0 block 1 core ", "complete 0:0 failed", "complete 1:0 skipped", "complete 0:1 ok"]
        {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with(" run failed tasks 3\n"), "{text}");

        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = chip.run(|orch| {
                orch.dummy().go()?;
                panic!("the orchestration panics")
            });
        }));
        assert!(panicked.is_err());
        let trace = chip.take_trace().expect("of a run that panicked too");
        assert!(trace.to_string().ends_with(" run failed tasks 1\n"), "{trace}");
        assert!(trace.to_string().contains("complete 0:0 "), "numbers begin anew: {trace}");
    }
}

#[test]
fn a_chip_that_was_not_asked_to_has_no_trace() {
    let _dog = dog();
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    chip.run(|orch| orch.dummy().go().map(drop)).unwrap();
    assert_eq!(chip.take_trace(), None);
}
