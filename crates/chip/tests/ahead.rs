//! An orchestration that is ahead of the cores leaves them its processor, and is back when it is needed.
mod common;

use common::{Gate, dog};
use prewire_chip::{Chip, Core, RingSizes};

/// A kernel may wait for what the orchestration does next, as long as there is room for that.
#[test]
fn a_kernel_that_waits_for_the_orchestration_sees_it_go_on() {
    let _dog = dog();
    let rings = RingSizes::default().with_window(256);
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(2).threads(1).rings(rings).build().unwrap();
    let gate = Gate::new();
    let opens = gate.clone();
    let brief = chip.kernel("brief", Core::Aiv, |_| Ok(())).unwrap();
    let waits = chip
        .kernel("waits", Core::Aiv, move |_| {
            gate.wait(1);
            Ok(())
        })
        .unwrap();
    chip.run(|orch| {
        for i in 0..270 {
            let kernel = if i == 20 { &waits } else { &brief };
            orch.submit(kernel).go()?;
        }
        // 20 tasks are over when the kernel begins to wait, so there is room for these, and not for a quarter of a ring.
        opens.pass();
        Ok(())
    })
    .unwrap();
}
