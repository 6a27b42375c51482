//! A simulator that has nothing to do uses no processor time. Alone in its process: the whole process is measured.
extern crate alloc;
mod common;

use common::{Farm, Plan};
use core::time::Duration;
use prewire_platform::Lanes;
use prewire_sim::SimConfig;
use prewire_test_support::{Watchdog, idle_for};

#[test]
fn sixteen_idle_chips_cost_less_than_a_hundredth_of_a_processor() {
    let _dog = Watchdog::new(Duration::from_secs(120));
    let chips: Vec<_> = (0..16)
        .map(|_| {
            let (sim, farm) =
                Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(2), Plan::independent(2_000));
            sim.kick();
            farm.wait();
            (sim, farm)
        })
        .collect();
    // The threads have some microseconds to go until they park, and the watchmen some milliseconds until they rest.
    let _ = idle_for(Duration::from_millis(50));
    let idle = idle_for(Duration::from_secs(1));
    assert!(idle.processors() < 0.01, "{idle:?}");
    for (sim, farm) in &chips {
        sim.stop();
        farm.assert_each_once();
    }
}
