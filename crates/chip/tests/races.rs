//! The race checker: what nothing orders is named, whatever the numbers that came out; what is ordered is not.
mod common;

use common::{Log, add, copy, dog, fails, failure, fill, next_line, nop, says};
use prewire_chip::{
    Check, Chip, ChipBuilder, Core, DataType, EdgeKind, Error, Hazards, Kernel, KernelCtx, KernelError,
    Missing, Mix, Orch, PredicateOp, RaceReport, Result, RingSizes, Task, Through,
};

fn checked() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2).check(Check::Races)
}

/// What the checker has to say of a run that did nothing else wrong.
#[track_caller]
fn races<T: std::fmt::Debug>(run: Result<T>) -> RaceReport {
    match run {
        Err(Error::Races(report)) => *report,
        other => panic!("the run was to fail for its races: {other:?}"),
    }
}

/// The only race of a run.
#[track_caller]
fn race<T: std::fmt::Debug>(run: Result<T>) -> prewire_chip::Race {
    let report = races(run);
    assert_eq!((report.total(), report.undeclared()), (1, &[][..]), "{report}");
    report.races()[0].clone()
}

/// Adds one to the first element of its first argument, whatever that was passed as: as a kernel does that was
/// compiled elsewhere and is given addresses.
fn scribble(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let first = k.input::<i32>(0)?.as_ptr().cast_mut();
    // SAFETY: the view was not empty, so its first element is memory of the chip.
    let old = unsafe { first.read() };
    // SAFETY: as above; one kernel runs at a time, and this one holds no view any more.
    unsafe { first.write(old + 1) };
    Ok(())
}

#[test]
fn a_kernel_that_writes_its_input_is_named_with_those_who_read_it() {
    let _dog = dog();
    let chip = checked().build().unwrap();
    let (scribble, copy) = (chip.kernel("scribble", Core::Aiv, scribble).unwrap(), copy(&chip));
    let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
    let mut site = String::new();
    let error = chip
        .run(|orch| {
            orch.submit(&copy).input(&x).output_into(&y).go()?;
            site = next_line!();
            orch.submit(&scribble).input(&x).go().map(drop)
        })
        .unwrap_err();
    says(&error, &["1 race and 1 undeclared write", &site, "argument 0 of kernel \"scribble\" as inout"]);
    let Error::Races(report) = error else { unreachable!() };
    let [undeclared] = report.undeclared() else { panic!("{report}") };
    assert_eq!((undeclared.writer.kernel.as_deref(), undeclared.bytes.clone()), (Some("scribble"), 0..4));
    let [race] = report.races() else { panic!("{report}") };
    assert_eq!(race.missing, Missing::Declaration { kernel: "scribble".into(), arg: 0 });
    assert_eq!((race.first.kernel.as_deref(), race.first.writes), (Some("copy"), false));
    assert_eq!((race.second.kernel.as_deref(), race.second.writes), (Some("scribble"), true));
    assert_eq!(race.bytes, 0..4);

    // Nobody else touches it: there is no race yet, but the declaration is wrong.
    let report = races(chip.run(|orch| orch.submit(&scribble).input(&x).go().map(drop)));
    assert_eq!((report.total(), report.undeclared().len()), (0, 1), "{report}");
    // Declared, it is what it says.
    chip.run(|orch| {
        orch.submit(&copy).input(&x).output_into(&y).go()?;
        orch.submit(&scribble).inout(&x).go().map(drop)
    })
    .unwrap();
    assert_eq!(chip.races(), None);
}

