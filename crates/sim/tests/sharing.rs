//! Who runs what when: a guest takes a place among the threads, and news that a worker has left wait for nobody.
extern crate alloc;
mod common;

use alloc::sync::{Arc, Weak};
use common::{Farm, Plan};
use core::time::Duration;
use prewire_os::Event;
use prewire_platform::Lanes;
use prewire_sim::SimConfig;
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Watchdog;
use std::sync::OnceLock;

const LIMIT: Duration = Duration::from_secs(120);

/// The watchman of such a simulator never looks.
const NEVER: Duration = Duration::from_secs(3600);

/// How many kernels are inside at a time, and the most that were.
#[derive(Debug, Default)]
struct Inside {
    now: AtomicU32,
    most: AtomicU32,
    news: Event,
}

impl Inside {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::AcqRel) + 1;
        self.most.fetch_max(now, Ordering::AcqRel);
        self.news.notify_all();
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::AcqRel);
    }

    fn most(&self) -> u32 {
        self.most.load(Ordering::Acquire)
    }

    /// Until two have been inside together, in code that the simulator knows nothing of.
    fn meet(&self) {
        let met = self.news.wait_until(Some(LIMIT), || (self.most() >= 2).then_some(()));
        assert!(met.is_some(), "nobody came");
    }
}

#[test]
fn beside_a_guest_one_thread_fewer_runs_until_it_goes() {
    let _dog = Watchdog::new(LIMIT);
    let (brief, long) = (20_000, 2);
    let inside = Arc::new(Inside::default());
    let seen = Arc::clone(&inside);
    let plan = Plan { ready: 0, ..Plan::independent(brief + long) }.kernel(move |_, _, work| {
        seen.enter();
        if work.slot as usize >= brief {
            seen.meet();
        }
        seen.leave();
    });
    let config = SimConfig::default().threads(2).grow_after(NEVER);
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config, plan);
    farm.wake_at.store(brief as u64, Ordering::Relaxed);
    sim.guest_comes();
    for _ in 0..brief / 100 {
        farm.publish(100);
        sim.kick();
    }
    let all = || (farm.done.load(Ordering::Acquire) == brief as u64).then_some(());
    assert!(farm.progress.wait_until(Some(LIMIT), all).is_some(), "{:?}", sim.stats());
    assert_eq!(inside.most(), 1, "two threads ran cores beside the guest");
    farm.publish(long as u64);
    sim.kick();
    sim.guest_goes();
    farm.wait();
    sim.stop();
    farm.assert_each_once();
}

#[test]
fn a_guest_that_does_not_go_on_loses_its_place() {
    let _dog = Watchdog::new(LIMIT);
    let inside = Arc::new(Inside::default());
    let (seen, farm) = (Arc::clone(&inside), Arc::new(OnceLock::<Weak<Farm>>::new()));
    let known = Arc::clone(&farm);
    // Each of them makes another one ready until two have been inside together. Whoever runs them moves all the time.
    let plan = Plan { ready: 4, ..Plan::independent(usize::from(u16::MAX) << 6) }.kernel(move |_, _, _| {
        seen.enter();
        let farm = known.get().and_then(Weak::upgrade).expect("it is there while it runs");
        if seen.most() < 2 {
            farm.publish(1);
            // So that the works last until the watchman has looked.
            for _ in 0..100 {
                core::hint::spin_loop();
            }
        }
        seen.leave();
    });
    let config = SimConfig::default().threads(2).max_threads(3).grow_after(Duration::from_millis(1));
    let (sim, started) = Farm::start(prewire_a2a3::a2a3(), config, plan);
    farm.set(Arc::downgrade(&started)).unwrap();
    sim.guest_comes();
    sim.kick();
    inside.meet();
    sim.stop();
}

#[test]
fn news_that_a_worker_has_left_are_polled_for_while_its_next_kernel_waits() {
    let _dog = Watchdog::new(LIMIT);
    let farm = Arc::new(OnceLock::<Weak<Farm>>::new());
    let (known, begun) = (Arc::clone(&farm), AtomicU32::new(0));
    let plan = Plan::independent(64).kernel(move |_, _, _| {
        if begun.fetch_add(1, Ordering::AcqRel) == 1 {
            // The second waits until the first has been seen finished, and says so to nobody.
            let farm = known.get().and_then(Weak::upgrade).expect("it is there while it runs");
            let seen = || (farm.done.load(Ordering::Acquire) > 0).then_some(());
            assert!(farm.progress.wait_until(Some(LIMIT), seen).is_some(), "the news were left to nobody");
        }
    });
    let config = SimConfig::default().threads(1).max_threads(2).grow_after(Duration::from_millis(1));
    let (sim, started) = Farm::start(prewire_a2a3::a2a3(), config, plan);
    started.wake_at.store(1, Ordering::Relaxed);
    farm.set(Arc::downgrade(&started)).unwrap();
    sim.kick();
    started.wait();
    assert_eq!(sim.stats().grown, 1, "the only thread left its news and waits: another one is needed");
    sim.stop();
    started.assert_each_once();
}
