//! Submits of programs that answer for their memory themselves: which edges they make, what they may do that others may
//! not, and which codes what goes wrong has.
mod common;

use common::{Gate, dog, refused, says};
use core::time::Duration;
use prewire_abi::{ChipTensor, EdgeKind, ScopeMode, Shape, TensorArgType, TensorCreateInfo};
use prewire_chip::{
    Chip, ChipBuilder, Core, DataType, ErrorCode, Foreign, ForeignTask, Hazards, Kernel, Orch, Place,
    PredicateOp, Result, RingSizes, RunReport, TaskId, What,
};
use std::sync::{Arc, Mutex};

use TensorArgType::{InOut, Input, NoDep, OutputExisting};

fn build() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).hazards(Hazards::RawWaw)
}

/// Runs `body` with raw submits of memory that it owns.
fn play(chip: &Chip, body: impl FnOnce(&mut Foreign<'_, '_>) -> Result<()>) -> Result<RunReport> {
    chip.run(|orch: &mut Orch<'_>| {
        // SAFETY: the tests' memory lives until the run has ended, and their kernels use it as they are ordered.
        let mut foreign = unsafe { orch.foreign() }?;
        body(&mut foreign)
    })
}

fn tensor(memory: &mut [u32]) -> ChipTensor {
    ChipTensor::contiguous(memory.as_mut_ptr() as u64, &[memory.len() as u32], DataType::U32).unwrap()
}

/// A kernel that logs its scalar, and waits at a gate first if its second scalar says for how many.
fn logger(chip: &Chip) -> (Kernel, Arc<Mutex<Vec<u64>>>, Arc<Gate>) {
    let (log, gate) = (Arc::new(Mutex::new(Vec::new())), Gate::new());
    let (into, at) = (Arc::clone(&log), Arc::clone(&gate));
    let kernel = chip.kernel("log", Core::Aiv, move |k| {
        let wanted = k.scalar::<u32>(1)?;
        if wanted > 0 {
            at.wait(wanted);
        }
        into.lock().unwrap().push(k.scalar::<u64>(0)?);
        at.pass();
        Ok(())
    });
    (kernel.unwrap(), log, gate)
}

fn task(
    foreign: &mut Foreign<'_, '_>,
    kernel: &Kernel,
    args: &[(&ChipTensor, TensorArgType)],
    number: u64,
    gate: u64,
) -> Result<TaskId> {
    for (tensor, tag) in args {
        foreign.tensor(tensor, *tag)?;
    }
    foreign.scalar(number);
    foreign.scalar(gate);
    foreign.submit(&ForeignTask::new([None, Some(kernel), None]), &mut |_| ())
}

/// A task that creates one output of `shape`, and where that is described.
fn create(foreign: &mut Foreign<'_, '_>, shape: &[u32]) -> Result<(TaskId, *const ChipTensor)> {
    foreign.create(&TensorCreateInfo::new(shape, DataType::U32).unwrap())?;
    let mut at = core::ptr::null();
    let id = foreign.submit(&ForeignTask::new([None; 3]), &mut |output| at = output)?;
    Ok((id, at))
}

/// A dummy with these arguments.
fn plain(foreign: &mut Foreign<'_, '_>, args: &[(&ChipTensor, TensorArgType)]) -> Result<TaskId> {
    for (tensor, tag) in args {
        foreign.tensor(tensor, *tag)?;
    }
    foreign.submit(&ForeignTask::new([None; 3]), &mut |_| ())
}

