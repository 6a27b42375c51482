//! Sub-tasks: SPMD blocks, the places of a MIX task, and cohorts that start together.
mod common;

use common::{Log, add, dog};
use prewire_chip::{Chip, ChipBuilder, ChipSpec, Core, DataType, Kernel, KernelCtx, KernelError, Mix, Place};

fn chips() -> [ChipSpec; 2] {
    [prewire_a2a3::a2a3(), prewire_a5::a5()]
}

/// The ways in which a chip is set up here.
fn ways(spec: ChipSpec) -> Vec<(String, Chip)> {
    let chip = || Chip::sim(spec);
    let named =
        |name: &str, builder: ChipBuilder| (format!("{} {name}", spec.name), builder.build().unwrap());
    vec![
        named("whole", chip()),
        named("on one thread", chip().threads(1)),
        named("of one cluster", chip().clusters(1)),
        named("of five clusters in two domains", chip().clusters(5).domains(2)),
        named("seeded", chip().clusters(6).seed(17)),
    ]
}

/// Adds block + 1 to the row of the block.
fn rows(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let columns = k.shape(0)?[1];
    let block = k.block();
    let mut row = k.output_at::<i32>(0, &[block, 0], &[1, columns])?;
    row.as_mut_slice()?.iter_mut().for_each(|x| *x += block as i32 + 1);
    Ok(())
}

#[test]
fn each_block_runs_exactly_once() {
    let _dog = dog();
    for spec in chips() {
        for (name, chip) in ways(spec) {
            let kernels = [
                chip.kernel("vector rows", Core::Aiv, rows).unwrap(),
                chip.kernel("cube rows", Core::Aic, rows).unwrap(),
            ];
            let x = chip.zeros::<i32>(&[300, 4]).unwrap();
            let report = chip
                .run(|orch| {
                    for kernel in kernels.iter().cycle().take(4) {
                        orch.submit(kernel).inout(&x).blocks(300).go()?;
                    }
                    Ok(())
                })
                .unwrap();
            assert_eq!((report.tasks, report.executed), (4, 1200), "{name}");
            let expected: Vec<i32> = (0..300).flat_map(|row| [4 * (row + 1); 4]).collect();
            assert_eq!(chip.read::<i32>(&x).unwrap(), expected, "{name}");
        }
    }
}

