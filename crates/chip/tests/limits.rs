//! Limits: what asks for more than a task, a chip or a ring has is refused at once, with the numbers and the knob, and
//! the same run goes on with what comes after.
mod common;

use common::bench::Bench;
use common::{dog, here, next_line, refused};
use prewire_chip::{Chip, ChipBuilder, Core, DataType, ErrorCode, Mix, Orch, Result, RingSizes};

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2).domains(1)
}

fn rings() -> RingSizes {
    RingSizes::default().with_window(64).with_heap(64 << 10)
}

#[test]
fn too_many_tensors_or_scalars_are_counted_in_the_message() {
    let _dog = dog();
    let bench = Bench::new(small());
    let x = bench.chip.zeros::<i32>(&[4]).unwrap();
    bench.run(2, |orch| {
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        let error = refused(
            (0..33).fold(submit, |submit, _| submit.input(&x)).go(),
            &[site, "kernel \"nop\"", "33 tensors were given, but a task has at most 32"],
        );
        assert_eq!(error.code(), Some(ErrorCode::InvalidArgs));
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(
            (0..17).fold(submit, |submit, i| submit.scalar(i)).go(),
            &[site, "17 scalars were given, but a task has at most 16"],
        );
        // As many as there may be are accepted.
        (0..32).fold(orch.submit(&bench.nop), |submit, _| submit.input(&x)).go().unwrap();
        (0..16).fold(orch.submit(&bench.nop), |submit, i| submit.scalar(i)).go().unwrap();
    });
}

#[test]
fn blocks_are_at_least_one_and_at_most_what_the_chip_takes() {
    let _dog = dog();
    let bench = Bench::new(small());
    bench.run(1, |orch| {
        for blocks in [0, 32_768, 65_535, 65_536, u32::MAX] {
            let (site, submit) = (here!(), orch.submit(&bench.nop));
            let asked = format!("{blocks} blocks were asked for, but a task has 1 to 32767");
            refused(submit.blocks(blocks).go(), &[site, &asked]);
        }
        orch.submit(&bench.nop).blocks(32_767).go().unwrap();
    });
}

#[test]
fn a_cohort_wider_than_the_chip_is_refused() {
    let _dog = dog();
    let bench = Bench::new(small());
    let cube = bench.chip.kernel("cube", Core::Aic, |_| Ok(())).unwrap();
    let parts = Mix { aic: Some(&cube), aiv0: Some(&bench.nop), aiv1: None };
    let mix = bench.chip.mix("mix", parts).unwrap();
    bench.run(3, |orch| {
        for (kernel, fits) in [(&bench.nop, 4), (&cube, 2), (&mix, 2)] {
            let (site, submit) = (here!(), orch.submit(kernel));
            let asked =
                format!("{} blocks must start together, but the chip starts at most {fits}", fits + 1);
            let error = refused(submit.blocks(fits + 1).sync_start().go(), &[site, &asked, "sync_start"]);
            assert_eq!(error.code(), Some(ErrorCode::RequireSyncStartInvalid));
            orch.submit(kernel).blocks(fits).sync_start().go().unwrap();
        }
    });
}

#[test]
fn a_scope_that_outgrows_its_window_is_told_at_once() {
    let _dog = dog();
    let bench = Bench::new(small().rings(rings().with_window(4)));
    bench.run(3, |orch| {
        let scope = next_line!();
        let result = orch.scope(|orch| {
            for _ in 0..3 {
                orch.submit(&bench.nop).output(&[4], DataType::I32).go()?;
            }
            let (site, submit) = (here!(), orch.submit(&bench.nop));
            let error = refused(
                submit.output(&[4], DataType::I32).go(),
                &[site, "holds 3 tasks", "ring 1", "RingSizes::window[1]", &scope, "close the scope earlier"],
            );
            assert_eq!(error.code(), Some(ErrorCode::ScopeDeadlock));
            // Another one gets no further, whatever it asks for.
            refused(orch.submit(&bench.nop).go(), &["holds 3 tasks"]);
            Ok(())
        });
        result.unwrap();
    });
}

#[test]
fn scopes_that_share_the_last_ring_cannot_outgrow_it_together() {
    let _dog = dog();
    let bench = Bench::new(small().rings(rings().with_window(4)));
    bench.run(3, |orch| {
        let nested = orch.scope(|orch| {
            orch.scope(|orch| {
                orch.scope(|orch| {
                    let (first, submit) = (here!(), orch.submit(&bench.nop));
                    let oldest = submit.output(&[4], DataType::I32).go()?;
                    orch.submit(&bench.nop).output(&[4], DataType::I32).go()?;
                    orch.scope(|orch| {
                        orch.submit(&bench.nop).output(&[4], DataType::I32).go()?;
                        let (site, submit) = (here!(), orch.submit(&bench.nop));
                        let oldest = format!("task {} submitted at {first}", oldest.id());
                        let error = refused(
                            submit.output(&[4], DataType::I32).go(),
                            &[
                                site,
                                "ring 3 is full for good",
                                "window: 1 slots wanted, 3 of 3 in use",
                                &oldest,
                                "RingSizes::window[3]",
                            ],
                        );
                        assert_eq!(error.code(), Some(ErrorCode::FlowControlDeadlock));
                        Ok(())
                    })
                })
            })
        });
        nested.unwrap();
    });
}

