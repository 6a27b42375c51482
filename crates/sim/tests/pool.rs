//! A pool of any size runs every dispatch exactly once.
extern crate alloc;
mod common;

use alloc::sync::Arc;
use common::{Farm, Plan};
use core::time::Duration;
use prewire_platform::{DeviceMemory, LaneId, LaneStatus, Lanes};
use prewire_sim::{Sim, SimConfig, SimError};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Watchdog;
use std::sync::{Mutex, mpsc};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn every_dispatch_is_run_exactly_once_on_both_chips_with_any_number_of_threads() {
    let _dog = Watchdog::new(LIMIT);
    for spec in [prewire_a2a3::a2a3(), prewire_a5::a5(), prewire_a2a3::a2a3().with_clusters(1)] {
        for threads in [1, 2, 3] {
            for two_places in [true, false] {
                let plan = Plan { two_places, ..Plan::independent(20_000) };
                let (sim, farm) = Farm::start(spec, SimConfig::default().threads(threads), plan);
                sim.kick();
                farm.wait();
                sim.stop();
                farm.assert_each_once();
                assert_eq!(sim.stats().executed, 20_000);
                assert_eq!(sim.fault(), None);
            }
        }
    }
}

#[test]
fn a_chain_goes_from_task_to_task_on_one_thread_that_wakes_nobody() {
    let _dog = Watchdog::new(LIMIT);
    let plan = Plan { ready: 1, chain: true, ..Plan::independent(50_000) };
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(2), plan);
    sim.kick();
    farm.wait();
    sim.stop();
    farm.assert_each_once();
}

#[test]
fn works_that_trickle_in_from_outside_find_a_thread_each_time() {
    let _dog = Watchdog::new(LIMIT);
    for threads in [1, 2] {
        let plan = Plan { ready: 0, ..Plan::independent(4_000) };
        let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(threads), plan);
        farm.wake_at.store(0, Ordering::Relaxed);
        for round in 1..=2_000u64 {
            // Each round begins when the threads are about to park, or have: every wake races with parking.
            farm.publish(2);
            sim.kick();
            let seen = farm
                .progress
                .wait_until(Some(LIMIT), || (farm.done.load(Ordering::Acquire) >= round * 2).then_some(()));
            assert!(seen.is_some(), "round {round}: {:?}", sim.stats());
        }
        sim.stop();
        farm.assert_each_once();
    }
}

#[test]
fn the_last_thread_that_parks_says_so() {
    let _dog = Watchdog::new(LIMIT);
    let (sim, farm) =
        Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(2), Plan::independent(100));
    for round in 0..100 {
        let before = farm.quiescent.load(Ordering::Acquire);
        sim.kick();
        let said = farm
            .progress
            .wait_until(Some(LIMIT), || (farm.quiescent.load(Ordering::Acquire) > before).then_some(()));
        assert!(said.is_some(), "round {round}: {:?}", sim.stats());
        assert!(farm.is_done(), "it parks only when nothing is left to do");
    }
    sim.stop();
}

#[test]
fn a_simulator_can_be_stopped_and_started_again() {
    let _dog = Watchdog::new(LIMIT);
    let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().threads(2)).unwrap();
    for run in 1..=20 {
        let farm = Farm::new(&sim, Plan::independent(500));
        sim.start(farm.clone()).unwrap();
        assert!(matches!(sim.start(farm.clone()), Err(SimError::Running)));
        assert_eq!(sim.status(LaneId(0)), LaneStatus::Idle);
        sim.kick();
        farm.wait();
        sim.stop();
        sim.stop();
        farm.assert_each_once();
        assert_eq!(sim.status(LaneId(71)), LaneStatus::Exited);
        assert_eq!(sim.stats().executed, 500 * run);
        assert_eq!(Arc::strong_count(&farm), 1, "the simulator let go of its host");
    }
}

