//! The codes of errors, end to end: each way to get stuck for good has its code, is told while a kernel of the same run
//! still runs, so without waiting for anything, and leaves a chip that works. What only takes long is no error at all.
//!
//! Elements that are waited for too long and kernels that never return are in `deadlines.rs`, a program that declares
//! itself failed in `runs.rs`.
mod common;

use common::slow::{chip, until_ended, waits};
use common::{Gate, add, dog, fails, failure, here, nop, refused, says, still_works};
use prewire_chip::{
    Awaited, Core, DataType, ErrorCode, Kernel, KernelError, Orch, Result, RingSizes, Run, StallClass, Task,
    Tensor,
};
use std::sync::Arc;
use std::time::Duration;

/// Runs `recipe` behind a kernel that does not return before the recipe is over; so whatever it is told needs no task
/// to end. It leaves the site of the submit that is refused. The error is what the run returns.
#[track_caller]
fn told_at_once(
    sizes: RingSizes,
    code: ErrorCode,
    parts: &[&str],
    recipe: impl FnOnce(&mut Orch<'_>, &mut &'static str) -> Result<()>,
) {
    let _dog = dog();
    let chip = chip().rings(sizes).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add) = (waits(&chip, "slow", &began, &go), add(&chip));
    let mut site = "";
    let error = chip
        .run(|orch| {
            orch.submit(&slow).go()?;
            began.wait(1);
            let result = recipe(orch, &mut site);
            go.pass();
            result
        })
        .unwrap_err();
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(!site.is_empty());
    says(&error, &[site]);
    says(&error, parts);
    still_works(&chip, &add);
}

#[test]
fn a_scope_with_more_outputs_than_its_window_is_code_1() {
    let parts = ["holds 3 tasks", "ring 1", "RingSizes::window[1]", "close the scope earlier"];
    told_at_once(RingSizes::default().with_window(4), ErrorCode::ScopeDeadlock, &parts, |orch, site| {
        orch.scope(|orch| {
            (0..8).try_for_each(|_| {
                let (here, submit) = (here!(), orch.dummy());
                *site = here;
                submit.output(&[1], DataType::I32).go().map(drop)
            })
        })
    });
}

#[test]
fn an_output_larger_than_the_heap_is_code_2() {
    let parts = ["32768 bytes wanted, 0 of 1024 in use", "raise RingSizes::heap[0] to at least 32768"];
    let sizes = RingSizes::default().with_heap(1024);
    told_at_once(sizes, ErrorCode::HeapRingDeadlock, &parts, |orch, site| {
        let (here, submit) = (here!(), orch.dummy());
        *site = here;
        submit.output(&[8192], DataType::I32).go().map(drop)
    });
}

#[test]
fn scopes_that_fill_the_ring_they_share_are_code_3() {
    fn nested(orch: &mut Orch<'_>, site: &mut &'static str, left: u32) -> Result<()> {
        if left == 0 {
            return Ok(());
        }
        orch.scope(|orch| {
            for _ in 0..3 {
                let (here, submit) = (here!(), orch.dummy());
                *site = here;
                submit.output(&[1], DataType::I32).go()?;
            }
            nested(orch, site, left - 1)
        })
    }
    let parts = ["ring 3 is full for good", "1 slots wanted, 3 of 3 in use", "RingSizes::window[3]"];
    let sizes = RingSizes::default().with_window(4);
    told_at_once(sizes, ErrorCode::FlowControlDeadlock, &parts, |orch, site| nested(orch, site, 8));
}

#[test]
fn more_producers_than_the_dep_pool_has_entries_are_code_4() {
    let parts = ["128 entries wanted, 0 of 4 in use", "raise RingSizes::deps[1] to at least 128"];
    let sizes = RingSizes::default().with_deps(4);
    told_at_once(sizes, ErrorCode::DepPoolOverflow, &parts, |orch, site| {
        orch.scope(|orch| {
            let producer = |_| orch.dummy().output(&[1], DataType::I32).go();
            let producers = (0..128).map(producer).collect::<Result<Vec<_>>>()?;
            let (here, submit) = (here!(), orch.dummy());
            *site = here;
            producers.iter().fold(submit, |submit, task| submit.after(task)).go().map(drop)
        })
    });
}

