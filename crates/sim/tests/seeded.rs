//! Under a seed the order is one, and another seed gives another.
extern crate alloc;
mod common;

use alloc::sync::Arc;
use common::{Farm, Plan};
use core::time::Duration;
use prewire_sim::{Mode, PeerWait, SimConfig};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Watchdog;

const LIMIT: Duration = Duration::from_secs(120);

fn config(seed: u64) -> SimConfig {
    SimConfig::default().mode(Mode::Seeded { seed })
}

/// The order of execution, and the time it took.
fn run(seed: u64, plan: Plan) -> (Vec<(u16, u32)>, u64) {
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config(seed), Plan { keep_order: true, ..plan });
    while sim.step() {}
    assert!(farm.is_done(), "{:?}", sim.stats());
    farm.assert_each_once();
    let now = sim.now();
    sim.stop();
    (farm.order.as_ref().unwrap().lock().unwrap().clone(), now)
}

#[test]
fn the_same_seed_gives_the_same_order_and_another_seed_another() {
    let plans: [fn() -> Plan; 3] = [
        || Plan::independent(1_000),
        || Plan { ready: 3, chain: true, ..Plan::independent(500) },
        || barrier(600, 3),
    ];
    for plan in plans {
        let first = run(1, plan());
        assert_eq!(run(1, plan()), first);
        assert_ne!(run(2, plan()).0, first.0);
        assert!(first.1 > 0);
    }
}

fn barrier(works: usize, size: u32) -> Plan {
    let arrived: Vec<AtomicU32> = (0..works as u32 / size).map(|_| AtomicU32::new(0)).collect();
    Plan { two_places: false, may_block: true, ..Plan::independent(works) }.kernel(move |sim, _, work| {
        let group = &arrived[(work.slot / size) as usize];
        group.fetch_add(1, Ordering::AcqRel);
        sim.peer_news();
        assert_eq!(sim.wait_for_peer(&mut || group.load(Ordering::Acquire) == size), PeerWait::Ready);
    })
}

#[test]
fn a_cohort_of_all_cores_meets_and_the_stacks_are_used_again() {
    let _dog = Watchdog::new(LIMIT);
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config(3), barrier(72 * 4, 72));
    while sim.step() {}
    assert!(farm.is_done());
    assert!(sim.stats().peak_threads <= 72 && sim.stats().peak_threads > 1, "{:?}", sim.stats());
    sim.stop();
    assert_eq!(sim.stats().threads, 0);
}

#[test]
fn when_everybody_waits_there_is_no_step() {
    let _dog = Watchdog::new(LIMIT);
    // Groups of three, and one work too few.
    let arrived = AtomicU32::new(0);
    let plan =
        Plan { two_places: false, may_block: true, ..Plan::independent(2) }.kernel(move |sim, _, _| {
            arrived.fetch_add(1, Ordering::AcqRel);
            let _ = sim.wait_for_peer(&mut || arrived.load(Ordering::Acquire) == 3);
        });
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config(5), plan);
    while sim.step() {}
    assert!(!farm.is_done());
    assert_eq!(sim.stats().blocked, 2);
    assert!(!sim.step(), "it is over");
    sim.stop();
    assert_eq!((sim.stats().blocked, sim.stats().threads), (0, 0));
}

#[test]
fn work_that_was_said_not_to_block_is_told_that_it_cannot() {
    let told = Arc::new(AtomicU32::new(0));
    let tell = told.clone();
    let plan = Plan::independent(1).kernel(move |sim, _, _| {
        if sim.wait_for_peer(&mut || false) == PeerWait::CannotWait {
            tell.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config(5), plan);
    while sim.step() {}
    assert!(farm.is_done());
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_step_inside_a_callback_does_nothing() {
    let plan = Plan::independent(10).kernel(|sim, _, _| assert!(!sim.step()));
    run(1, plan);
}
