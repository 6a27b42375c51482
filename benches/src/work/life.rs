//! The whole life of tasks on one thread: submit, dispatch to lanes that finish at once, complete, reclaim.

use prewire_abi::{EdgeKind, TaskId, TensorArgType};
use prewire_ring::RingSizes;
use prewire_tensormap::Hazards;

use super::{buffers, output};
use crate::{Case, Engine};

const SUITE: &str = "life";
const TASKS: u32 = 4096;

/// Runs `body` as one run of `TASKS` tasks.
fn case(name: &str, window: u32, body: impl Fn(&mut Engine) + Copy + 'static) -> Case {
    Case::new(SUITE, format!("{name}/{window}"), TASKS.into(), move || {
        let sizes = RingSizes::default().with_window(window);
        let mut engine = Engine::new(prewire::a2a3(), &sizes, Hazards::All);
        move |clock| clock.time(|| engine.run(body))
    })
}

/// Tasks without arguments and edges.
pub(super) fn independent(engine: &mut Engine) {
    for _ in 0..TASKS {
        engine.args.clear();
        engine.submit();
    }
}

/// Each waits for the one before.
pub(super) fn chain(engine: &mut Engine) {
    let mut last: Option<TaskId> = None;
    for _ in 0..TASKS {
        engine.args.clear();
        last.iter().for_each(|&id| engine.args.after(id, EdgeKind::WAIT));
        last = Some(engine.submit());
    }
}

/// Each waits for the four before.
pub(super) fn four(engine: &mut Engine) {
    let mut last: Vec<TaskId> = Vec::with_capacity(TASKS as usize);
    for _ in 0..TASKS {
        engine.args.clear();
        last.iter().rev().take(4).for_each(|&id| engine.args.after(id, EdgeKind::WAIT));
        let id = engine.submit();
        last.push(id);
    }
}

/// Each reads four of 64 buffers that nobody writes and makes an output; a scope every 128 tasks.
fn inputs_and_output(engine: &mut Engine) {
    let (buffers, output) = (buffers(64, TensorArgType::Input), output());
    for i in 0..TASKS as usize {
        if i % 128 == 0 {
            if i > 0 {
                engine.close();
            }
            engine.open();
        }
        engine.args.clear();
        (0..4).for_each(|k| engine.args.push(&buffers[(i + k * 7) % 64]));
        engine.args.push(&output);
        engine.submit();
    }
    engine.close();
}

pub(super) fn cases() -> Vec<Case> {
    let windows = [256, 16384].into_iter();
    windows
        .flat_map(|window| {
            [
                case("independent", window, independent),
                case("chain", window, chain),
                case("four producers", window, four),
                case("four inputs and an output", window, inputs_and_output),
            ]
        })
        .collect()
}
