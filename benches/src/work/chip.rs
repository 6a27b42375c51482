//! A simulated chip end to end with kernels that do nothing: what a task costs from submit to completion, what a submit
//! costs by the facade, and what a run and an idle chip cost.

use std::sync::Arc;

use prewire::prelude::*;
use prewire_os::Event;
use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::{Case, Clock, Unit};

const SUITE: &str = "chip";
const TASKS: u32 = 4096;

/// What the first task of a run waits for where nothing else is to run yet.
#[derive(Debug, Default)]
struct Gate {
    /// Written by the orchestration.
    is_open: AtomicBool,
    opened: Event,
}

impl Gate {
    fn pass(&self) {
        self.opened.wait_until(None, || self.is_open.load(Ordering::Relaxed).then_some(()));
    }
}

/// A chip with what tasks take.
struct Bench {
    chip: Arc<Chip>,
    nop: Kernel,
    mix: Kernel,
    waits: Kernel,
    gate: Arc<Gate>,
    x: Buffer,
    buffers: Vec<Buffer>,
    ids: Vec<Task>,
}

impl Bench {
    fn new(builder: ChipBuilder) -> Self {
        let chip = Arc::new(builder.build().expect("a chip"));
        let nop = chip.kernel("nop", Core::Aiv, |_| Ok(())).expect("a kernel");
        let cube = chip.kernel("cube", Core::Aic, |_| Ok(())).expect("a kernel");
        let mix = Mix { aic: Some(&cube), aiv0: Some(&nop), aiv1: Some(&nop) };
        let mix = chip.mix("mix", mix).expect("kernels of one cluster");
        let gate = Arc::new(Gate::default());
        let closed = Arc::clone(&gate);
        let waits = chip.kernel("waits", Core::Aiv, move |_| {
            closed.pass();
            Ok(())
        });
        let waits = waits.expect("a kernel");
        let x = chip.zeros::<f32>(&[16]).expect("a buffer");
        let buffers = (0..64).map(|_| chip.zeros::<f32>(&[16]).expect("a buffer")).collect();
        Self { chip, nop, mix, waits, gate, x, buffers, ids: Vec::with_capacity(TASKS as usize) }
    }

