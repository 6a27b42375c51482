//! Orchestrator and scheduler on two threads: one submits, the other polls; no cores.

use prewire_ring::RingSizes;
use prewire_tensormap::Hazards;

use super::life;
use crate::{Case, Engine, Unit};

const SUITE: &str = "threads";
/// Runs of 4096 tasks in a round: the start of the second thread is not measured.
const RUNS: u32 = 8;

fn case(name: &str, body: fn(&mut Engine)) -> Case {
    Case::new(SUITE, format!("{name}, two threads"), u64::from(RUNS) * 4096, move || {
        let mut engine = Engine::new(prewire::a2a3(), &RingSizes::default(), Hazards::All);
        move |clock| {
            engine.beside_a_poller(|engine| {
                engine.run(body);
                clock.time(|| (0..RUNS).for_each(|_| engine.run(body)));
            });
        }
    })
    .unit(Unit::Millions)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("independent", life::independent),
        case("chain", life::chain),
        case("four producers", life::four),
    ]
}