/// A sub-task knows how many blocks there are, and where it runs.
#[test]
fn a_sub_task_knows_its_place() {
    let _dog = dog();
    let chip = Chip::sim(prewire_a2a3::a2a3()).build().unwrap();
    let check = |core, places: &'static [Place]| {
        move |k: &mut KernelCtx<'_>| {
            assert!(k.blocks() == 7 && k.block() < 7 && k.core() == core && places.contains(&k.place()));
            assert!(k.tensors() == 1 && k.scalars() == 2 && k.scalar::<u8>(1)? == 4);
            Ok(())
        }
    };
    let cube = chip.kernel("cube", Core::Aic, check(Core::Aic, &[Place::Aic])).unwrap();
    let vector = chip.kernel("vector", Core::Aiv, check(Core::Aiv, &[Place::Aiv0, Place::Aiv1])).unwrap();
    let second = chip.kernel("second", Core::Aiv, check(Core::Aiv, &[Place::Aiv1])).unwrap();
    let mix = chip.mix("mix", Mix { aic: Some(&cube), aiv0: None, aiv1: Some(&second) }).unwrap();
    let report = chip
        .run(|orch| {
            for kernel in [&cube, &vector, &mix] {
                orch.submit(kernel).output(&[1], DataType::U8).scalar(3u8).scalar(4u8).blocks(7).go()?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(report.executed, 28);
}

/// Each place writes its row of the block, and after the barrier copies that of the next place; and once more.
fn exchange(places: &'static [Place]) -> impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> {
    move |k| {
        let n = places.len() as u32;
        let me = places.iter().position(|p| *p == k.place()).unwrap() as u32;
        let (block, next) = (k.block(), (me + 1) % n);
        for round in 0..3 {
            k.output_at::<u32>(0, &[block, me, 0], &[1, 1, 8])?.fill(100 * block + 10 * me + round);
            k.cluster_barrier()?;
            let theirs = k.input_at::<u32>(0, &[block, next, 0], &[1, 1, 8])?.to_vec();
            if theirs != [100 * block + 10 * next + round; 8] {
                return Err(KernelError::new(format!("round {round}: {theirs:?}")));
            }
            // They have read before this one writes again.
            k.cluster_barrier()?;
        }
        Ok(())
    }
}

#[test]
fn the_places_of_a_cluster_exchange_what_they_wrote() {
    let _dog = dog();
    const SETS: [&[Place]; 4] = [
        &[Place::Aic, Place::Aiv0, Place::Aiv1],
        &[Place::Aic, Place::Aiv0],
        &[Place::Aic, Place::Aiv1],
        &[Place::Aiv0, Place::Aiv1],
    ];
    for spec in chips() {
        for (name, chip) in ways(spec) {
            let mixes: Vec<(Kernel, u32)> = SETS
                .iter()
                .enumerate()
                .map(|(i, places)| {
                    let part = |place: Place, core: Core| {
                        places
                            .contains(&place)
                            .then(|| chip.kernel(&format!("{place:?} {i}"), core, exchange(places)).unwrap())
                    };
                    let (aic, aiv0, aiv1) = (
                        part(Place::Aic, Core::Aic),
                        part(Place::Aiv0, Core::Aiv),
                        part(Place::Aiv1, Core::Aiv),
                    );
                    let parts = Mix { aic: aic.as_ref(), aiv0: aiv0.as_ref(), aiv1: aiv1.as_ref() };
                    (chip.mix(&format!("mix {i}"), parts).unwrap(), places.len() as u32)
                })
                .collect();
            let add = add(&chip);
            let x = chip.zeros::<i32>(&[4]).unwrap();
            let report = chip
                .run(|orch| {
                    for (mix, places) in &mixes {
                        for blocks in [1, 13] {
                            orch.submit(mix)
                                .output(&[blocks, *places, 8], DataType::U32)
                                .blocks(blocks)
                                .go()?;
                            orch.submit(&add).inout(&x).scalar(1i32).go()?;
                        }
                    }
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(report.executed, 14 * (3 + 2 + 2 + 2) + 8, "{name}");
            assert_eq!(chip.read::<i32>(&x).unwrap(), [8; 4], "{name}");
        }
    }
}

/// Meets all of the task twice, and in between counts how many of its blocks have come.
fn gathers(log: &Log) -> impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + use<> {
    let log = log.clone();
    move |k| {
        let id = k.scalar::<u64>(0)?;
        log.note(id);
        k.cohort_barrier()?;
        log.note(id + 1);
        k.cohort_barrier()
    }
}

#[test]
fn cohorts_of_every_shape_and_width_start_together_over_every_number_of_domains() {
    let _dog = dog();
    for domains in 1..=3 {
        for seed in [None, Some(5)] {
            let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(6).domains(domains);
            let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
            let log = Log::default();
            let cube = chip.kernel("cube", Core::Aic, gathers(&log)).unwrap();
            let vector = chip.kernel("vector", Core::Aiv, gathers(&log)).unwrap();
            let mix =
                chip.mix("mix", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) }).unwrap();
            let pair = chip.mix("pair", Mix { aic: None, aiv0: Some(&vector), aiv1: Some(&vector) }).unwrap();
            let add = add(&chip);
            let x = chip.zeros::<i32>(&[4]).unwrap();
            let mut subtasks = Vec::new();
            chip.run(|orch| {
                for round in 0..8 {
                    for (kernel, most, places) in
                        [(&cube, 6, 1), (&vector, 12, 1), (&mix, 6, 3), (&pair, 6, 2)]
                    {
                        let blocks = if round % 2 == 0 { most } else { 1 + round % most };
                        let id = 2 * subtasks.len() as u64;
                        orch.submit(kernel).scalar(id).blocks(blocks).sync_start().go()?;
                        subtasks.push(blocks * places);
                        // Between them, tasks that take single cores.
                        for _ in 0..3 {
                            orch.submit(&add).inout(&x).scalar(1i32).go()?;
                            orch.submit(&add).output(&[2], DataType::I32).scalar(1i32).blocks(1).go()?;
                        }
                    }
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{domains} domains, seed {seed:?}: {error}"));
            assert_eq!(chip.read::<i32>(&x).unwrap(), [96; 4]);
            let log = log.take();
            for (cohort, count) in subtasks.iter().enumerate() {
                let id = 2 * cohort as u64;
                let events: Vec<u64> = log.iter().copied().filter(|event| event / 2 == id / 2).collect();
                let (before, after) = events.split_at(*count as usize);
                assert!(before.iter().all(|e| *e == id) && after.iter().all(|e| *e == id + 1), "{events:?}");
                assert_eq!(after.len(), *count as usize);
            }
        }
    }
}

#[test]
fn cohorts_as_wide_as_the_whole_chip_run_in_a_row() {
    let _dog = dog();
    for spec in chips() {
        let chip = Chip::sim(spec).build().unwrap();
        let meets = chip.kernel("meets", Core::Aiv, |k| k.cohort_barrier()).unwrap();
        let x = chip.zeros::<i32>(&[2]).unwrap();
        let wide = u32::from(spec.aiv_cores());
        let report = chip
            .run(|orch| {
                assert_eq!((orch.aiv_cores(), orch.clusters()), (wide, u32::from(spec.clusters)));
                for i in 0..20 {
                    let submit = orch.submit(&meets).blocks(wide).sync_start();
                    // Some one after the other, some free to start.
                    if i % 2 == 0 { submit.inout(&x) } else { submit }.go()?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(report.executed, u64::from(20 * wide));
        assert!(chip.peak_threads() <= usize::from(spec.cores()) + 1);
    }
}

#[test]
fn a_cohort_whose_members_wait_at_different_barriers_is_told_at_once() {
    let _dog = dog();
    for spec in chips() {
        for (name, chip) in ways(spec) {
            let waits = chip.kernel("waits for all", Core::Aic, |k| k.cohort_barrier()).unwrap();
            let meets = chip.kernel("waits for its block", Core::Aiv, |k| k.cluster_barrier()).unwrap();
            let right = |k: &mut KernelCtx<'_>| {
                for _ in 0..3 {
                    k.cluster_barrier()?;
                    k.cohort_barrier()?;
                }
                k.cluster_barrier()
            };
            let cube = chip.kernel("cube", Core::Aic, right).unwrap();
            let vector = chip.kernel("vector", Core::Aiv, right).unwrap();
            let wrong = Mix { aic: Some(&waits), aiv0: Some(&meets), aiv1: Some(&meets) };
            let right = Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) };
            let (wrong, right) = (chip.mix("wrong", wrong).unwrap(), chip.mix("right", right).unwrap());
            let blocks = u32::from(chip.spec().clusters);
            for _ in 0..3 {
                let failure = common::failure(
                    chip.run(|orch| orch.submit(&wrong).blocks(blocks).sync_start().go().map(drop)),
                );
                let told = KernelError::BarrierDeadlock { cohort: blocks, blocks: 2 * blocks };
                assert_eq!(failure.error, told, "{name}");
                let report =
                    chip.run(|orch| orch.submit(&right).blocks(blocks).sync_start().go().map(drop)).unwrap();
                assert_eq!(report.executed, u64::from(3 * blocks), "{name}");
            }
            assert_eq!(chip.lost(), None, "{name}");
        }
    }
}
