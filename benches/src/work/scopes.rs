//! The end of a scope, by the tasks that it holds: while they wait, and once all are complete, when their slots are
//! reclaimed too.

use prewire_ring::RingSizes;
use prewire_tensormap::Hazards;

use super::output;
use crate::{Case, Engine};

const SUITE: &str = "scope end";

fn case(tasks: u32, complete: bool) -> Case {
    // So many ends in a round that reading the time does not count.
    let scopes = (4096 / tasks).max(4);
    let name = format!("{tasks} tasks{}", if complete { ", complete" } else { "" });
    Case::new(SUITE, name, u64::from(tasks) * u64::from(scopes), move || {
        let mut engine = Engine::new(prewire::a2a3(), &RingSizes::default(), Hazards::All);
        let output = output();
        engine.start();
        move |clock| {
            for _ in 0..scopes {
                engine.open();
                for _ in 0..tasks {
                    engine.args.clear();
                    engine.args.push(&output);
                    engine.submit();
                }
                if complete {
                    engine.drain();
                }
                clock.time(|| engine.close());
                engine.drain();
            }
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    vec![case(16, false), case(1024, false), case(1024, true)]
}
