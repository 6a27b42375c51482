//! Starting and stopping leaves nothing behind. Alone in its process: the whole process is counted.
extern crate alloc;
mod common;

use common::{Farm, Plan};
use core::time::Duration;
use prewire_platform::{DeviceMemory, Lanes};
use prewire_sim::{Mode, SimConfig};
use prewire_test_support::{Held, Watchdog};

fn cycle(round: u32) {
    let config = SimConfig::default().threads(2);
    let config =
        if round.is_multiple_of(4) { config.mode(Mode::Seeded { seed: round.into() }) } else { config };
    let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), config, Plan::independent(100));
    sim.allocate(1 << 20).unwrap();
    if round.is_multiple_of(4) {
        while sim.step() {}
    } else {
        sim.kick();
        farm.wait();
    }
    // Half of them are dropped while they run.
    if round.is_multiple_of(2) {
        sim.stop();
    }
    drop(sim);
    farm.assert_each_once();
}

#[test]
fn two_thousand_starts_and_stops_leave_what_was_there_before() {
    let _dog = Watchdog::new(Duration::from_secs(300));
    let fresh = Held::now();
    (0..50).for_each(cycle);
    // Taken once the threads of the first cycles are gone, which the kernel may take a while to see to.
    let before = fresh.assert_same();
    (0..2_000).for_each(cycle);
    // The allocator of the C library keeps a few arenas and stacks for later threads: far fewer than there were cycles.
    before.assert_grew_at_most(64, 8 << 20);
}
