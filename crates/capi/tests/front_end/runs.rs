//! Callables and runs, as a front end makes them.

use crate::api::{Api, built};
use crate::codes::{begin, log_from};
use crate::compile;
use crate::worker::{Worker, args, descriptor, floats, rings};
use host_runtime::host::NativeRunDescriptor;
use prewire_abi::{AddressSpace, CallConfig, ChipTensor, DataType, Diagnostic};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Held;

const ELEMENTS: usize = 1000;

/// Runs the vector callable, and checks what comes out.
fn vector(worker: &mut Worker<'_>, id: i32, config: &CallConfig) {
    let (a, b, f) = (vec![2f32; ELEMENTS], vec![3f32; ELEMENTS], vec![0f32; ELEMENTS]);
    let all = args(&[floats(&a), floats(&b), floats(&f)], &[]);
    assert_eq!(worker.run(id, &all, config), 0);
    let f = std::hint::black_box(f);
    assert!(f.iter().all(|&x| x == 47.0), "{:?}", &f[..4]);
}

pub(crate) fn vector_gives_47() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::vector()), 0);
    for _ in 0..5 {
        vector(&mut worker, 0, &CallConfig::default());
    }
    let staged = |slot| {
        // SAFETY: a context.
        unsafe { (api.get_retained_temp_addr_ctx)(worker.ctx, slot) }
    };
    assert!(staged(0) != 0 && staged(1) == 0 && staged(2) == 0);
    let heap = |bank| {
        // SAFETY: a context.
        unsafe { (api.get_arena_bank_gm_heap_base_ctx)(worker.ctx, bank) }
    };
    assert!(heap(0) != 0 && heap(1) == 0);
}

pub(crate) fn memory_of_the_device_is_used_where_it_is() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(9, &compile::vector()), 0);
    let bytes = |value: f32| value.to_ne_bytes().repeat(ELEMENTS);
    let tensors = [2f32, 3.0, 0.0].map(|value| {
        let at = worker.malloc(4 * ELEMENTS);
        assert_eq!(worker.write(at, &bytes(value)), 0);
        let tensor = ChipTensor::contiguous(at.addr() as u64, &[ELEMENTS as u32], DataType::F32).unwrap();
        (at, tensor.with_address_space(AddressSpace::Device))
    });
    assert_eq!(worker.run(9, &args(&tensors.map(|(_, tensor)| tensor), &[]), &CallConfig::default()), 0);
    let mut out = vec![0; 4 * ELEMENTS];
    assert_eq!(worker.read(tensors[2].0, &mut out), 0);
    assert_eq!(out, bytes(47.0));
    tensors.into_iter().for_each(|(at, _)| worker.free(at));
}

pub(crate) fn a_thousand_callables_come_and_go() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    let bytes = compile::vector();
    let cycle = |worker: &mut Worker<'_>, n: i32| {
        assert_eq!(worker.register(n % 64, &bytes), 0);
        vector(worker, n % 64, &CallConfig::default());
        assert_eq!(worker.unregister(n % 64), 0);
    };
    (0..20).for_each(|n| cycle(&mut worker, n));
    let before = Held::now();
    (20..1000).for_each(|n| cycle(&mut worker, n));
    // The allocator may give threads arenas of their own, some for each processor.
    before.assert_grew_at_most(64, 8 << 20);
    assert_eq!(worker.loads(), 1000);
}

pub(crate) fn loads_are_counted_by_registration() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    let bytes = compile::vector();
    assert_eq!((worker.register(0, &bytes), worker.loads()), (0, 1));
    (0..3).for_each(|_| vector(&mut worker, 0, &CallConfig::default()));
    assert_eq!(worker.loads(), 1);
    assert_eq!(worker.register(0, &bytes), -1, "the number is taken");
    assert_eq!((worker.register(63, &bytes), worker.loads()), (0, 2), "as one that is the same");
    assert_eq!((worker.unregister(0), worker.loads()), (0, 2));
    vector(&mut worker, 63, &CallConfig::default());
    assert_eq!((worker.unregister(0), worker.unregister(63), worker.unregister(64)), (0, 0, -1));
    assert_eq!((worker.register(64, &bytes), worker.register(-1, &bytes)), (-1, -1));
    assert_eq!((worker.register(0, &bytes), worker.loads()), (0, 3));
    vector(&mut worker, 0, &CallConfig::default());
    assert_eq!((worker.finalize(), worker.loads()), (0, 0));
    assert_eq!(worker.init(0, None), 0);
}

/// The words that a gate kernel works on, on the device: raised by it, and what it waits for.
struct Gate {
    at: usize,
}

impl Gate {
    fn new(worker: &Worker<'_>) -> Self {
        let at = worker.malloc(8);
        assert_eq!(worker.write(at, &[0; 8]), 0);
        Self { at: at.expose_provenance() }
    }