/// A list of producers that is none: here, tasks of another run.
#[test]
fn producers_that_are_no_tasks_of_the_run_are_code_5() {
    let other = chip().build().unwrap();
    let mut foreign: Option<Task> = None;
    other
        .run(|orch| {
            foreign = Some(orch.dummy().go()?);
            Ok(())
        })
        .unwrap();
    let foreign = foreign.unwrap();
    let parts = ["was submitted in another run, or on another chip", "explicit edges stay inside a run"];
    told_at_once(RingSizes::default(), ErrorCode::InvalidArgs, &parts, |orch, site| {
        let (here, submit) = (here!(), orch.dummy());
        *site = here;
        (0..4).fold(submit, |submit, _| submit.after(&foreign)).go().map(drop)
    });
}

#[test]
fn a_cohort_wider_than_the_chip_is_code_7() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (nop, add) = (nop(&chip), add(&chip));
    let mut site = "";
    let error = chip
        .run(|orch| {
            let (here, submit) = (here!(), orch.submit(&nop));
            site = here;
            submit.blocks(1000).sync_start().go().map(drop)
        })
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::RequireSyncStartInvalid));
    says(&error, &[site, "1000 blocks must start together, but the chip starts at most 4", "sync_start"]);
    still_works(&chip, &add);
}

#[test]
fn a_tensor_map_full_of_what_an_open_scope_holds_is_code_11() {
    let parts = ["tensor map is full for good", "of 64 entries", "RingSizes::tensor_map"];
    let sizes = RingSizes { tensor_map: 64, ..RingSizes::default() };
    told_at_once(sizes, ErrorCode::TensorMapOverflow, &parts, |orch, site| {
        orch.scope(|orch| {
            // Each of these is a write that is remembered as long as its task, which the scope holds.
            let tensors =
                (0..66).map(|_| orch.alloc(&[1], DataType::I32)).collect::<Result<Vec<Tensor>>>()?;
            for tensor in &tensors {
                let (here, submit) = (here!(), orch.dummy());
                *site = here;
                submit.inout(tensor).output(&[1], DataType::I32).go()?;
            }
            Ok(())
        })
    });
}

/// A kernel that fails when `go` has been passed.
fn fails_late(chip: &prewire_chip::Chip, began: &Arc<Gate>, go: &Arc<Gate>) -> Kernel {
    let (began, go) = (Arc::clone(began), Arc::clone(go));
    let body = move |_: &mut prewire_chip::KernelCtx<'_>| {
        began.pass();
        go.wait(1);
        Err(KernelError::new("too late"))
    };
    chip.kernel("late", Core::Aiv, body).unwrap()
}

/// More outputs than the window of its scope has slots.
fn outgrown(orch: &mut Orch<'_>) -> Result<()> {
    orch.scope(|orch| (0..8).try_for_each(|_| orch.dummy().output(&[1], DataType::I32).go().map(drop)))
}

#[test]
fn the_code_of_the_orchestrator_outlasts_what_fails_after_it() {
    let _dog = dog();
    let chip = chip().rings(RingSizes::default().with_window(4)).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (late, add) = (fails_late(&chip, &began, &go), add(&chip));
    let run = chip
        .launch(move |orch| {
            orch.submit(&late).go()?;
            // Otherwise it may be ended before it begins.
            began.wait(1);
            outgrown(orch)
        })
        .unwrap();
    // Told while the kernel runs; only then it fails.
    until_ended(&run);
    assert!(run.root_cause().unwrap().contains("holds 3 tasks"));
    go.pass();
    let error = run.wait().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ScopeDeadlock), "{error}");
    still_works(&chip, &add);
}

#[test]
fn a_failure_outlasts_the_code_of_an_orchestrator_that_comes_after_it() {
    let _dog = dog();
    let chip = chip().rings(RingSizes::default().with_window(4)).build().unwrap();
    let (fails, add) = (fails(&chip), add(&chip));
    let x = chip.zeros::<i32>(&[1]).unwrap();
    let result = chip.run(|orch| {
        orch.submit(&fails).inout(&x).go()?;
        refused(orch.read::<i32>(&x, &[0]), &["task 0:0 failed"]);
        let error = refused(outgrown(orch), &["holds 3 tasks"]);
        assert_eq!(error.code(), Some(ErrorCode::ScopeDeadlock));
        Err(error)
    });
    assert_eq!(failure::<()>(result.map(drop)).kernel, "fails");
    still_works(&chip, &add);
}

