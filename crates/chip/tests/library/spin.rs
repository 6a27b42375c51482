//! Kernels that wait for each other in loops of their own: the simulator runs each on a thread, on however few processors.

use std::sync::mpsc;
use std::time::Duration;

use prewire_chip::{Chip, Core, Mix};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Watchdog;

use crate::Case;
use crate::compile::kernel;
use crate::kept::kept;

pub(crate) const CASES: &[Case] = &[
    ("spin::blocks_that_start_together_wait_for_each_other", blocks_that_start_together_wait_for_each_other),
    (
        "spin::blocks_that_start_as_they_can_wait_for_each_other",
        blocks_that_start_as_they_can_wait_for_each_other,
    ),
    ("spin::the_places_of_a_cluster_wait_for_each_other", the_places_of_a_cluster_wait_for_each_other),
    ("spin::tasks_without_an_edge_wait_for_each_other", tasks_without_an_edge_wait_for_each_other),
    ("spin::what_has_begun_goes_before_who_needs_a_cluster", what_has_begun_goes_before_who_needs_a_cluster),
];

const LONG: Duration = Duration::from_secs(120);

/// Each arrives, and goes when all of them have.
const MEET: &str = "arrive(WORDS(0)); wait_for(WORDS(0), (uint32_t)args[1]);";

fn chip(threads: u16) -> Chip {
    Chip::sim(prewire_a2a3::a2a3()).clusters(8).threads(threads).build().unwrap()
}

fn blocks_that_start_together_wait_for_each_other() {
    let _dog = Watchdog::new(LONG);
    for threads in [1, 2] {
        let chip = chip(threads);
        let meet = kernel(&chip, "meet", Core::Aiv, MEET);
        let count = chip.zeros::<u32>(&[1]).unwrap();
        chip.run(|orch| {
            for round in 1..=6u64 {
                orch.submit(&meet).inout(&count).scalar(16 * round).blocks(16).sync_start().go()?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(chip.read::<u32>(&count).unwrap(), [96]);
        assert!(chip.peak_threads() >= 16, "each of them had a thread: {}", chip.peak_threads());
    }
}

/// Without `sync_start`: there are no more blocks than cores.
fn blocks_that_start_as_they_can_wait_for_each_other() {
    let _dog = Watchdog::new(LONG);
    for threads in [1, 2] {
        let chip = chip(threads);
        let meet = kernel(&chip, "meet", Core::Aiv, MEET);
        let cube = kernel(&chip, "cube", Core::Aic, MEET);
        let counts = chip.zeros::<u32>(&[2]).unwrap();
        let (one, other) = (counts.view(&[0], &[1]).unwrap(), counts.view(&[1], &[1]).unwrap());
        chip.run(|orch| {
            for round in 1..=4u64 {
                orch.submit(&meet).inout(&one).scalar(16 * round).blocks(16).go()?;
                orch.submit(&cube).inout(&other).scalar(8 * round).blocks(8).go()?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(chip.read::<u32>(&counts).unwrap(), [64, 32]);
    }
}

fn the_places_of_a_cluster_wait_for_each_other() {
    let _dog = Watchdog::new(LONG);
    for threads in [1, 2] {
        let chip = chip(threads);
        let cube = kernel(&chip, "cube", Core::Aic, MEET);
        let first = kernel(&chip, "first", Core::Aiv, MEET);
        let second = kernel(&chip, "second", Core::Aiv, MEET);
        let mix = Mix { aic: Some(&cube), aiv0: Some(&first), aiv1: Some(&second) };
        let all = chip.mix("all", mix).unwrap();
        let count = chip.zeros::<u32>(&[1]).unwrap();
        chip.run(|orch| {
            for round in 1..=20u64 {
                // Now and then all clusters, with blocks that wait for one another too.
                let together = round % 5 == 0;
                let blocks = if together { 8 } else { 1 };
                let before = [0, 3, 6, 9, 12][(round as usize - 1) % 5] + (round - 1) / 5 * 36;
                let task =
                    orch.submit(&all).inout(&count).scalar(before + 3 * u64::from(blocks)).blocks(blocks);
                if together {
                    task.sync_start().go()?
                } else {
                    task.go()?
                };
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(chip.read::<u32>(&count).unwrap(), [4 * 36]);
    }
}

fn tasks_without_an_edge_wait_for_each_other() {
    let _dog = Watchdog::new(LONG);
    let chip = chip(1);
    let meet = kernel(&chip, "meet", Core::Aiv, MEET);
    let count = chip.zeros::<u32>(&[1]).unwrap();
    chip.run(|orch| {
        orch.manual_scope(|orch| {
            for _ in 0..12 {
                orch.submit(&meet).no_dep(&count).scalar(12u64).go()?;
            }
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(chip.read::<u32>(&count).unwrap(), [12]);
}

/// One block of a task waits for the other while a lane is kept for a task that needs the cluster.
fn what_has_begun_goes_before_who_needs_a_cluster() {
    let _dog = Watchdog::new(LONG);
    for threads in [1, 2] {
        let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(threads).build().unwrap();
        let word = "volatile uint32_t *words = (volatile uint32_t *)(uintptr_t)args[0];";
        let body = |name, core, body| kernel(&chip, name, core, &format!("{word} {body}"));
        let holds = body("holds", Core::Aiv, "arrive(words); wait_for(words + 1, 1);");
        let meet = body("meet", Core::Aiv, "arrive(words + 2); wait_for(words + 2, 2);");
        let (cube, vector) =
            (body("cube", Core::Aic, "arrive(words + 3);"), body("vector", Core::Aiv, "arrive(words + 3);"));
        let all =
            chip.mix("all", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) }).unwrap();
        let words = kept([const { AtomicU32::new(0) }; 4]);
        let addr = words[0].as_ptr().expose_provenance() as u64;
        let (told, hear) = mpsc::channel();
        let run = chip
            .launch(move |orch| {
                orch.submit(&holds).scalar(addr).go()?;
                orch.submit(&meet).scalar(addr).blocks(2).go()?;
                hear.recv().unwrap();
                orch.submit(&all).scalar(addr).go()?;
                // The cluster is asked for: now one lane of it comes free.
                words[1].store(1, Ordering::Release);
                Ok(())
            })
            .unwrap();
        while words[0].load(Ordering::Acquire) + words[2].load(Ordering::Acquire) < 2 {
            std::thread::yield_now();
        }
        told.send(()).unwrap();
        run.wait().unwrap();
        assert_eq!(words[3].load(Ordering::Acquire), 3);
    }
}