    fn tensor(&self) -> ChipTensor {
        let tensor = ChipTensor::contiguous(self.at as u64, &[2], DataType::U32).unwrap();
        tensor.with_address_space(AddressSpace::Device)
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        // SAFETY: an aligned word of the device's memory, which the kernel reaches as one too.
        unsafe { AtomicU32::from_ptr(core::ptr::with_exposed_provenance_mut(self.at + 4 * index)) }
    }

    /// Waits until the kernel runs.
    fn reached(&self) {
        while self.word(0).load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
    }

    fn open(&self) {
        self.word(1).store(1, Ordering::Release);
    }
}

pub(crate) fn a_second_run_is_prepared_while_the_first_goes_on() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("gate", &[], &[3])), 0);
    assert_eq!(worker.register(1, &compile::vector()), 0);
    let (gate, config) = (Gate::new(&worker), CallConfig::default());
    let accepted = [const { AtomicU32::new(0) }; 2];
    let describe = |slot: u32| NativeRunDescriptor {
        accepted_state: (&raw const accepted[slot as usize]).expose_provenance() as u64,
        accepted_value: 7 + slot as i32,
        ..descriptor(slot)
    };
    let seen = || accepted.each_ref().map(|word| word.load(Ordering::Acquire));
    assert_eq!(worker.prepare_as(&describe(0), 0, &args(&[gate.tensor()], &[]), &config), 0);
    assert_eq!((worker.poll(0), worker.wait(0)), (-1, -1), "it was not launched");
    assert_eq!(seen(), [0, 0]);
    assert_eq!(worker.launch(0), 0);
    assert_eq!(seen(), [7, 0]);
    gate.reached();
    // The tensors of the second are read when it is launched: what comes before that is seen by it.
    let (mut a, b, f) = (vec![0f32; ELEMENTS], vec![3f32; ELEMENTS], vec![0f32; ELEMENTS]);
    let second = args(&[floats(&a), floats(&b), floats(&f)], &[]);
    assert_eq!(worker.prepare_as(&describe(1), 1, &second, &config), 0);
    drop(second);
    std::hint::black_box(&mut a).fill(2.0);
    assert_eq!((worker.poll(0), worker.register(2, &compile::vector()), worker.unregister(1)), (0, -1, -1));
    assert_eq!(worker.finalize(), -1, "two runs are there");
    assert_eq!(worker.launch(1), 0);
    assert_eq!((seen(), worker.poll(1), worker.launch(1)), ([7, 8], 0, -1));
    gate.open();
    assert_eq!((worker.wait(0), worker.poll(0), worker.wait(0)), (0, 1, 0));
    assert_eq!((worker.finish(1), worker.finish(0)), (0, 0));
    assert!(std::hint::black_box(f).iter().all(|&x| x == 47.0));
    assert_eq!((worker.finish(0), worker.poll(1)), (-1, -1), "they are over");
    // SAFETY: a context.
    let staged = [0, 1].map(|slot| unsafe { (api.get_retained_temp_addr_ctx)(worker.ctx, slot) });
    assert!(staged[0] == 0 && staged[1] != 0, "the first had nothing to stage");
}

/// As a lane of a front end goes: the second is prepared before the first has handed over, and launched after.
pub(crate) fn a_run_reads_what_the_one_before_it_gave_to_the_host() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::vector()), 0);
    let config = CallConfig::default();
    let (a, b, f, g) = (vec![2f32; 64], vec![3f32; 64], vec![0f32; 64], vec![0f32; 64]);
    assert_eq!(worker.prepare(0, 0, &args(&[floats(&a), floats(&b), floats(&f)], &[]), &config), 0);
    assert_eq!(worker.launch(0), 0);
    assert_eq!(worker.prepare(1, 0, &args(&[floats(&f), floats(&b), floats(&g)], &[]), &config), 0);
    assert_eq!((worker.finish(0), worker.launch(1), worker.finish(1)), (0, 0, 0));
    assert!(std::hint::black_box(f).iter().all(|&x| x == 47.0));
    let g = std::hint::black_box(g);
    assert!(g.iter().all(|&x| x == 51.0 * 52.0 + 50.0), "{:?}", &g[..4]);
}

pub(crate) fn a_run_with_other_sizes_waits_for_the_one_that_goes_on() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("gate", &[], &[3])), 0);
    let gate = Gate::new(&worker);
    let gate_args = args(&[gate.tensor()], &[]);
    assert_eq!(worker.prepare(0, 0, &gate_args, &CallConfig::default()), 0);
    assert_eq!(worker.launch(0), 0);
    gate.reached();
    let other = rings(64, 1 << 20, 64);
    assert_eq!(worker.prepare(1, 0, &gate_args, &other), -3);
    gate.open();
    assert_eq!(worker.finish(0), 0);
    assert_eq!((worker.prepare(1, 0, &gate_args, &other), worker.launch(1), worker.finish(1)), (0, 0, 0));
    assert!(worker.committed() >= 4 << 20);
}