/// The knob of what the orchestrator waits for, if it waits for room.
fn knob(run: &Run) -> Option<&'static str> {
    let report = run.stall();
    assert!(report.class == StallClass::Running || report.orchestrator.is_none(), "{report}");
    match report.orchestrator.map(|wait| wait.what) {
        Some(Awaited::Room { knob, .. }) => Some(knob),
        _ => None,
    }
}

/// Runs `program`, which needs more of what `wanted` is the knob of than there is until the kernel that it is handed
/// returns. However often somebody looks, that is no deadlock; and when the kernel returns, all of it runs.
#[track_caller]
fn is_waited_for(
    sizes: RingSizes,
    wanted: &str,
    tasks: u64,
    program: impl FnOnce(&mut Orch<'_>, &Kernel, &Kernel, &Tensor) -> Result<()> + Send + 'static,
) {
    let _dog = dog();
    let chip = chip().rings(sizes).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add, nop) = (waits(&chip, "slow", &began, &go), add(&chip), nop(&chip));
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let tensor = x.tensor();
    let run = chip.launch(move |orch| program(orch, &slow, &nop, &tensor)).unwrap();
    began.wait(1);
    while knob(&run).is_none() {
        assert_eq!(run.root_cause(), None);
        assert!(run.wait_for(Duration::from_millis(1)).is_err(), "it never waited");
    }
    for _ in 0..20 {
        let told = run.wait_for(Duration::from_millis(1)).unwrap_err();
        assert!(knob(&run).is_some_and(|knob| knob.starts_with(wanted)), "{told}");
        assert_eq!(run.root_cause(), None);
    }
    go.pass();
    let report = run.wait().unwrap();
    assert_eq!((report.tasks, report.executed), (tasks, tasks));
    still_works(&chip, &add);
}

#[test]
fn a_window_that_a_slow_kernel_keeps_full_is_no_error() {
    let sizes = RingSizes::default().with_window(4);
    is_waited_for(sizes, "RingSizes::window", 9, |orch, slow, nop, x| {
        orch.submit(slow).inout(x).go()?;
        (0..8).try_for_each(|_| orch.submit(nop).inout(x).go().map(drop))
    });
}

#[test]
fn a_heap_that_a_slow_kernel_keeps_full_is_no_error() {
    let sizes = RingSizes::default().with_heap(2048);
    is_waited_for(sizes, "RingSizes::heap", 7, |orch, slow, nop, x| {
        orch.submit(slow).inout(x).go()?;
        let output =
            |orch: &mut Orch<'_>| orch.submit(nop).inout(x).output(&[256], DataType::I32).go().map(drop);
        (0..6).try_for_each(|_| orch.scope(output))
    });
}

#[test]
fn a_dep_pool_that_a_slow_kernel_keeps_full_is_no_error() {
    let sizes = RingSizes::default().with_deps(4);
    is_waited_for(sizes, "RingSizes::deps", 13, |orch, slow, nop, x| {
        let slow = orch.submit(slow).inout(x).go()?;
        (0..12).try_for_each(|_| orch.submit(nop).after(&slow).go().map(drop))
    });
}

#[test]
fn a_tensor_map_that_a_slow_kernel_keeps_full_is_no_error() {
    let sizes = RingSizes { tensor_map: 64, ..RingSizes::default() };
    is_waited_for(sizes, "RingSizes::tensor_map", 101, |orch, slow, nop, x| {
        orch.submit(slow).inout(x).go()?;
        (0..100).try_for_each(|_| orch.submit(nop).input(x).go().map(drop))
    });
}

/// The kernel that does not return is the oldest task of the scope itself: its end frees nothing.
#[test]
fn a_scope_that_holds_a_kernel_that_runs_is_told_at_once() {
    let _dog = dog();
    let chip = chip().rings(RingSizes::default().with_window(4)).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add) = (waits(&chip, "slow", &began, &go), add(&chip));
    let error = chip
        .run(|orch| {
            let result = orch.scope(|orch| {
                orch.submit(&slow).output(&[1], DataType::I32).go()?;
                began.wait(1);
                (0..8).try_for_each(|_| orch.dummy().output(&[1], DataType::I32).go().map(drop))
            });
            go.pass();
            result
        })
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ScopeDeadlock), "{error}");
    still_works(&chip, &add);
}
