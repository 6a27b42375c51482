//! Kernels may block, on their peers or on anything else, with far fewer threads than cores.
extern crate alloc;
mod common;

use alloc::sync::Arc;
use common::{Farm, Plan};
use core::time::Duration;
use prewire_os::Event;
use prewire_platform::Lanes;
use prewire_sim::{PeerWait, SimConfig};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Watchdog;

const LIMIT: Duration = Duration::from_secs(120);

/// Works in groups of `size`: each waits in the simulator until all of its group have come.
fn managed_barrier(works: usize, size: u32) -> Plan {
    let arrived: Vec<AtomicU32> = (0..works as u32 / size).map(|_| AtomicU32::new(0)).collect();
    Plan { two_places: false, ..Plan::independent(works) }.kernel(move |sim, _, work| {
        let group = &arrived[(work.slot / size) as usize];
        group.fetch_add(1, Ordering::AcqRel);
        sim.peer_news();
        let end = sim.wait_for_peer(&mut || group.load(Ordering::Acquire) == size);
        assert_eq!(end, PeerWait::Ready);
    })
}

#[test]
fn three_lanes_meet_on_a_pool_of_one_thread() {
    let _dog = Watchdog::new(LIMIT);
    let config = SimConfig::default().threads(1).grow_after(Duration::from_secs(3600));
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config, managed_barrier(300, 3));
    sim.kick();
    farm.wait();
    let stats = sim.stats();
    assert_eq!(stats.grown, 0, "nobody had to notice: the kernels said that they wait");
    assert!(stats.threads > 3, "three workers and the watchman: {stats:?}");
    sim.stop();
    farm.assert_each_once();
}

#[test]
fn a_cohort_of_all_cores_meets_on_a_pool_of_two_threads() {
    let _dog = Watchdog::new(LIMIT);
    for spec in [prewire_a2a3::a2a3(), prewire_a5::a5()] {
        let cores = u32::from(spec.cores());
        let config = SimConfig::default().threads(2).grow_after(Duration::from_secs(3600));
        let (sim, farm) = Farm::start(spec, config, managed_barrier(cores as usize * 3, cores));
        sim.kick();
        farm.wait();
        let stats = sim.stats();
        assert!(u32::from(stats.peak_threads) <= cores + 1, "at most a thread a core: {stats:?}");
        sim.stop();
        farm.assert_each_once();
    }
}

#[test]
fn kernels_that_wait_in_foreign_code_are_noticed_and_the_pool_grows() {
    let _dog = Watchdog::new(LIMIT);
    let barriers: Vec<std::sync::Barrier> = (0..4).map(|_| std::sync::Barrier::new(6)).collect();
    let plan = Plan { two_places: false, ..Plan::independent(24) }.kernel(move |_, _, work| {
        barriers[(work.slot / 6) as usize].wait();
    });
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(1), plan);
    sim.kick();
    farm.wait();
    let stats = sim.stats();
    assert!(stats.grown >= 5, "one thread cannot hold six kernels: {stats:?}");
    sim.stop();
    farm.assert_each_once();
}

#[test]
fn kernels_that_spin_for_each_other_get_there_too() {
    let _dog = Watchdog::new(LIMIT);
    let arrived = AtomicU32::new(0);
    let plan = Plan { two_places: false, ..Plan::independent(4) }.kernel(move |_, _, _| {
        arrived.fetch_add(1, Ordering::AcqRel);
        while arrived.load(Ordering::Acquire) < 4 {
            core::hint::spin_loop();
        }
    });
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(1), plan);
    sim.kick();
    farm.wait();
    sim.stop();
    farm.assert_each_once();
}

#[test]
fn a_kernel_that_waits_for_the_last_one_takes_one_thread_more_and_no_further_one() {
    let _dog = Watchdog::new(LIMIT);
    let last = AtomicU32::new(0);
    let works = 5_000;
    let plan = Plan { two_places: false, ..Plan::independent(works) }.kernel(move |sim, _, work| {
        if work.slot == 0 {
            let _ = sim.wait_for_peer(&mut || last.load(Ordering::Acquire) == 1);
        } else if work.slot as usize == works - 1 {
            last.store(1, Ordering::Release);
            sim.peer_news();
        }
    });
    let config = SimConfig::default().threads(1).max_threads(2);
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config, plan);
    sim.kick();
    farm.wait();
    assert_eq!(sim.stats().peak_threads, 3, "two workers and the watchman");
    sim.stop();
    farm.assert_each_once();
}

#[test]
fn stop_tells_the_kernels_that_wait() {
    let _dog = Watchdog::new(LIMIT);
    let shared = Arc::new((Event::new(), AtomicU32::new(0), AtomicU32::new(0)));
    let inside = shared.clone();
    let plan = Plan { two_places: false, ..Plan::independent(10) }.kernel(move |sim, _, _| {
        inside.1.fetch_add(1, Ordering::AcqRel);
        inside.0.notify_all();
        if sim.wait_for_peer(&mut || false) == PeerWait::Stopped {
            inside.2.fetch_add(1, Ordering::AcqRel);
        }
    });
    let (sim, _farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(1), plan);
    sim.kick();
    let all = shared.0.wait_until(Some(LIMIT), || (shared.1.load(Ordering::Acquire) == 10).then_some(()));
    assert!(all.is_some(), "{:?}", sim.stats());
    sim.stop();
    assert_eq!(shared.2.load(Ordering::Acquire), 10);
    assert_eq!(sim.stats().blocked, 0);
}
