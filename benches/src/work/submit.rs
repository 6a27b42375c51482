//! Submit alone: nothing is polled while the clock runs, so no task completes. What was submitted is drained between two
//! rounds.

use prewire_abi::{EdgeKind, TaskId, TensorArgType, ValidTensor};
use prewire_ring::RingSizes;
use prewire_tensormap::Hazards;

use super::{buffers, output};
use crate::{Case, Clock, Engine};

const SUITE: &str = "submit";

/// A batch fills half of the window: of a large one it comes to memory that is no longer in the cache.
fn engine(window: u32, hazards: Hazards) -> (Engine, u32) {
    let sizes = RingSizes::default().with_window(window).with_deps(window * 16);
    (Engine::new(prewire::a2a3(), &sizes, hazards), window / 2)
}

/// Submits a batch in the run that is open, each task with the arguments that `fill` gives it, and drains.
fn batch(engine: &mut Engine, clock: &mut Clock, tasks: u32, mut fill: impl FnMut(&mut Engine, u32)) {
    engine.open();
    clock.time(|| {
        for task in 0..tasks {
            engine.args.clear();
            fill(engine, task);
        }
    });
    engine.close();
    engine.drain();
}

fn explicit(edges: usize, window: u32) -> Case {
    let tasks = window / 2 - 16;
    Case::new(SUITE, format!("{edges} explicit edges/{window}"), tasks.into(), move || {
        let (mut engine, _) = engine(window, Hazards::All);
        engine.start();
        let mut ids: Vec<TaskId> = Vec::with_capacity(window as usize);
        move |clock| {
            ids.clear();
            // The first producers.
            for _ in 0..16 {
                engine.args.clear();
                ids.push(engine.submit());
            }
            batch(&mut engine, clock, tasks, |engine, _| {
                for &id in ids[ids.len() - edges..].iter().rev() {
                    engine.args.after(id, EdgeKind::WAIT);
                }
                ids.push(engine.submit());
            });
        }
    })
}

/// Inputs that earlier tasks of the batch made, as the memory that they were given: inputs of four come from tasks 1, 8,
/// 15 and 22 before.
fn inferred(name: &str, inputs: usize, window: u32, hazards: Hazards) -> Case {
    let tasks = window / 2 - 32;
    Case::new(SUITE, format!("{name}/{window}"), tasks.into(), move || {
        let (mut engine, _) = engine(window, hazards);
        engine.start();
        let output = output();
        let mut made: Vec<ValidTensor> = Vec::with_capacity(window as usize);
        move |clock| {
            made.clear();
            engine.open();
            let scope = engine.scope();
            let mut submit = |engine: &mut Engine| {
                for input in 0..inputs.min(made.len() / 7) {
                    let tensor = &made[made.len() - 1 - input * 7];
                    engine.args.existing(tensor, TensorArgType::Input, scope);
                }
                engine.args.push(&output);
                engine.submit();
                made.push(*engine.args.only_output().expect("it has an output"));
            };
            for _ in 0..32 {
                engine.args.clear();
                submit(&mut engine);
            }
            clock.time(|| {
                for _ in 0..tasks {
                    engine.args.clear();
                    submit(&mut engine);
                }
            });
            engine.close();
            engine.drain();
        }
    })
}

/// Each task reads and writes four of 1024 buffers.
fn inout(window: u32, hazards: Hazards, name: &str) -> Case {
    let tasks = window / 2;
    Case::new(SUITE, format!("{name}/{window}"), tasks.into(), move || {
        let (mut engine, _) = engine(window, hazards);
        engine.start();
        let buffers = buffers(1024, TensorArgType::InOut);
        let mut at = 0usize;
        move |clock| {
            batch(&mut engine, clock, tasks, |engine, _| {
                (0..4).for_each(|k| engine.args.push(&buffers[(at * 4 + k * 257) % 1024]));
                at += 1;
                engine.submit();
            });
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for window in [256, 16384] {
        cases.extend([0, 1, 4, 16].map(|edges| explicit(edges, window)));
        cases.push(inferred("1 inferred input and an output", 1, window, Hazards::All));
        cases.push(inferred("4 inferred inputs and an output", 4, window, Hazards::All));
        cases.push(inout(window, Hazards::All, "4 in-out of 1024 buffers"));
    }
    for (hazards, name) in [(Hazards::RawWaw, "raw-waw"), (Hazards::Raw, "raw")] {
        let inputs = format!("4 inferred inputs and an output, hazards {name}");
        cases.push(inferred(&inputs, 4, 16384, hazards));
        cases.push(inout(16384, hazards, &format!("4 in-out of 1024 buffers, hazards {name}")));
    }
    cases
}