#[test]
fn a_request_larger_than_the_heap_and_a_heap_that_a_scope_fills_are_told_apart() {
    let _dog = dog();
    let bench = Bench::new(small().rings(rings().with_heap(4096)));
    bench.run(2, |orch| {
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        let error = refused(
            submit.output(&[1025], DataType::I32).go(),
            &[site, "5120 bytes wanted, 0 of 4096 in use", "raise RingSizes::heap[0] to at least 5120"],
        );
        assert_eq!(error.code(), Some(ErrorCode::HeapRingDeadlock));
        orch.scope(|orch| {
            orch.submit(&bench.nop).output(&[512], DataType::I32).go()?;
            orch.alloc(&[512], DataType::I32)?;
            let (site, submit) = (here!(), orch.submit(&bench.nop));
            let error = refused(
                submit.output(&[1], DataType::I32).go(),
                &[
                    site,
                    "ring 1 is full for good",
                    "1024 bytes wanted, 4096 of 4096 in use",
                    "RingSizes::heap[1]",
                ],
            );
            assert_eq!(error.code(), Some(ErrorCode::HeapRingDeadlock));
            // What needs no heap goes on.
            orch.submit(&bench.nop).go()?;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn more_producers_than_the_dep_pool_has_entries_are_refused() {
    let _dog = dog();
    let bench = Bench::new(small().rings(rings().with_deps(4)));
    bench.run(9, |orch| {
        orch.scope(|orch| {
            let output = |orch: &mut Orch<'_>| orch.submit(&bench.nop).output(&[1], DataType::I32).go();
            let producers = (0..8).map(|_| output(orch)).collect::<Result<Vec<_>>>()?;
            let (site, submit) = (here!(), orch.submit(&bench.nop));
            let error = refused(
                producers.iter().fold(submit, |submit, task| submit.after(task)).go(),
                &[site, "8 entries wanted, 0 of 4 in use", "raise RingSizes::deps[1] to at least 8"],
            );
            assert_eq!(error.code(), Some(ErrorCode::DepPoolOverflow));
            // As many as there are, named twice each.
            let twice = producers[..4].iter().chain(&producers[..4]);
            twice.fold(orch.submit(&bench.nop), |submit, task| submit.after(task)).go()?;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn a_tensor_map_that_an_open_scope_fills_is_told_at_once() {
    let _dog = dog();
    let bench = Bench::new(small().rings(RingSizes { tensor_map: 64, ..RingSizes::default() }));
    let buffers: Vec<_> = (0..65).map(|_| bench.chip.zeros::<i32>(&[1]).unwrap()).collect();
    bench.run(64, |orch| {
        orch.scope(|orch| {
            for buffer in &buffers[..64] {
                orch.submit(&bench.nop).inout(buffer).output(&[1], DataType::I32).go()?;
            }
            Ok(())
        })
        .unwrap();
    });
    bench.run(64, |orch| {
        orch.scope(|orch| {
            let write = |orch: &mut Orch<'_>, i: usize| {
                orch.submit(&bench.nop).inout(&buffers[i]).output(&[1], DataType::I32).go()
            };
            for i in 0..63 {
                write(orch, i)?;
            }
            let full = (here!(), orch.submit(&bench.nop));
            let (site, submit) = full;
            let result = submit.inout(&buffers[63]).inout(&buffers[64]).output(&[1], DataType::I32).go();
            let error = refused(
                result,
                &[site, "tensor map is full for good", "of 64 entries", "RingSizes::tensor_map"],
            );
            assert_eq!(error.code(), Some(ErrorCode::TensorMapOverflow));
            orch.submit(&bench.nop).go()?;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn scopes_nest_as_they_may() {
    let _dog = dog();
    fn deeper(orch: &mut Orch<'_>, depth: usize) -> Result<usize> {
        orch.scope(|orch| deeper(orch, depth + 1)).or_else(|error| {
            common::says(&error, &["a scope at", file!(), "scopes nest at most 64 deep"]);
            Ok(depth)
        })
    }
    let bench = Bench::new(small());
    bench.run(1, |orch| {
        // The run is a scope itself.
        assert_eq!(deeper(orch, 1).unwrap(), 64);
        orch.manual_scope(|orch| {
            let (site, scope) = (here!(), orch.scope(|_| Ok(())));
            refused(scope, &[site, "cannot be opened inside a manual scope", "open a manual scope"]);
            orch.submit(&bench.nop).go()?;
            orch.manual_scope(|_| Ok(()))
        })
        .unwrap();
    });
}
