//! A subscriber that panics ends no thread of the simulator: one of its own, as it is for the whole process.
extern crate alloc;
mod common;

use common::{Farm, Plan};
use core::time::Duration;
use prewire_platform::Lanes;
use prewire_sim::SimConfig;
use prewire_test_support::{Throws, Watchdog};

#[test]
fn the_pool_goes_on_growing_although_what_is_told_of_it_throws() {
    let _dog = Watchdog::new(Duration::from_secs(120));
    Throws::install();
    let barrier = std::sync::Barrier::new(6);
    let plan = Plan { two_places: false, ..Plan::independent(6) }.kernel(move |_, _, _| {
        barrier.wait();
    });
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(1), plan);
    sim.kick();
    farm.wait();
    assert!(sim.stats().grown >= 5, "one thread cannot hold six kernels: {:?}", sim.stats());
    sim.stop();
    farm.assert_each_once();
    assert!(Throws::thrown() >= 5, "each step was told of");
}
