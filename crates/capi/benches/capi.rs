//! What the C interface costs: a task that an orchestration in C submits beside one that Rust submits, and a run from call
//! to return. `cargo xtask bench capi` prints the table.
//!
//! A scope of an orchestration in C holds its tasks until it ends. So does one in Rust from the first task on that has an
//! output of the runtime's: the graphs in Rust begin with one, so that both keep the same records for as long.

#[path = "../tests/front_end/api.rs"]
#[expect(dead_code, reason = "what the tests call is not all called here")]
mod api;
#[path = "../tests/front_end/compile.rs"]
#[expect(dead_code, reason = "as above")]
mod compile;
#[path = "../tests/front_end/worker.rs"]
#[expect(dead_code, reason = "as above")]
mod worker;

use std::process::ExitCode;
use std::sync::OnceLock;

use host_runtime::host::SimplerHostLogState;
use prewire_abi::{AddressSpace, CallConfig, ChipStorageTaskArgs, ChipTensor, DataType};
use prewire_benches::{Case, Effort, Report, Unit, measure};
use prewire_chip::{Chip, Core, Hazards, Kernel, KernelLibrary, LibrarySource, RingSizes};

use crate::api::{Api, built};
use crate::worker::{Worker, args};

const SUITE: &str = "capi";
const TASKS: u64 = 4096;
/// Words of arguments a task, as the interface has its chips built.
const WORDS: u32 = 416;

/// The library. It tells only of what goes wrong.
fn api() -> &'static Api {
    static LOADED: OnceLock<Api> = OnceLock::new();
    LOADED.get_or_init(|| {
        let api = Api::load(&built());
        let (abi_version, struct_size, threshold, clock_anchor_pid) = (1, 16, 30, 0);
        let state = SimplerHostLogState { abi_version, struct_size, threshold, clock_anchor_pid };
        // SAFETY: a record that is never freed.
        let bound = unsafe { (api.simpler_host_log_bind_state)(Box::into_raw(Box::new(state))) };
        assert_eq!(bound, 0);
        api
    })
}

/// A worker with the orchestration that submits as many tasks as it is told.
fn worker() -> Worker<'static> {
    let worker = Worker::new(api(), 0);
    assert_eq!(worker.register(0, &compile::with("many", &[], &[4])), 0);
    worker
}

/// A tensor of the device that every task of a chain reads and writes.
fn link(worker: &Worker<'_>) -> ChipTensor {
    let at = worker.malloc(64).expose_provenance() as u64;
    let tensor = ChipTensor::contiguous(at, &[16], DataType::F32).expect("a small tensor");
    tensor.with_address_space(AddressSpace::Device)
}

fn run(worker: &mut Worker<'_>, args: &ChipStorageTaskArgs) {
    assert_eq!(worker.run(0, args, &CallConfig::default()), 0);
}

/// As the interface sets its chip up, with the kernel that the orchestration submits.
fn direct() -> (Chip, Kernel) {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).hazards(Hazards::RawWaw);
    let chip = chip.rings(RingSizes::default().with_args(WORDS));
    let chip = chip.stall_timeout(core::time::Duration::from_secs(10)).build().expect("a chip");
    let bytes = compile::kernel(4);
    // SAFETY: a kernel that does nothing.
    let library = unsafe { KernelLibrary::load("nothing", LibrarySource::Bytes(&bytes)) }.expect("a library");
    let kernel = chip.kernel_of(&library, "nothing", Some(Core::Aiv)).expect("a kernel");
    (chip, kernel)
}

fn cases() -> Vec<Case> {
    let tasks = |name, chained: bool| {
        Case::new(SUITE, name, TASKS, move || {
            let mut worker = worker();
            let links = if chained { vec![link(&worker)] } else { Vec::new() };
            let args = args(&links, &[TASKS]);
            move |clock| clock.time(|| run(&mut worker, &args))
        })
    };
    let in_rust = |name, chained: bool| {
        Case::new(SUITE, name, TASKS, move || {
            let (chip, kernel) = direct();
            let x = chip.zeros::<f32>(&[16]).expect("a buffer");
            move |clock| {
                clock.time(|| {
                    let body = |orch: &mut prewire_chip::Orch<'_>| {
                        orch.submit(&kernel).output(&[16], DataType::F32).go()?;
                        for _ in 1..TASKS {
                            let task = orch.submit(&kernel);
                            if chained {
                                task.inout(&x).go()?
                            } else {
                                task.go()?
                            };
                        }
                        Ok(())
                    };
                    chip.run(body).expect("a run");
                });
            }
        })
    };
    let one = || {
        let mut worker = worker();
        let args = args(&[], &[1]);
        run(&mut worker, &args);
        move |clock: &mut prewire_benches::Clock| clock.time(|| run(&mut worker, &args))
    };
    let steps = || {
        let mut worker = worker();
        let (args, config) = (args(&[], &[1]), CallConfig::default());
        move |clock: &mut prewire_benches::Clock| {
            clock.time(|| {
                assert_eq!(worker.prepare(0, 0, &args, &config), 0);
                assert_eq!((worker.launch(0), worker.wait(0), worker.finish(0)), (0, 0, 0));
            });
        }
    };
    let first = || {
        let (callable, args) = (compile::with("many", &[], &[4]), args(&[], &[1]));
        move |clock: &mut prewire_benches::Clock| {
            let mut worker = Worker::new(api(), 0);
            assert_eq!(worker.register(0, &callable), 0);
            clock.time(|| run(&mut worker, &args));
        }
    };
    vec![
        tasks("a task of its own, submitted in C", false),
        in_rust("a task of its own, submitted and held in Rust", false),
        tasks("a task of a chain, submitted in C", true),
        in_rust("a task of a chain, submitted and held in Rust", true),
        Case::new(SUITE, "a run of one task", 1, one).unit(Unit::Microseconds),
        Case::new(SUITE, "a run of one task, step by step", 1, steps).unit(Unit::Microseconds),
        Case::new(SUITE, "the first run after init", 1, first).unit(Unit::Microseconds),
    ]
}

fn main() -> ExitCode {
    if compile::compiler().is_none() {
        return ExitCode::SUCCESS;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut report = Report::default();
    for case in cases() {
        report.add(measure(&case, if quick { Effort::QUICK } else { Effort::FULL }));
    }
    println!("{}", report.table());
    ExitCode::SUCCESS
}
