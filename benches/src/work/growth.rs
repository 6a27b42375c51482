//! Growth: the same run with a thousand, a hundred thousand and ten million tasks. Neither what a task costs nor what the
//! process holds may grow with them.

use prewire::prelude::{Chip, Core, Orch, a2a3};
use prewire_abi::TensorArgType;
use prewire_ring::RingSizes;
use prewire_tensormap::Hazards;

use super::{buffers, output, resident};
use crate::{Case, Engine};

const SUITE: &str = "growth";
const SIZES: [(u64, &str); 4] =
    [(1_000, "1 thousand"), (20_000, "20 thousand"), (100_000, "100 thousand"), (10_000_000, "10 million")];

/// An engine with a window of 1024.
#[must_use]
pub fn engine() -> Engine {
    Engine::new(prewire::a2a3(), &RingSizes::default().with_window(1024), Hazards::All)
}

/// One run of tasks that read three of 256 buffers, write a fourth, and make an output; a scope every 250 tasks.
pub fn run(engine: &mut Engine, tasks: u64) {
    let (reads, writes) = (buffers(256, TensorArgType::Input), buffers(256, TensorArgType::InOut));
    let output = output();
    engine.run(|engine| {
        for i in 0..tasks {
            if i % 250 == 0 {
                if i > 0 {
                    engine.close();
                }
                engine.open();
            }
            engine.args.clear();
            let at = i as usize;
            (1..4).for_each(|k| engine.args.push(&reads[(at + k * 7) % 256]));
            engine.args.push(&writes[at % 256]);
            engine.args.push(&output);
            engine.submit();
        }
        engine.close();
    });
}

fn life(tasks: u64, name: &str) -> Case {
    Case::new(SUITE, format!("engine, a run of {name}"), tasks, move || {
        let mut engine = engine();
        move |clock| clock.time(|| run(&mut engine, tasks))
    })
}

/// What the process holds more after a run of so many tasks than after one of a thousand.
fn held(tasks: u64, name: &str) -> Case {
    Case::memory(SUITE, format!("engine, gained by a run of {name}"), move || {
        let mut engine = engine();
        run(&mut engine, 1_000);
        move || {
            let before = resident();
            run(&mut engine, tasks);
            resident() - before
        }
    })
}

fn chip(tasks: u64, name: &str) -> Case {
    Case::new(SUITE, format!("chip of 24 cores, a run of {name}"), tasks, move || {
        let chip = Chip::sim(a2a3()).clusters(8).domains(1).build().expect("a chip");
        let nop = chip.kernel("nop", Core::Aiv, |_| Ok(())).expect("a kernel");
        let tensors: Vec<_> = (0..256).map(|_| chip.zeros::<f32>(&[16]).expect("a buffer")).collect();
        move |clock| {
            clock.time(|| {
                let body = |orch: &mut Orch<'_>| -> prewire::Result<()> {
                    (0..tasks)
                        .try_for_each(|i| orch.submit(&nop).inout(&tensors[i as usize % 256]).go().map(drop))
                };
                chip.run(body).expect("a run");
            });
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (tasks, name) in SIZES {
        for case in [life(tasks, name), held(tasks, name), chip(tasks, name)] {
            cases.push(if tasks > 1_000_000 { case.rounds(1).slow() } else { case });
        }
    }
    cases
}
