//! What a run says of the sizes of its rings, and what it is warned of.
mod common;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use common::{Gate, dog, nop};
use prewire_chip::{Chip, Core, DataType, Orch, Result, RingSizes, RunUsage};
use tracing_subscriber::fmt::MakeWriter;

fn chip(sizes: RingSizes) -> Chip {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).rings(sizes).build().unwrap()
}

/// `depth` scopes, the innermost with `tasks` outputs of `bytes` that it holds.
fn hold(orch: &mut Orch<'_>, depth: usize, tasks: usize, bytes: u32) -> Result<()> {
    if depth > 0 {
        return orch.scope(|orch| hold(orch, depth - 1, tasks, bytes));
    }
    for _ in 0..tasks {
        orch.alloc(&[bytes], DataType::U8)?;
    }
    Ok(())
}

#[test]
fn marks_are_those_of_the_ring_of_the_scope() {
    let _dog = dog();
    let chip = chip(RingSizes::default().with_window(16).with_heap(64 << 10));
    let usage = chip.run(|orch| hold(orch, 2, 5, 3000)).unwrap().usage;
    let ring = usage.rings[2];
    assert_eq!((ring.window.needed, ring.window.high, ring.window.capacity), (5, 5, 15));
    assert_eq!((ring.heap.needed, ring.heap.high, ring.heap.capacity), (5 * 3072 + 2048, 5 * 3072, 64 << 10));
    assert_eq!((usage.rings[1].window.high, usage.slots, ring.window.waits), (0, 5, 0));
    // The next run begins anew.
    let usage = chip.run(|orch| hold(orch, 0, 2, 10)).unwrap().usage;
    assert_eq!((usage.rings[2].window.needed, usage.rings[0].window.needed), (0, 2));
    assert_eq!(usage.slots, 2);
}

#[test]
fn a_submit_that_waits_is_counted_and_is_no_need() {
    let _dog = dog();
    let chip = chip(RingSizes::default().with_window(4));
    let (gate, inside) = (Gate::new(), Arc::new(Mutex::new(0u32)));
    let (opened, count) = (Arc::clone(&gate), Arc::clone(&inside));
    let first = chip.kernel("first", Core::Aiv, move |_| {
        opened.wait(1);
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ok(())
    });
    let (first, nop) = (first.unwrap(), nop(&chip));
    let report = chip.run(|orch| {
        let task = orch.submit(&first).go()?;
        for _ in 0..2 {
            orch.submit(&nop).after(&task).go()?;
        }
        gate.pass();
        for _ in 0..20 {
            orch.submit(&nop).go()?;
        }
        Ok(())
    });
    let usage = report.unwrap().usage;
    let window = usage.rings[0].window;
    assert_eq!((window.needed, window.high, window.capacity), (1, 3, 3));
    assert!(usage.rings[0].deps.high >= 2, "{usage}");
    assert_eq!(RingSizes::fit(&usage).window, [4; 4], "back-pressure is no reason to grow");
    assert_eq!(*inside.lock().unwrap(), 1);
}

#[test]
fn a_submit_behind_a_full_window_waits_once() {
    let _dog = dog();
    // Seeded: nothing runs between submits but what the seed says, so that a long row of tasks fills the window.
    let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(1).seed(3);
    let chip = builder.rings(RingSizes::default().with_window(4)).build().unwrap();
    let nop = nop(&chip);
    let report = chip.run(|orch| {
        for _ in 0..200 {
            orch.submit(&nop).go()?;
        }
        Ok(())
    });
    let window = report.unwrap().usage.rings[0].window;
    assert!((1..200).contains(&window.waits), "{window:?}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The warnings of `body`, on this thread.
fn warnings(body: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, body);
    let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect()
}

#[test]
fn a_need_above_four_fifths_is_told_once_with_the_knob() {
    let _dog = dog();
    let chip = chip(RingSizes::default().with_window(16));
    let run = |tasks| chip.run(|orch| hold(orch, 2, tasks, 8)).map(drop).unwrap();
    assert_eq!(warnings(|| run(12)), [""; 0], "12 of 15 are 80 %");
    let told = warnings(|| (0..3).for_each(|_| run(13)));
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["RingSizes::window[2]", "needs 13 of 15 (86 %)", "raise it to 32"] {
        assert!(told[0].contains(part), "{part:?} is not in: {}", told[0]);
    }
    // Another size of the same chip is another warning.
    let heap = || chip.run(|orch| hold(orch, 1, 2, 120 << 20)).map(drop).unwrap();
    assert!(warnings(heap)[0].contains("RingSizes::heap[1]"));
}

#[test]
fn a_window_that_is_full_of_tasks_that_have_not_ended_is_no_warning() {
    let _dog = dog();
    let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(1).seed(5);
    let chip = builder.rings(RingSizes::default().with_window(16)).build().unwrap();
    let nop = nop(&chip);
    let run = || {
        let report = chip.run(|orch| {
            for _ in 0..400 {
                orch.submit(&nop).go()?;
            }
            Ok(())
        });
        assert_eq!(report.unwrap().usage.rings[0].window.high, 15);
    };
    assert_eq!(warnings(run), [""; 0]);
}

#[test]
fn several_programs_share_sizes_that_suit_each() {
    let _dog = dog();
    let roomy = chip(RingSizes::default().with_window(64));
    let mut all = RunUsage::default();
    for depth in [0, 3] {
        all.merge(&roomy.run(|orch| hold(orch, depth, 9, 5000)).unwrap().usage);
    }
    let fitted = chip(RingSizes::tightest(&all));
    for depth in [0, 3] {
        fitted.run(|orch| hold(orch, depth, 9, 5000)).unwrap();
    }
    assert!(fitted.run(|orch| hold(orch, 1, 9, 5000)).is_err(), "nobody said that it would fit");
}