#[test]
fn writes_through_pointers_count_where_nothing_is_inferred() {
    let _dog = dog();
    for passed in ["inout", "no_dep"] {
        let chip = checked().build().unwrap();
        let (scribble, copy) = (chip.kernel("scribble", Core::Aiv, scribble).unwrap(), copy(&chip));
        let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
        let race = race(chip.run(|orch| {
            orch.manual_scope(|orch| {
                let task = orch.submit(&scribble);
                if passed == "inout" { task.inout(&x) } else { task.no_dep(&x) }.go()?;
                orch.submit(&copy).input(&x).output_into(&y).go().map(drop)
            })
        }));
        assert_eq!(race.first.through, Through::Argument { arg: 0, passed });
        assert!(race.first.writes && race.bytes == (0..4), "{race}");
    }
}

#[test]
fn a_kernel_is_not_blamed_for_what_others_write_while_it_waits_for_a_peer() {
    let _dog = dog();
    let mut interleaved = 0;
    for seed in 0..40 {
        let chip = checked().seed(seed).build().unwrap();
        let part = |name: &str, core| {
            let body = |k: &mut KernelCtx<'_>| {
                let before = k.input::<i32>(0)?.to_vec();
                k.cluster_barrier()?;
                let after = k.input::<i32>(0)?.to_vec();
                if before == after { Ok(()) } else { k.output::<i32>(1).map(|mut seen| seen.fill(1)) }
            };
            chip.kernel(name, core, body).unwrap()
        };
        let (cube, vector) = (part("cube", Core::Aic), part("vector", Core::Aiv));
        let pair = chip.mix("pair", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: None }).unwrap();
        let fill = fill(&chip);
        let (x, seen) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[1]).unwrap());
        let run = chip.run(|orch| {
            orch.manual_scope(|orch| {
                orch.submit(&pair).input(&x).no_dep(&seen).go()?;
                orch.submit(&fill).output_into(&x).scalar(7i32).go().map(drop)
            })
        });
        let race = race(run);
        assert_eq!((race.first.kernel.as_deref(), race.first.writes), (Some("pair"), false), "{race}");
        interleaved += chip.read::<i32>(&seen).unwrap()[0];
    }
    assert!(interleaved > 0, "in no order was anything written while a kernel waited");
}

#[test]
fn an_argument_that_opts_out_wrongly_is_named() {
    let _dog = dog();
    let chip = checked().build().unwrap();
    let (fill, copy) = (fill(&chip), copy(&chip));
    let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
    let mut sites = [String::new(), String::new()];
    let error = chip
        .run(|orch| {
            sites[0] = next_line!();
            orch.submit(&fill).output_into(&x).scalar(3i32).go()?;
            sites[1] = next_line!();
            orch.submit(&copy).no_dep(&x).output_into(&y).go().map(drop)
        })
        .unwrap_err();
    says(
        &error,
        &["kernel \"fill\"", "kernel \"copy\"", &sites[0], &sites[1], "bytes 0..32 of the same buffer"],
    );
    says(&error, &["pass argument 0 of task", "as `input` instead of `no_dep`, or submit task"]);
    assert_eq!(chip.read::<i32>(&y).unwrap(), [3; 8], "the numbers came out right all the same");

    // One that writes; the other comes later, and says so.
    let race = race(chip.run(|orch| {
        orch.submit(&fill).no_dep(&x).scalar(3i32).go()?;
        orch.submit(&copy).input(&x).output_into(&y).go().map(drop)
    }));
    let task = race.first.task.unwrap();
    assert_eq!(race.missing, Missing::OptedOut { task, arg: 0, pass: "inout" });

    // Where it opts out rightly, nothing is said.
    chip.run(|orch| {
        let first = orch.submit(&fill).output_into(&x).scalar(3i32).go()?;
        orch.submit(&copy).no_dep(&x).output_into(&y).after(&first).go().map(drop)
    })
    .unwrap();
}

/// A chip that is checked, a kernel that adds to its argument, and a buffer.
struct Bench {
    chip: Chip,
    add: Kernel,
    nop: Kernel,
    x: prewire_chip::Buffer,
}