#[test]
fn each_tag_makes_the_edges_of_the_table_and_no_other() {
    use EdgeKind as E;
    let _dog = dog();
    let chip = build().trace(true).build().unwrap();
    let mut memory = vec![0; 64];
    let x = tensor(&mut memory);
    let half = x.view(&[32], &[0]).unwrap();
    let mut expected = Vec::new();
    let mut expect = |id: TaskId, mut edges: Vec<(TaskId, E)>| {
        edges.sort_unstable_by_key(|edge| edge.0.raw());
        expected.push((id, edges));
    };
    play(&chip, |foreign| {
        let (owner, at) = create(foreign, &[64])?;
        expect(owner, Vec::new());
        // SAFETY: the scope of the run is open.
        let own = unsafe { *at };
        let manual = own.with_manual_dep(true);
        let writers: Vec<TaskId> =
            (0..3).map(|_| plain(foreign, &[(&own, OutputExisting)])).collect::<Result<_>>()?;
        writers.iter().for_each(|&id| expect(id, vec![(owner, E::BOTH)]));
        let all =
            |kind: E| writers.iter().map(|&id| (id, kind)).chain([(owner, E::BOTH)]).collect::<Vec<_>>();
        expect(plain(foreign, &[(&own, Input)])?, all(E::WAIT));
        expect(plain(foreign, &[(&own, NoDep)])?, vec![(owner, E::BOTH)]);
        for tag in [Input, InOut, OutputExisting] {
            expect(plain(foreign, &[(&manual, tag)])?, vec![(owner, E::BOTH)]);
        }
        foreign.after(writers[0], E::RETAIN);
        let mut named = all(E::WAIT);
        named[0].1 = E::BOTH;
        let last = plain(foreign, &[(&own, InOut), (&own, Input)])?;
        expect(last, named);
        // What it covers is remembered no more.
        expect(plain(foreign, &[(&own, Input)])?, vec![(owner, E::BOTH), (last, E::WAIT)]);

        // Memory that no task made, and a part of it.
        let whole = plain(foreign, &[(&x, InOut)])?;
        expect(whole, Vec::new());
        let part = plain(foreign, &[(&half, OutputExisting)])?;
        expect(part, Vec::new());
        expect(plain(foreign, &[(&x, Input)])?, vec![(whole, E::WAIT), (part, E::WAIT)]);

        foreign.open_scope(ScopeMode::Manual)?;
        for tag in [Input, InOut, OutputExisting, NoDep] {
            expect(plain(foreign, &[(&own, tag), (&x, tag)])?, Vec::new());
        }
        foreign.after(whole, E::WAIT);
        expect(plain(foreign, &[(&own, InOut)])?, vec![(whole, E::WAIT)]);
        foreign.close_scope()
    })
    .unwrap();
    let trace = chip.take_trace().unwrap();
    let seen: Vec<(TaskId, Vec<(TaskId, E)>)> = trace
        .events()
        .iter()
        .filter_map(|event| match &event.what {
            What::Submitted { task, producers, .. } => {
                let mut producers = producers.clone();
                producers.sort_unstable_by_key(|edge| edge.0.raw());
                Some((*task, producers))
            }
            _ => None,
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn writes_that_do_not_read_go_on_beside_each_other_and_a_reader_waits_for_all() {
    let _dog = dog();
    let chip = build().build().unwrap();
    let (kernel, log, _) = logger(&chip);
    let mut memory = vec![0; 64];
    let x = tensor(&mut memory);
    play(&chip, |foreign| {
        // The first ends only once the second and the third have: nothing may keep those back.
        task(foreign, &kernel, &[(&x, OutputExisting)], 1, 2)?;
        task(foreign, &kernel, &[(&x, OutputExisting)], 2, 0)?;
        task(foreign, &kernel, &[(&x, OutputExisting)], 3, 0)?;
        task(foreign, &kernel, &[(&x, Input)], 4, 0)?;
        task(foreign, &kernel, &[(&x, InOut)], 5, 0)?;
        task(foreign, &kernel, &[(&x, Input), (&x, InOut)], 6, 0).map(drop)
    })
    .unwrap();
    let log = log.lock().unwrap();
    let place = |number: u64| log.iter().position(|&logged| logged == number).unwrap();
    assert!(place(1) > place(2) && place(1) > place(3), "{log:?}");
    assert!(place(4) > place(1) && place(5) > place(1) && place(6) > place(5), "{log:?}");
}

#[test]
fn a_read_is_not_waited_for_and_no_dep_waits_for_nothing() {
    let _dog = dog();
    let chip = build().build().unwrap();
    let (kernel, log, _) = logger(&chip);
    let mut memory = vec![0; 64];
    let x = tensor(&mut memory);
    let manual = x.with_manual_dep(true);
    play(&chip, |foreign| {
        // It reads until all that write have ended.
        task(foreign, &kernel, &[(&x, Input)], 1, 3)?;
        task(foreign, &kernel, &[(&x, InOut)], 2, 0)?;
        task(foreign, &kernel, &[(&x, NoDep)], 3, 0)?;
        task(foreign, &kernel, &[(&manual, InOut)], 4, 0).map(drop)
    })
    .unwrap();
    assert_eq!(log.lock().unwrap().last(), Some(&1));
}

#[test]
fn a_manual_scope_has_the_edges_that_were_named() {
    let _dog = dog();
    let chip = build().build().unwrap();
    let (kernel, log, _) = logger(&chip);
    let mut memory = vec![0; 64];
    let x = tensor(&mut memory);
    play(&chip, |foreign| {
        foreign.open_scope(ScopeMode::Manual)?;
        let first = task(foreign, &kernel, &[(&x, InOut)], 1, 1)?;
        task(foreign, &kernel, &[(&x, InOut)], 2, 0)?;
        foreign.after(first, EdgeKind::WAIT);
        task(foreign, &kernel, &[], 3, 0)?;
        let nested = foreign.open_scope(ScopeMode::Auto);
        assert_eq!(refused(nested, &["manual"]).code(), Some(ErrorCode::InvalidArgs));
        foreign.close_scope()?;
        assert!(foreign.close_scope().is_err(), "the scope of the run is not the program's to close");
        Ok(())
    })
    .unwrap();
    assert_eq!(*log.lock().unwrap(), [2, 1, 3]);
}

#[test]
fn descriptions_stay_while_their_scope_is_open_and_outputs_begin_as_they_were_said_to() {
    let _dog = dog();
    let chip = build().build().unwrap();
    play(&chip, |foreign| {
        let mut made = Vec::new();
        for n in 0..200_u32 {
            let info = TensorCreateInfo::new(&[n % 7, 300], DataType::U32).unwrap();
            foreign.create(&info.with_initial_value(u64::from(n) | 0xF_0000_0000))?;
            foreign.create(&TensorCreateInfo::new(&[3], DataType::F32).unwrap().with_manual_dep(true))?;
            let mut outputs = Vec::new();
            let id = if n % 3 == 0 {
                foreign.alloc(&mut |output| outputs.push(output))?
            } else {
                foreign.submit(&ForeignTask::new([None; 3]), &mut |output| outputs.push(output))?
            };
            made.push((n, id, outputs));
        }
        for (n, id, outputs) in made {
            let [first, second] = outputs[..] else { panic!("two outputs were asked for") };
            // SAFETY: the scope is open.
            let first = unsafe { &*first };
            // SAFETY: the scope is open.
            let second = unsafe { &*second };
            assert_eq!((first.shape(), first.owner_task_id()), (&[n % 7, 300][..], id));
            assert!(second.is_manual_dep() && !first.is_manual_dep());
            assert_eq!(second.dtype().unwrap(), DataType::F32);
            if n % 7 > 0 {
                for index in [[0, 0], [n % 7 - 1, 299]] {
                    assert_eq!(foreign.read_element(first, &index, Duration::MAX / 4)?, u64::from(n));
                }
            }
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_stale_tensor_and_a_retired_producer_are_no_failure() {
    let _dog = dog();
    let chip = build().build().unwrap();
    let (kernel, log, _) = logger(&chip);
    play(&chip, |foreign| {
        foreign.open_scope(ScopeMode::Auto)?;
        // Complete from birth, and retired as soon as nothing holds it.
        foreign.create(&TensorCreateInfo::new(&[4], DataType::U32).unwrap())?;
        let mut at = core::ptr::null();
        let id = foreign.alloc(&mut |output| at = output)?;
        // SAFETY: the scope is open.
        let stale = unsafe { *at };
        foreign.close_scope()?;
        foreign.after(id, EdgeKind::BOTH);
        assert_eq!(foreign.stale(), None);
        let user = task(foreign, &kernel, &[(&stale, Input)], 1, 0)?;
        let told = foreign.stale().expect("its scope is closed, and nothing else holds it");
        assert_eq!((told.task, told.arg, told.owner), (user, 0, id));
        foreign.after(TaskId::INVALID, EdgeKind::BOTH);
        let unknown = task(foreign, &kernel, &[], 2, 0);
        assert_eq!(refused(unknown, &["not a task of this run"]).code(), Some(ErrorCode::InvalidArgs));
        Ok(())
    })
    .unwrap();
    assert_eq!(*log.lock().unwrap(), [1]);
}

#[test]
fn every_choice_of_places_runs_what_is_there_as_often_as_it_has_blocks() {
    let _dog = dog();
    let chip = build().trace(true).build().unwrap();
    let elsewhere = build().build().unwrap();
    let other = elsewhere.kernel("other", Core::Aiv, |_| Ok(())).unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let kernels = [Core::Aic, Core::Aiv, Core::Aiv].into_iter().enumerate().map(|(number, core)| {
        let log = Arc::clone(&log);
        let kernel = chip.kernel(&format!("k{number}"), core, move |k| {
            log.lock().unwrap().push((k.scalar::<u64>(0)?, number, k.place()));
            Ok(())
        });
        kernel.unwrap()
    });
    let kernels: Vec<Kernel> = kernels.collect();
    let all = [Place::Aic, Place::Aiv0, Place::Aiv1];
    let (mut ran, mut heads) = (Vec::new(), Vec::new());
    play(&chip, |foreign| {
        for (number, choice) in (0..8 * 4_u64).map(|n| (n, n / 4)) {
            let (blocks, together) = ([1, 3][number as usize % 2], number & 2 != 0);
            let places: [_; 3] = core::array::from_fn(|at| (choice >> at & 1 == 1).then(|| &kernels[at]));
            let task = ForeignTask::new(places);
            if choice == 0 {
                foreign.submit(&task.blocks(1 << 16, together), &mut |_| ())?;
                heads.push((Shape::Dummy, 1, false));
                continue;
            }
            for at in (0..3).filter(|at| choice >> at & 1 == 1) {
                let mut mixed = places;
                mixed[at] = Some(&other);
                let mixed = foreign.submit(&ForeignTask::new(mixed), &mut |_| ());
                assert_eq!(mixed.unwrap_err().code(), Some(ErrorCode::InvalidArgs));
            }
            for many in [1 << 16, (1 << 16) + 1, u32::MAX] {
                let many = foreign.submit(&task.blocks(many, false), &mut |_| ());
                refused(many, &["blocks"]);
            }
            foreign.scalar(number);
            foreign.submit(&task.blocks(blocks, together), &mut |_| ())?;
            let shape = match choice {
                1 => Shape::Aic,
                2 | 4 => Shape::Aiv,
                _ => Shape::Mix,
            };
            heads.push((shape, blocks as u16, together && blocks > 1));
            for at in (0..3).filter(|at| choice >> at & 1 == 1) {
                ran.extend((0..blocks).map(|_| (number, at, (shape != Shape::Aiv).then_some(all[at]))));
            }
        }
        Ok(())
    })
    .unwrap();
    let mut log = log.lock().unwrap().clone();
    log.sort_by_key(|&(number, kernel, _)| (number, kernel));
    assert_eq!(log.len(), ran.len());
    for ((number, kernel, place), expected) in log.into_iter().zip(ran) {
        assert_eq!((number, kernel), (expected.0, expected.1));
        assert!(expected.2.map_or(place != Place::Aic, |at| at == place), "task {number}: {place:?}");
    }
    let trace = chip.take_trace().unwrap();
    let seen = trace.events().iter().filter_map(|event| match &event.what {
        What::Submitted { shape, blocks, sync_start, .. } => Some((*shape, *blocks, *sync_start)),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), heads);
}

/// Memory that lost its creator: one task's two outputs, after their scope was closed.
fn two_stale(foreign: &mut Foreign<'_, '_>) -> Result<(TaskId, [ChipTensor; 2])> {
    foreign.open_scope(ScopeMode::Auto)?;
    for _ in 0..2 {
        foreign.create(&TensorCreateInfo::new(&[4], DataType::U32).unwrap())?;
    }
    let mut made = Vec::new();
    // SAFETY: the scope is open.
    let id = foreign.alloc(&mut |output| made.push(unsafe { *output }))?;
    foreign.close_scope()?;
    Ok((id, made.try_into().expect("two were asked for")))
}

#[test]
fn the_first_stale_tensor_of_a_task_is_told_and_none_of_one_that_was_refused() {
    let _dog = dog();
    let small = RingSizes { heap: [4096; 4], ..RingSizes::default() };
    let chip = build().rings(small).build().unwrap();
    play(&chip, |foreign| {
        let (id, [a, b]) = two_stale(foreign)?;
        foreign.tensor(&a, Input)?;
        foreign.create(&TensorCreateInfo::new(&[8192], DataType::U32).unwrap())?;
        let large = foreign.submit(&ForeignTask::new([None; 3]), &mut |_| ());
        assert_eq!(large.unwrap_err().code(), Some(ErrorCode::HeapRingDeadlock));
        plain(foreign, &[])?;
        assert_eq!(foreign.stale(), None, "there is no task that used it");
        let user = plain(foreign, &[(&a, NoDep), (&b, Input)])?;
        let told = foreign.stale().expect("two are stale");
        assert_eq!((told.task, told.arg, told.owner), (user, 0, id));
        Ok(())
    })
    .unwrap();
}

#[test]
fn creators_of_other_rings_are_waited_for_and_those_of_other_runs_are_nobody() {
    let _dog = dog();
    let chip = build().trace(true).build().unwrap();
    let mut expected = Vec::new();
    let former = {
        let mut former = None;
        play(&chip, |foreign| {
            // SAFETY: the scope of the run is open.
            former = Some(unsafe { *create(foreign, &[4])?.1 });
            Ok(())
        })
        .unwrap();
        former.unwrap()
    };
    play(&chip, |foreign| {
        let (outer, at) = create(foreign, &[4])?;
        // SAFETY: the scope of the run is open.
        let own = unsafe { *at };
        foreign.open_scope(ScopeMode::Auto)?;
        for tag in [Input, InOut, OutputExisting, NoDep] {
            let id = plain(foreign, &[(&former, NoDep), (&own.with_manual_dep(true), tag)])?;
            assert_ne!(id.ring(), outer.ring());
            // A trace counts from the first task of its run.
            expected.push((id, vec![(TaskId::new(outer.ring(), 0), EdgeKind::BOTH)]));
        }
        for owner in [TaskId::new(outer.ring(), u32::MAX), TaskId::new(7, 0), TaskId::new(1, 1000)] {
            expected.push((plain(foreign, &[(&former.with_owner(owner), NoDep)])?, Vec::new()));
        }
        assert_eq!(foreign.stale(), None, "no task of this run was the creator of what is stale");
        foreign.close_scope()
    })
    .unwrap();
    let trace = chip.take_trace().unwrap();
    let edges = |id: TaskId| {
        trace.events().iter().find_map(|event| match &event.what {
            What::Submitted { task, producers, .. } if *task == id => Some(producers.clone()),
            _ => None,
        })
    };
    for (id, producers) in expected {
        assert_eq!(edges(id), Some(producers), "{id}");
    }
}

#[test]
fn a_predicate_looks_at_raw_memory_when_the_task_is_ready() {
    let _dog = dog();
    let chip = build().build().unwrap();
    let (kernel, log, gate) = logger(&chip);
    let mut memory = vec![7, u32::MAX, 9];
    let x = tensor(&mut memory);
    play(&chip, |foreign| {
        let first = task(foreign, &kernel, &[], 1, 1)?;
        let cases = [(0, PredicateOp::Eq, 7, 2), (0, PredicateOp::Gt, 7, 3), (2, PredicateOp::Ge, 9, 4)];
        for (index, op, target, number) in cases {
            foreign.after(first, EdgeKind::WAIT);
            foreign.predicate(&x, &[index], op, target)?;
            task(foreign, &kernel, &[], number, 0)?;
        }
        foreign.after(first, EdgeKind::WAIT);
        foreign.predicate(&x, &[1], PredicateOp::Lt, 0)?;
        task(foreign, &kernel, &[], 5, 0)?;
        let none = foreign.predicate(&x, &[3], PredicateOp::Eq, 0);
        assert_eq!(refused(none, &["beyond"]).code(), Some(ErrorCode::InvalidArgs));
        gate.pass();
        Ok(())
    })
    .unwrap();
    let mut log = log.lock().unwrap().clone();
    log[1..].sort_unstable();
    assert_eq!(log, [1, 2, 4], "an element of u32 is not negative");
}

#[test]
fn a_host_write_waits_for_those_that_keep_what_is_overwritten() {
    let _dog = dog();
    let chip = build().build().unwrap();
    let (kernel, log, gate) = logger(&chip);
    let failed = play(&chip, |foreign| {
        let (_, at) = create(foreign, &[4])?;
        // SAFETY: the scope is open.
        let x = unsafe { *at };
        task(foreign, &kernel, &[(&x, Input)], 1, 1)?;
        foreign.read_element(&x, &[0], Duration::MAX / 4)?;
        let late = foreign.write_element(&x, &[0], 5, Duration::from_millis(20));
        let late = refused(late, &["20ms"]);
        assert_eq!(late.code(), Some(ErrorCode::TensorWaitTimeout));
        assert!(log.lock().unwrap().is_empty());
        gate.pass();
        foreign.write_element(&x, &[0], 5, Duration::MAX / 4)?;
        assert_eq!(log.lock().unwrap().len(), 1);
        assert_eq!(foreign.read_element(&x, &[0], Duration::MAX / 4)?, 5);
        Err(late)
    });
    says(&failed.unwrap_err(), &["waited for"]);
}

fn code(sizes: RingSizes, body: impl FnOnce(&mut Foreign<'_, '_>) -> Result<()>) -> Option<ErrorCode> {
    let chip = build().rings(sizes).build().unwrap();
    let failed = play(&chip, body).unwrap_err();
    // What failed leaves a chip that goes on.
    play(&chip, |foreign| create(foreign, &[1]).map(drop)).unwrap();
    failed.code()
}

#[test]
fn each_way_to_run_out_has_its_code() {
    let _dog = dog();
    let sizes = RingSizes::default();
    let mut small = sizes;
    small.window = [4; 4];
    for outputs in [false, true] {
        let dummy = |foreign: &mut Foreign<'_, '_>| {
            if outputs {
                create(foreign, &[4]).map(drop)
            } else {
                foreign.submit(&ForeignTask::new([None; 3]), &mut |_| ()).map(drop)
            }
        };
        let scope = code(small, |foreign| (0..8).try_for_each(|_| dummy(foreign)));
        assert_eq!(scope, Some(ErrorCode::ScopeDeadlock));
        let nested = code(small, |foreign| {
            for _ in 0..8 {
                foreign.open_scope(ScopeMode::Auto)?;
                (0..3).try_for_each(|_| dummy(foreign))?;
            }
            Ok(())
        });
        assert_eq!(nested, Some(ErrorCode::FlowControlDeadlock));
    }
    let mut small = sizes;
    small.heap = [1024; 4];
    let heap = code(small, |foreign| create(foreign, &[8192]).map(drop));
    assert_eq!(heap, Some(ErrorCode::HeapRingDeadlock));
    let mut small = sizes;
    small.deps = [4; 4];
    let deps = code(small, |foreign| {
        let dummy = ForeignTask::new([None; 3]);
        let made: Vec<TaskId> =
            (0..128).map(|_| foreign.submit(&dummy, &mut |_| ())).collect::<Result<_>>()?;
        made.iter().for_each(|&id| foreign.after(id, EdgeKind::BOTH));
        foreign.submit(&dummy, &mut |_| ()).map(drop)
    });
    assert_eq!(deps, Some(ErrorCode::DepPoolOverflow));
    let mut small = sizes;
    small.tensor_map = 64;
    let mut memory = vec![0; 800];
    let all = tensor(&mut memory);
    let map = code(small, |foreign| {
        (0..100).try_for_each(|part| {
            foreign.tensor(&all.view(&[8], &[part * 8]).unwrap(), OutputExisting)?;
            foreign.submit(&ForeignTask::new([None; 3]), &mut |_| ()).map(drop)
        })
    });
    assert_eq!(map, Some(ErrorCode::TensorMapOverflow));
    let together = code(sizes, |foreign| {
        let chip = build().build()?;
        let other = chip.kernel("other", Core::Aiv, |_| Ok(()))?;
        let task = ForeignTask::new([None, Some(&other), None]).blocks(1000, true);
        foreign.submit(&task, &mut |_| ()).map(drop)
    });
    assert_eq!(together, Some(ErrorCode::InvalidArgs), "the kernel is another chip's");
    let chip = build().build().unwrap();
    let (kernel, ..) = logger(&chip);
    let together = play(&chip, |foreign| {
        let task = ForeignTask::new([None, Some(&kernel), None]).blocks(1000, true);
        foreign.submit(&task, &mut |_| ()).map(drop)
    });
    assert_eq!(together.unwrap_err().code(), Some(ErrorCode::RequireSyncStartInvalid));
    let nothing = play(&chip, |foreign| foreign.alloc(&mut |_| ()).map(drop));
    assert_eq!(nothing.unwrap_err().code(), Some(ErrorCode::InvalidArgs));
}