pub(crate) fn storage_that_is_not_as_it_should_be_is_refused() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("many", &[], &[4])), 0);
    let (none, config) = (args(&[], &[0]), CallConfig::default());
    assert_eq!(worker.prepare(0, 0, &none, &config), 0);
    assert_ne!(worker.storage[0].first_word(), 0);
    assert_eq!(worker.prepare(0, 0, &none, &config), -1, "it is in use");
    assert_eq!(worker.run(0, &none, &config), -1, "it is in use");
    let copied = worker.storage[0].copy();
    assert_eq!((worker.finish(0), worker.storage[0].first_word()), (0, 0), "never launched");
    worker.storage[1] = copied;
    assert_eq!((worker.launch(1), worker.poll(1), worker.wait(1), worker.finish(1)), (-1, -1, -1, -1));
    worker.storage[0] = worker.storage[1].copy();
    assert_eq!(worker.finish(0), -1, "that run is over");
    worker.storage[1].scribble(0x1234);
    assert_eq!((worker.prepare(1, 0, &none, &config), worker.launch(1)), (-1, -1), "it was not zeroed");
    worker.storage.iter_mut().for_each(|storage| storage.scribble(0));
    assert_eq!((worker.prepare(1, 0, &none, &config), worker.launch(1), worker.finish(1)), (0, 0, 0));
    let bad = NativeRunDescriptor { pipeline_slot: 1, arena_bank: 2, ..descriptor(0) };
    assert_eq!(worker.prepare_as(&bad, 0, &none, &config), -1);
    let at = worker.storage[0].at();
    let step = |at| {
        // SAFETY: what is null or not aligned is refused.
        unsafe { (api.simpler_launch_run)(worker.ctx, at) }
    };
    assert_eq!((step(core::ptr::null_mut()), step(at.wrapping_byte_add(8))), (-1, -1));
    for slot in 0..2 {
        // SAFETY: what is null is refused.
        let prepared = unsafe {
            (api.simpler_prepare_run)(worker.ctx, at, 0, core::ptr::null(), &config, &descriptor(slot))
        };
        assert_eq!(prepared, -1);
    }
}

pub(crate) fn configurations_are_checked_and_diagnostics_accepted() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("many", &[], &[4])), 0);
    let run = args(&[], &[3]);
    let mut config = CallConfig::default();
    config.set_diagnostic(Diagnostic::Pmu, 1);
    assert_eq!(worker.run(0, &run, &config), -1, "there is no prefix");
    config.set_output_prefix("somewhere").unwrap();
    assert_eq!(worker.run(0, &run, &config), 0);
    for threads in [2, 4, 5, 7] {
        config.set_aicpu_thread_num(threads);
        assert_eq!(worker.run(0, &run, &config), 0);
    }
    config.set_aicpu_thread_num(1);
    assert_eq!(worker.run(0, &run, &config), -1);
    for bad in [rings(5, 0, 0), rings(0, 100, 0), rings(0, 0, 3), rings(1 << 30, 0, 0), rings(0, 1 << 60, 0)]
    {
        assert_eq!(worker.run(0, &run, &bad), -1);
    }
    assert_eq!(worker.run(0, &run, &rings(16, 4096, 16)), 0);
}

pub(crate) fn sizes_come_from_the_run_then_from_the_environment() {
    if compile::compiler().is_none() {
        return;
    }
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("PTO2_RING_TASK_WINDOW", "4,64,64,64") };
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("scope_deadlock", &[], &[])), 0);
    let none = args(&[], &[]);
    assert_eq!(worker.run(0, &none, &CallConfig::default()), -1, "a window of 4 is full");
    assert_eq!(worker.run(0, &none, &rings(16, 0, 0)), 0);
    // SAFETY: the threads that there are read no environment.
    unsafe { std::env::remove_var("PTO2_RING_TASK_WINDOW") };
    assert_eq!(worker.run(0, &none, &CallConfig::default()), 0);
}

pub(crate) fn variables() {
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("PTO2_RING_TASK_WINDOW", "33") };
    // SAFETY: as above.
    unsafe { std::env::set_var("PTO2_RING_HEAP", "1024") };
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("heap_deadlock", &[], &[])), 0);
    for _ in 0..3 {
        assert_eq!(worker.run(0, &args(&[], &[]), &CallConfig::default()), -2, "the heap is what was said");
    }
}

pub(crate) fn a_variable_that_is_not_used_is_told_once() {
    if compile::compiler().is_none() {
        return;
    }
    let log = log_from(begin("runs::variables", "10000"));
    assert_eq!(log.matches("PTO2_RING_TASK_WINDOW=\"33\" is not used").count(), 1, "{log}");
}
