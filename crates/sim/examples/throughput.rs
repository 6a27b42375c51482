//! tmp
#[path = "../tests/common/mod.rs"]
mod common;
extern crate alloc;
use common::*;
use prewire_platform::Lanes;
use prewire_sim::*;
fn main() {
    for threads in [1, 2] {
        for (name, chain, ready, two) in [
            ("independent", false, 3_000_000, true),
            ("indep one place", false, 3_000_000, false),
            ("chain", true, 1, true),
            ("8 chains", true, 8, true),
        ] {
            let works = 3_000_000;
            let plan = Plan { ready, chain, two_places: two, ..Plan::independent(works) };
            let (sim, farm) = Farm::start(prewire_a2a3::a2a3(), SimConfig::default().threads(threads), plan);
            let t = std::time::Instant::now();
            let c = prewire_os::clock::process_cpu();
            sim.kick();
            farm.wait();
            let d = t.elapsed();
            let c = prewire_os::clock::process_cpu() - c;
            println!(
                "{threads} threads {name}: {:.2} M/s, cpu {:.2} {:?}",
                works as f64 / d.as_secs_f64() / 1e6,
                c.as_secs_f64() / d.as_secs_f64(),
                sim.stats()
            );
            sim.stop();
        }
    }
}