#[test]
fn a_stop_in_the_middle_of_the_work_ends() {
    let _dog = Watchdog::new(LIMIT);
    for _ in 0..50 {
        let (sim, farm) =
            Farm::start(prewire_a5::a5(), SimConfig::default().threads(2), Plan::independent(1_000_000));
        sim.kick();
        while farm.done.load(Ordering::Acquire) < 100 {
            core::hint::spin_loop();
        }
        sim.stop();
        assert!(farm.runs.iter().all(|runs| runs.load(Ordering::Relaxed) <= 1));
    }
}

#[test]
fn a_kernel_may_stop_the_simulator_and_another_thread_start_it_again() {
    let _dog = Watchdog::new(LIMIT);
    let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().threads(2)).unwrap();
    for _ in 0..100 {
        let stopped = Arc::new(AtomicU32::new(0));
        let by_kernel = stopped.clone();
        let plan = Plan::independent(64).kernel(move |sim, _, work| {
            if work.slot == 7 {
                sim.stop();
                by_kernel.store(1, Ordering::Release);
            }
        });
        let farm = Farm::new(&sim, plan);
        sim.start(farm.clone()).unwrap();
        sim.kick();
        while stopped.load(Ordering::Acquire) == 0 {
            core::hint::spin_loop();
        }
        assert_eq!(farm.runs[7].load(Ordering::Relaxed), 1);
        let next = Farm::new(&sim, Plan::independent(200));
        sim.start(next.clone()).unwrap();
        sim.kick();
        next.wait();
        sim.stop();
        next.assert_each_once();
    }
}

#[test]
fn configurations_that_make_no_sense_are_refused_with_the_field_and_its_range() {
    let chip = prewire_a2a3::a2a3;
    let refused = |config| Sim::new(chip(), config).unwrap_err().to_string();
    assert!(refused(SimConfig::default().threads(0)).contains("threads is 0, allowed are 1 to 72"));
    assert!(
        refused(SimConfig::default().threads(3).max_threads(2)).contains("threads is 3, allowed are 1 to 2")
    );
    assert!(refused(SimConfig::default().max_threads(73)).contains("max_threads is 73, allowed are 1 to 72"));
    assert!(refused(SimConfig::default().grow_after(Duration::ZERO)).contains("grow_after"));
    let none = Sim::new(chip().with_clusters(0), SimConfig::default()).unwrap_err();
    assert!(none.to_string().contains("`a2a3` is not a chip"), "{none}");
}

#[test]
fn device_memory_is_the_memory_of_kernels() {
    let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().memory_limit(1 << 30)).unwrap();
    let addr = sim.allocate(1 << 29).unwrap();
    assert!(sim.allocate(1 << 30).is_err());
    sim.write(addr + (1 << 28), b"tensor").unwrap();
    let mut back = [0; 6];
    sim.read(addr + (1 << 28), &mut back).unwrap();
    assert_eq!(&back, b"tensor");
    sim.free(addr).unwrap();
    assert!(sim.read(addr, &mut back).is_err());
}

#[test]
fn threads_whose_kernels_do_not_return_are_left_behind_and_end_when_they_do() {
    let _dog = Watchdog::new(Duration::from_secs(60));
    let (began, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (began, released) = (Mutex::new(began), Mutex::new(released));
    let plan = Plan::independent(1).kernel(move |_, _, _| {
        began.lock().unwrap().send(()).unwrap();
        let _ = released.lock().unwrap().recv();
    });
    let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().threads(2)).unwrap();
    let farm = Farm::new(&sim, plan);
    let gone = Arc::downgrade(&farm);
    sim.start(farm.clone()).unwrap();
    sim.kick();
    begun.recv().unwrap();
    assert_eq!(sim.abandon(Duration::from_millis(20)), 1, "one thread is in the kernel");
    assert_eq!(sim.abandon(Duration::ZERO), 0, "it was left before");
    drop(farm);
    assert!(gone.upgrade().is_some(), "the kernel's thread has its host");
    drop(release);
    // A start waits for the thread that was left behind.
    let next = Farm::new(&sim, Plan::independent(5));
    sim.start(next.clone()).unwrap();
    assert!(gone.upgrade().is_none(), "it ended, and let its host go");
    sim.kick();
    next.wait();
    sim.stop();
    assert_eq!(sim.abandon(Duration::ZERO), 0);
}