impl Bench {
    fn new(builder: ChipBuilder) -> Self {
        let chip = builder.build().unwrap();
        let x = chip.zeros::<i32>(&[8]).unwrap();
        Self { add: add(&chip), nop: nop(&chip), chip, x }
    }

    /// A task that reads and writes the buffer, after others.
    fn task(&self, orch: &mut Orch<'_>, after: &[(&Task, EdgeKind)]) -> Result<Task> {
        let task = orch.submit(&self.add).inout(&self.x).scalar(1i32);
        after.iter().fold(task, |task, (before, kind)| task.after_kind(before, *kind)).go()
    }

    /// Runs a program in a manual scope.
    fn manual(&self, body: impl FnOnce(&mut Orch<'_>) -> Result<()>) -> Result<()> {
        self.chip.run(|orch| orch.manual_scope(body)).map(drop)
    }
}

#[test]
fn a_manual_scope_needs_its_edges() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let found = race(bench.manual(|orch| {
        bench.task(orch, &[])?;
        bench.task(orch, &[]).map(drop)
    }));
    assert_eq!(found.missing, Missing::After);
    assert!(found.to_string().contains(&format!("`.after(&{})`", found.first.task.unwrap())), "{found}");
    // The second and the third come after the first, and nothing is between them.
    let found = race(bench.manual(|orch| {
        let first = bench.task(orch, &[])?;
        bench.task(orch, &[(&first, EdgeKind::BOTH)])?;
        bench.task(orch, &[(&first, EdgeKind::BOTH)]).map(drop)
    }));
    assert_eq!(found.missing, Missing::After);
    bench
        .manual(|orch| {
            let first = bench.task(orch, &[])?;
            let second = bench.task(orch, &[(&first, EdgeKind::WAIT)])?;
            bench.task(orch, &[(&second, EdgeKind::BOTH)]).map(drop)
        })
        .unwrap();
}

#[test]
fn one_missing_edge_is_one_race() {
    let _dog = dog();
    for seed in 0..8 {
        let bench = Bench::new(checked().seed(seed));
        let mut ids = Vec::new();
        let report = races(bench.manual(|orch| {
            let mut last: Option<Task> = None;
            for step in 0..40 {
                let before: Vec<_> =
                    last.iter().filter(|_| step != 20).map(|t| (t, EdgeKind::WAIT)).collect();
                let task = bench.task(orch, &before)?;
                ids.push(task.id());
                last = Some(task);
            }
            Ok(())
        }));
        // Twenty times twenty pairs race, and one edge orders them all.
        assert!(report.total() > 20, "seed {seed}: {report}");
        let [race] = report.races() else { panic!("seed {seed}: {report}") };
        assert_eq!(
            (race.first.task, race.second.task),
            (Some(ids[19]), Some(ids[20])),
            "seed {seed}: {race}"
        );
    }
}

#[test]
fn an_edge_that_only_keeps_memory_orders_nothing() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let found = race(bench.manual(|orch| {
        let first = bench.task(orch, &[])?;
        bench.task(orch, &[(&first, EdgeKind::RETAIN)]).map(drop)
    }));
    assert_eq!(found.missing, Missing::Wait);
    assert!(found.to_string().contains("only keeps memory alive"), "{found}");
}