    /// One run of what `body` submits.
    fn run(&mut self, clock: &mut Clock, body: fn(&mut Self, &mut Orch<'_>) -> prewire::Result<()>) {
        let chip = Arc::clone(&self.chip);
        clock.time(|| {
            self.ids.clear();
            chip.run(|orch| body(self, orch)).expect("a run");
        });
    }

    /// A run whose submits alone are measured: each task waits for one that goes on until all are there.
    fn submits(&mut self, clock: &mut Clock, body: fn(&mut Self, &mut Orch<'_>) -> prewire::Result<()>) {
        let (chip, gate) = (Arc::clone(&self.chip), Arc::clone(&self.gate));
        gate.is_open.store(false, Ordering::Relaxed);
        chip.run(|orch| {
            self.ids.clear();
            let task = orch.submit(&self.waits).inout(&self.x).go()?;
            self.ids.push(task);
            clock.time(|| body(self, orch).expect("legal tasks"));
            gate.is_open.store(true, Ordering::Relaxed);
            gate.opened.notify_all();
            Ok(())
        })
        .expect("a run");
    }

    /// Without an argument, after the first.
    fn gated(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        (0..TASKS).try_for_each(|_| orch.submit(&self.nop).after(&self.ids[0]).go().map(drop))
    }

    fn independent(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        (0..TASKS).try_for_each(|_| orch.submit(&self.nop).go().map(drop))
    }

    /// Each reads and writes what the one before did.
    fn chain(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        (0..TASKS).try_for_each(|_| orch.submit(&self.nop).inout(&self.x).go().map(drop))
    }

    /// One writes, 32 read, one writes: the writer waits for the readers.
    fn fan_out(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        (0..TASKS).try_for_each(|i| {
            let submit = orch.submit(&self.nop);
            if i % 33 == 0 { submit.inout(&self.x).go() } else { submit.input(&self.x).go() }.map(drop)
        })
    }

    /// Each waits for the four before.
    fn four_edges(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        for _ in 0..TASKS {
            let mut submit = orch.submit(&self.nop);
            for task in self.ids.iter().rev().take(4) {
                submit = submit.after(task);
            }
            let task = submit.go()?;
            self.ids.push(task);
        }
        Ok(())
    }

    fn mixes(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        (0..TASKS).try_for_each(|_| orch.submit(&self.mix).go().map(drop))
    }

    /// Each reads four buffers, one of which the first writes, and makes an output.
    fn four_inputs(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        (0..TASKS as usize).try_for_each(|i| {
            let first = orch.submit(&self.nop).input(&self.x);
            let submit = (1..4).fold(first, |submit, k| submit.input(&self.buffers[(i + k * 7) % 64]));
            submit.output(&[16], DataType::F32).go().map(drop)
        })
    }

    fn one(&mut self, orch: &mut Orch<'_>) -> prewire::Result<()> {
        orch.submit(&self.nop).go().map(drop)
    }
}

type Body = fn(&mut Bench, &mut Orch<'_>) -> prewire::Result<()>;

fn end_to_end(name: &str, on: &str, builder: &ChipBuilder, body: Body) -> Case {
    let builder = builder.clone();
    Case::new(SUITE, format!("{name}/{on}"), TASKS.into(), move || {
        let mut bench = Bench::new(builder.clone());
        move |clock| bench.run(clock, body)
    })
}

fn submit(name: &str, body: Body) -> Case {
    Case::new(SUITE, name, TASKS.into(), move || {
        let mut bench = Bench::new(Chip::sim(a2a3()));
        move |clock| bench.submits(clock, body)
    })
}

/// What an idle chip holds, with its default rings, after a first run.
fn idle() -> Case {
    Case::memory(SUITE, "an idle chip, resident", || {
        || {
            let before = super::resident();
            let mut bench = Bench::new(Chip::sim(a2a3()));
            bench.run(&mut Clock::new(), Bench::one);
            let held = super::resident() - before;
            drop(bench);
            held
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let chips = [
        ("24 cores", Chip::sim(a2a3()).clusters(8).domains(1)),
        ("72 cores", Chip::sim(a2a3()).domains(1)),
        ("108 cores", Chip::sim(a5()).domains(1)),
    ];
    let bodies: [(&str, Body); 5] = [
        ("independent", Bench::independent),
        ("chain", Bench::chain),
        ("fan-out 1-32-1", Bench::fan_out),
        ("four edges", Bench::four_edges),
        ("mix", Bench::mixes),
    ];
    let mut cases: Vec<Case> = chips
        .iter()
        .flat_map(|(on, chip)| bodies.map(|(name, body)| end_to_end(name, on, chip, body)))
        .collect();
    // As a chip comes: its clusters dealt to the domains of its management processors.
    let whole = Chip::sim(a2a3());
    cases.push(end_to_end("independent", "72 cores, all domains", &whole, Bench::independent));
    cases.push(end_to_end("chain", "72 cores, all domains", &whole, Bench::chain));
    cases.push(end_to_end("four edges", "72 cores, all domains", &whole, Bench::four_edges));
    // In an order drawn from a seed, on the one thread.
    let seeded = Chip::sim(a2a3()).seed(1);
    cases.push(end_to_end("independent", "one thread, seeded", &seeded, Bench::independent));
    cases.push(end_to_end("chain", "one thread, seeded", &seeded, Bench::chain));
    cases.push(submit("facade submit, an edge", Bench::gated));
    cases.push(submit("facade submit, 4 inputs and an output", Bench::four_inputs));
    cases.push(
        Case::new(SUITE, "run of one task/24 cores", 16, || {
            let mut bench = Bench::new(Chip::sim(a2a3()).clusters(8).domains(1));
            move |clock| (0..16).for_each(|_| bench.run(clock, Bench::one))
        })
        .unit(Unit::Microseconds),
    );
    cases.push(idle());
    cases
}