#[test]
fn a_path_through_others_is_an_order() {
    let _dog = dog();
    let bench = Bench::new(checked());
    bench
        .manual(|orch| {
            let mut last = bench.task(orch, &[])?;
            for step in 0..6 {
                // One that touches nothing, or a dummy that runs nothing, or the program that waits for an output.
                last = match step % 3 {
                    0 => orch.submit(&bench.nop).after(&last).go()?,
                    1 => orch.dummy().after(&last).go()?,
                    _ => {
                        let made = orch
                            .submit(&bench.add)
                            .output(&[4], DataType::I32)
                            .scalar(1i32)
                            .after(&last)
                            .go()?;
                        orch.read::<i32>(&made, &[0])?;
                        bench.task(orch, &[])?
                    }
                };
                if step % 3 < 2 {
                    last = bench.task(orch, &[(&last, EdgeKind::WAIT)])?;
                }
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(bench.chip.read::<i32>(&bench.x).unwrap(), [7; 8]);
}

#[test]
fn what_had_ended_is_ordered_only_if_that_was_asked_for() {
    let _dog = dog();
    let tight = RingSizes::default().with_window(4).with_tensor_map(64).with_deps(16);
    for seed in 0..8 {
        let bench = Bench::new(checked().seed(seed).rings(tight));
        let rows = bench.chip.zeros::<i32>(&[64, 8]).unwrap();
        let between = |orch: &mut Orch<'_>| -> Result<()> {
            for round in 0..128 {
                let row = rows.slice(0, round % 64..round % 64 + 1)?;
                orch.submit(&bench.nop).no_dep(&row).go()?;
            }
            Ok(())
        };
        // By its accesses: the first has retired when the last is submitted, and no edge joins them.
        bench
            .chip
            .run(|orch| {
                bench.task(orch, &[])?;
                for round in 0..200 {
                    let row = rows.slice(0, round % 64..round % 64 + 1)?;
                    orch.submit(&bench.add).inout(&row).scalar(1i32).go()?;
                }
                bench.task(orch, &[]).map(drop)
            })
            .unwrap();
        // By name.
        bench
            .manual(|orch| {
                let first = bench.task(orch, &[])?;
                between(orch)?;
                bench.task(orch, &[(&first, EdgeKind::BOTH)]).map(drop)
            })
            .unwrap();
        // By nothing but a full ring.
        let found = race(bench.manual(|orch| {
            bench.task(orch, &[])?;
            between(orch)?;
            bench.task(orch, &[]).map(drop)
        }));
        assert_eq!(found.missing, Missing::After);
    }
}

#[test]
fn hazards_that_the_chip_does_not_infer_need_edges() {
    let _dog = dog();
    for (hazards, expected) in [(Hazards::All, 0), (Hazards::RawWaw, 1), (Hazards::Raw, 2)] {
        let bench = Bench::new(checked().hazards(hazards));
        let (fill, copy) = (fill(&bench.chip), copy(&bench.chip));
        let y = bench.chip.zeros::<i32>(&[8]).unwrap();
        let program = |edges: bool| {
            bench.chip.run(|orch| {
                let write = |orch: &mut Orch<'_>, before: &[&Task]| {
                    let task = orch.submit(&fill).output_into(&bench.x).scalar(1i32);
                    let before = before.iter().filter(|_| edges);
                    before.fold(task, |task, before| task.after(before)).go()
                };
                let first = write(orch, &[])?;
                // It waits for the first under every rule.
                let reader = orch.submit(&copy).input(&bench.x).output_into(&y).go()?;
                write(orch, &[&first, &reader]).map(drop)
            })
        };
        program(true).unwrap();
        if expected == 0 {
            program(false).unwrap();
            continue;
        }
        let report = races(program(false));
        assert_eq!(report.total(), expected, "{hazards:?}: {report}");
        for race in report.races() {
            assert_eq!(race.missing, Missing::Hazard, "{race}");
        }
    }
}

#[test]
fn tiles_that_lie_between_each_other_do_not_race() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let touch = bench.chip.kernel("touch", Core::Aiv, |k| k.output::<i32>(0).map(drop)).unwrap();
    let matrix = bench.chip.zeros::<i32>(&[16, 16]).unwrap();
    let tiles = |kernel: &Kernel, step: u32| {
        bench.manual(|orch| {
            for at in 0..16 {
                let tile = matrix.view(&[at / 4 * step, at % 4 * step], &[4, 4])?;
                // Every second one as a transposed view of the same elements.
                let tile = if at % 2 == 0 { tile.transpose(0, 1)? } else { tile };
                orch.submit(kernel).inout(&tile).go()?;
            }
            Ok(())
        })
    };
    tiles(&touch, 4).unwrap();
    // Each has a row, a column or a corner in common with each neighbour.
    let report = races(tiles(&touch, 3));
    assert_eq!(report.total(), 3 * 4 * 2 + 3 * 3 * 2, "{report}");
    // Who takes no view touches nothing, whatever was declared.
    tiles(&bench.nop, 3).unwrap();
}

#[test]
fn memory_that_is_given_out_again_has_no_past() {
    let _dog = dog();
    let tight = RingSizes::default().with_window(4).with_heap(2048);
    let bench = Bench::new(checked().rings(tight));
    let log = Log::default();
    let notes = log.clone();
    let note = move |k: &mut KernelCtx<'_>| {
        notes.note(k.output::<i32>(0)?.as_ptr().addr() as u64);
        Ok(())
    };
    let note = bench.chip.kernel("note", Core::Aiv, note).unwrap();
    bench
        .chip
        .run(|orch| {
            for round in 0..40 {
                orch.manual_scope(|orch| {
                    if round % 2 == 0 {
                        orch.submit(&note).output(&[256], DataType::I32).go()?;
                    } else {
                        let made = orch.alloc(&[256], DataType::I32)?;
                        orch.submit(&note).inout(&made).go()?;
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })
        .unwrap();
    let mut addresses = log.take();
    assert_eq!(addresses.len(), 40);
    addresses.sort_unstable();
    addresses.dedup();
    assert!(addresses.len() <= 2, "the heap has room for two: {addresses:x?}");
}

#[test]
fn predicates_and_the_program_itself_race_too() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let found = race(bench.manual(|orch| {
        bench.task(orch, &[])?;
        orch.submit(&bench.nop).predicate(&bench.x, &[2], PredicateOp::Eq, 0).go().map(drop)
    }));
    assert_eq!((found.second.through, found.second.writes), (Through::Predicate, false));
    assert_eq!((found.missing.clone(), found.bytes.clone()), (Missing::After, 8..12), "{found}");

    let mut site = String::new();
    let found = race(bench.manual(|orch| {
        bench.task(orch, &[])?;
        site = next_line!();
        orch.write(&bench.x, &[3], 9i32)
    }));
    assert_eq!((found.second.through, found.second.task), (Through::Host, None));
    assert_eq!((found.missing.clone(), found.bytes.clone()), (Missing::HostWait, 12..16), "{found}");
    assert!(found.to_string().contains(&site), "{found}");

    // In an auto scope both wait.
    bench
        .chip
        .run(|orch| {
            bench.task(orch, &[])?;
            orch.submit(&bench.nop).predicate(&bench.x, &[2], PredicateOp::Eq, 0).go()?;
            bench.task(orch, &[])?;
            orch.write(&bench.x, &[3], 9i32)?;
            bench.task(orch, &[]).map(drop)
        })
        .unwrap();
}

#[test]
fn the_first_manual_scope_comes_after_what_is_before_it() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let program = |twice: bool| {
        bench.chip.run(|orch| {
            if twice {
                orch.manual_scope(|_| Ok(()))?;
            }
            bench.task(orch, &[])?;
            orch.manual_scope(|orch| bench.task(orch, &[]).map(drop))
        })
    };
    program(false).unwrap();
    assert_eq!(race(program(true)).missing, Missing::After);
}

#[test]
fn blocks_of_a_task_share_what_they_write() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let block = |k: &mut KernelCtx<'_>| {
        k.output::<i32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x += 1);
        Ok(())
    };
    let block = bench.chip.kernel("block", Core::Aiv, block).unwrap();
    bench.chip.run(|orch| orch.submit(&block).inout(&bench.x).blocks(6).go().map(drop)).unwrap();
    // With another task they race, once.
    let found = race(bench.manual(|orch| {
        orch.submit(&block).inout(&bench.x).blocks(6).go()?;
        bench.task(orch, &[]).map(drop)
    }));
    assert_eq!(found.first.kernel.as_deref(), Some("block"));
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let _dog = dog();
    let report = |seed: Option<u64>| {
        let builder = seed.map_or(checked(), |seed| checked().seed(seed));
        let bench = Bench::new(builder.rings(RingSizes::default().with_window(8)));
        races(bench.manual(|orch| {
            for task in 0..14 {
                bench.task(orch, &[])?;
                let third = bench.x.slice(0, task % 8..task % 8 + 1)?;
                orch.submit(&bench.add).no_dep(&third).scalar(1i32).go()?;
            }
            Ok(())
        }))
    };
    let (first, again) = (report(Some(5)), report(Some(5)));
    assert_eq!(first, again);
    assert_eq!(first.to_string(), again.to_string());
    assert_eq!(report(None), report(Some(0)), "0 is the seed where none is given");
    assert_ne!(
        first.to_string(),
        report(Some(6)).to_string(),
        "the order in which they are found is the seed's"
    );
    assert_eq!((first.races().len(), first.total() > 64), (64, true));
    let more = format!("and {} more pairs of tasks; mend these first", first.total() - 64);
    assert!(first.to_string().ends_with(&more), "{first}");
}

#[test]
fn another_cause_stays_the_cause_and_the_next_run_starts_anew() {
    let _dog = dog();
    let bench = Bench::new(checked());
    let fails = fails(&bench.chip);
    let run = bench.chip.run(|orch| {
        orch.manual_scope(|orch| {
            bench.task(orch, &[])?;
            bench.task(orch, &[])?;
            orch.submit(&fails).go().map(drop)
        })
    });
    assert_eq!(failure(run).kernel, "fails");
    assert_eq!(bench.chip.races().map(|report| report.total()), Some(1));
    bench.chip.run(|orch| bench.task(orch, &[]).map(drop)).unwrap();
    assert_eq!(bench.chip.races(), None);
    // An input is no output under the checker either.
    let run = bench.chip.run(|orch| orch.submit(&bench.add).input(&bench.x).scalar(1i32).go().map(drop));
    assert!(matches!(failure(run).error, KernelError::Access { arg: 0, .. }));
}

#[test]
fn nothing_is_checked_unless_it_is_asked_for() {
    let _dog = dog();
    let bench = Bench::new(Chip::sim(prewire_a2a3::a2a3()).clusters(2).seed(3));
    bench
        .manual(|orch| {
            bench.task(orch, &[])?;
            bench.task(orch, &[]).map(drop)
        })
        .unwrap();
    assert_eq!(bench.chip.races(), None);
}

#[test]
fn the_checker_does_not_change_the_order() {
    let _dog = dog();
    let order = |builder: ChipBuilder, seed: u64| {
        let chip = builder.seed(seed).rings(RingSizes::default().with_window(8)).build().unwrap();
        let log = Log::default();
        let notes = log.clone();
        let body = move |k: &mut KernelCtx<'_>| {
            notes.note(k.scalar::<u64>(0)?);
            k.output::<i32>(0).map(drop)
        };
        let note = chip.kernel("note", Core::Aiv, body).unwrap();
        let x = chip.zeros::<i32>(&[4, 8]).unwrap();
        chip.run(|orch| {
            for task in 0..60u64 {
                let row = (task * 7 % 4) as u32;
                orch.submit(&note).inout(&x.slice(0, row..row + 1)?).scalar(task).go()?;
            }
            Ok(())
        })
        .unwrap();
        log.take()
    };
    for seed in 0..4 {
        let plain = Chip::sim(prewire_a2a3::a2a3()).clusters(2);
        assert_eq!(order(checked(), seed), order(plain, seed), "seed {seed}");
    }
    assert_ne!(order(checked(), 1), order(checked(), 2));
}
