//! The codes of runs that fail, as they reach a front end, and the lines that it looks for in the log.

use crate::api::{Api, built};
use crate::compile;
use crate::worker::{Worker, args, floats, rings};
use core::time::Duration;
use host_runtime::host::SimplerHostLogState;
use prewire_abi::{AddressSpace, CallConfig, ChipTensor, DataType};
use prewire_os::{Event, clock};
use std::ffi::c_int;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// A process of its own, which plays `part`.
pub(crate) fn begin(part: &str, limit: &str) -> Child {
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new(me);
    command.args(["--case", part]).env("SIMPLER_SCHEDULER_TIMEOUT_MS", limit);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a process of its own, which plays `part`, writes to its log.
fn log_of(part: &str) -> String {
    log_from(begin(part, "10000"))
}

pub(crate) fn log_from(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    log
}

/// That a run of `entry` fails with `code`, and that the next run of another callable goes well.
fn fails(entry: &str, kernels: &[u32], scalars: &[u64], config: &CallConfig, code: c_int) {
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    let well = compile::with("many", &[], &[4]);
    assert_eq!(worker.register(0, &compile::with(entry, &[], kernels)), 0);
    assert_eq!(worker.register(1, &well), 0);
    let data = vec![1f32; 16];
    let all = args(&[floats(&data)], scalars);
    for _ in 0..2 {
        assert_eq!(worker.run(0, &all, config), code, "{entry}");
    }
    assert_eq!(worker.prepare(1, 0, &all, config), 0);
    assert_eq!((worker.launch(1), worker.wait(1), worker.poll(1), worker.finish(1)), (0, code, 1, code));
    assert_eq!(
        worker.run(1, &args(&[], &[4]), &CallConfig::default()),
        0,
        "the context can be used after {entry}"
    );
}

pub(crate) fn scope_deadlock() {
    fails("scope_deadlock", &[], &[], &rings(4, 0, 0), -1);
}

pub(crate) fn heap_deadlock() {
    fails("heap_deadlock", &[], &[], &rings(0, 1024, 0), -2);
}

pub(crate) fn flow_deadlock() {
    fails("flow_deadlock", &[], &[], &rings(4, 0, 0), -3);
}

pub(crate) fn pool_overflow() {
    fails("pool_overflow", &[], &[], &rings(0, 0, 4), -4);
}

pub(crate) fn invalid_args() {
    fails("invalid_args", &[], &[], &CallConfig::default(), -5);
}

pub(crate) fn sync_start() {
    fails("sync_start", &[4], &[], &CallConfig::default(), -7);
}

pub(crate) fn fatal() {
    fails("fatal", &[4], &[], &CallConfig::default(), -9);
}

pub(crate) fn map_overflow() {
    fails("map_overflow", &[], &[], &CallConfig::default(), -11);
}

pub(crate) fn declared() {
    fails("declared", &[], &[42], &CallConfig::default(), -42);
}

pub(crate) fn element() {
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("element", &[], &[3])), 0);
    let gate = OpenLater::new(&worker, Duration::from_secs(17));
    assert_eq!(worker.run(0, &args(&[gate.tensor()], &[]), &CallConfig::default()), -8);
    gate.join();
}

pub(crate) fn unknown_kernel() {
    fails("unknown_kernel", &[4], &[], &CallConfig::default(), -5);
}

pub(crate) fn completion_invalid() {
    fails("completions", &[5], &[101], &CallConfig::default(), -101);
}

pub(crate) fn completion_overflow() {
    fails("completions", &[5], &[102], &CallConfig::default(), -102);
}

pub(crate) fn completion_malformed() {
    fails("completions", &[5], &[103], &CallConfig::default(), -103);
}

/// The words of a gate kernel, which is let go after some time.
struct OpenLater {
    at: usize,
    opener: JoinHandle<()>,
}

impl OpenLater {
    fn new(worker: &Worker<'_>, after: Duration) -> Self {
        let at = worker.malloc(8);
        assert_eq!(worker.write(at, &[0; 8]), 0);
        let (at, ctx, copy) = (at.expose_provenance(), worker.ctx.addr(), worker.api.copy_to_device_ctx);
        let opener = std::thread::spawn(move || {
            // Nobody calls for the end of this wait: it is the time that is wanted.
            let end = clock::monotonic() + after;
            let over = || (clock::monotonic() >= end).then_some(());
            while Event::new().wait_until(Some(after), over).is_none() {}
            let (ctx, to) =
                (core::ptr::without_provenance_mut(ctx), core::ptr::with_exposed_provenance_mut(at + 4));
            // SAFETY: a context, and four bytes.
            let copied = unsafe { copy(ctx, to, [1u8; 4].as_ptr().cast(), 4) };
            assert_eq!(copied, 0);
        });
        Self { at, opener }
    }

    fn tensor(&self) -> ChipTensor {
        let tensor = ChipTensor::contiguous(self.at as u64, &[2], DataType::U32).unwrap();
        tensor.with_address_space(AddressSpace::Device)
    }

    fn join(self) {
        self.opener.join().unwrap();
    }
}

pub(crate) fn stall() {
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("gate", &[], &[3])), 0);
    // The limit of the run is a fifth of a second; the patience with its kernels after it is 5 seconds.
    let gate = OpenLater::new(&worker, Duration::from_millis(1500));
    assert_eq!(worker.prepare(0, 0, &args(&[gate.tensor()], &[]), &CallConfig::default()), 0);
    assert_eq!((worker.launch(0), worker.finish(0)), (0, -100));
    gate.join();
    assert_eq!(worker.register(1, &compile::with("many", &[], &[4])), 0);
    assert_eq!(worker.run(1, &args(&[], &[4]), &CallConfig::default()), 0);
}

/// A kernel that never returns: its chip is given up, and everything else goes on.
pub(crate) fn hang() {
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("gate", &[], &[3])), 0);
    assert_eq!(worker.register(1, &compile::with("many", &[], &[4])), 0);
    let at = worker.malloc(8);
    assert_eq!(worker.write(at, &[0; 8]), 0);
    let gate = ChipTensor::contiguous(at.addr() as u64, &[2], DataType::U32).unwrap();
    let all = args(&[gate.with_address_space(AddressSpace::Device)], &[]);
    assert_eq!(worker.run(0, &all, &CallConfig::default()), -100);
    assert_eq!(worker.run(1, &args(&[], &[100]), &CallConfig::default()), 0);
    assert_eq!((worker.unregister(0), worker.unregister(1)), (0, 0));
    assert_eq!(worker.register(0, &compile::with("many", &[], &[4])), 0);
    assert_eq!(worker.run(0, &args(&[], &[100]), &CallConfig::default()), 0);
    // The kernel reads its words for as long as the process lives: they must stay.
    drop(worker);
    drop(Worker::new(&api, 0));
}

/// A worker whose callable 0 does not return, and whose callable 1 does.
fn hanging(api: &Api) -> Worker<'_> {
    let worker = Worker::new(api, 0);
    assert_eq!(worker.register(0, &compile::with("gate", &[], &[3])), 0);
    assert_eq!(worker.register(1, &compile::with("many", &[], &[4])), 0);
    worker
}

/// Words of a gate that nobody opens. So many that the allocator gives them back to the system when they are freed.
fn closed() -> Vec<u32> {
    vec![0; 1 << 18]
}

fn words(data: &[u32]) -> ChipTensor {
    let addr = data.as_ptr().expose_provenance() as u64;
    ChipTensor::contiguous(addr, &[data.len() as u32], DataType::U32).unwrap()
}

/// Device memory that a kernel never lets go is freed.
pub(crate) fn hang_freed() {
    let api = Api::load(&built());
    let mut worker = hanging(&api);
    let at = worker.malloc(4 << 18);
    assert_eq!(worker.write(at, &vec![0; 4 << 18]), 0);
    let gate = ChipTensor::contiguous(at.addr() as u64, &[1 << 18], DataType::U32).unwrap();
    let all = args(&[gate.with_address_space(AddressSpace::Device)], &[]);
    assert_eq!(worker.run(0, &all, &CallConfig::default()), -100);
    let before = worker.committed();
    worker.free(at);
    assert_eq!((worker.committed(), worker.read(at, &mut [0])), (before - (4 << 18), -1), "it is freed");
    for _ in 0..50 {
        assert_eq!(worker.run(1, &args(&[], &[100]), &CallConfig::default()), 0);
    }
}

/// The buffer that a kernel never lets go is too small for the next run of its place.
pub(crate) fn hang_staged() {
    let api = Api::load(&built());
    let mut worker = hanging(&api);
    let (gate, large) = (closed(), vec![0u32; 4 << 18]);
    assert_eq!(worker.run(0, &args(&[words(&gate)], &[]), &CallConfig::default()), -100);
    for _ in 0..50 {
        assert_eq!(worker.run(1, &args(&[words(&large)], &[3]), &CallConfig::default()), 0);
    }
}

/// A run that is prepared when its chip is lost.
pub(crate) fn hang_prepared() {
    let api = Api::load(&built());
    let mut worker = hanging(&api);
    let (gate, config) = (closed(), CallConfig::default());
    assert_eq!(worker.prepare(0, 0, &args(&[words(&gate)], &[]), &config), 0);
    assert_eq!(worker.launch(0), 0);
    assert_eq!(worker.prepare(1, 1, &args(&[words(&gate)], &[3]), &config), 0);
    assert_eq!((worker.wait(0), worker.launch(1)), (-100, 0));
    assert_eq!((worker.wait(1), worker.finish(1), worker.finish(0)), (0, 0, -100));
}

/// A run that is launched when its chip is lost.
pub(crate) fn hang_launched() {
    let api = Api::load(&built());
    let mut worker = hanging(&api);
    let (gate, config) = (closed(), CallConfig::default());
    assert_eq!(worker.prepare(0, 0, &args(&[words(&gate)], &[]), &config), 0);
    assert_eq!(worker.prepare(1, 1, &args(&[], &[3]), &config), 0);
    assert_eq!((worker.launch(0), worker.launch(1)), (0, 0));
    assert_eq!((worker.finish(0), worker.finish(1)), (-100, -1));
    assert_eq!(worker.run(1, &args(&[], &[3]), &config), 0);
}

pub(crate) fn what_a_lost_kernel_uses_stays() {
    if compile::compiler().is_none() {
        return;
    }
    for part in ["codes::hang_freed", "codes::hang_staged"] {
        let log = log_from(begin(part, "200"));
        assert!(log.contains("1 allocations stay as long as the process"), "{log}");
    }
}

pub(crate) fn a_lost_chip_takes_its_runs_with_it_and_no_others() {
    if compile::compiler().is_none() {
        return;
    }
    let log = log_from(begin("codes::hang_prepared", "200"));
    assert_eq!(log.matches("PTO2 runtime failed").count(), 1, "{log}");
    let log = log_from(begin("codes::hang_launched", "200"));
    let line = "PTO2 runtime failed: orch_error_code=0 sched_error_code=0 runtime_status=-1";
    assert!(log.matches(line).count() == 1 && log.contains("runtime_status=-100"), "{log}");
}

/// A task that waits for a counter that nobody raises.
pub(crate) fn never_raised() {
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("completions", &[], &[5])), 0);
    assert_eq!(worker.run(0, &args(&[], &[104]), &CallConfig::default()), -100);
}

pub(crate) fn codes_reach_the_caller_and_the_log() {
    if compile::compiler().is_none() {
        return;
    }
    // An orchestration waits 15 s for an element, if its kernel may stand still for so long.
    let element = begin("codes::element", "60000");
    for (part, orch, sched, name) in [
        ("codes::scope_deadlock", 1, 0, "SCOPE_DEADLOCK"),
        ("codes::heap_deadlock", 2, 0, "HEAP_RING_DEADLOCK"),
        ("codes::flow_deadlock", 3, 0, "FLOW_CONTROL_DEADLOCK"),
        ("codes::pool_overflow", 4, 0, "DEP_POOL_OVERFLOW"),
        ("codes::invalid_args", 5, 0, "INVALID_ARGS"),
        ("codes::sync_start", 7, 0, "REQUIRE_SYNC_START_INVALID"),
        ("codes::fatal", 9, 0, "EXPLICIT_ORCH_FATAL"),
        ("codes::map_overflow", 11, 0, "TENSORMAP_OVERFLOW"),
        ("codes::unknown_kernel", 5, 0, "INVALID_ARGS"),
        ("codes::completion_invalid", 0, 101, "ASYNC_COMPLETION_INVALID"),
        ("codes::completion_overflow", 0, 102, "ASYNC_WAIT_OVERFLOW"),
        ("codes::completion_malformed", 0, 103, "ASYNC_REGISTRATION_FAILED"),
    ] {
        let log = log_of(part);
        let status = -if orch != 0 { orch } else { sched };
        let first = format!(
            "PTO2 runtime failed: orch_error_code={orch} sched_error_code={sched} runtime_status={status}"
        );
        let field = if orch != 0 { "orch_error_code" } else { "sched_error_code" };
        let detail = format!("error detail: {field}={} {name} - ", -status);
        for line in [&*first, &*detail, "error hint: ", "See docs/troubleshooting/device-error-codes.md"] {
            assert_eq!(log.matches(line).count(), 3, "{part}: {line}\n{log}");
        }
    }
    let log = log_of("codes::declared");
    let line = "PTO2 runtime failed: orch_error_code=42 sched_error_code=0 runtime_status=-42";
    assert_eq!(log.matches(line).count(), 3, "{log}");
    let log = log_from(element);
    assert!(log.contains("error detail: orch_error_code=8 TENSOR_WAIT_TIMEOUT - "), "{log}");
}

pub(crate) fn a_run_that_stands_still_is_told_with_what_keeps_it() {
    if compile::compiler().is_none() {
        return;
    }
    let log = log_from(begin("codes::stall", "200"));
    assert!(log.contains("orch_error_code=0 sched_error_code=100 runtime_status=-100"), "{log}");
    assert!(log.contains("sub_class=S1:running-stalled running=1 ready=0 waiting=0 orch_done=1"), "{log}");
    let log = log_from(begin("codes::never_raised", "200"));
    assert!(log.contains("sub_class=S4:dependency-deadlock running=0 ready=0"), "{log}");
    let log = log_from(begin("codes::hang", "200"));
    assert!(log.contains("runtime_status=-100") && log.contains("allocations stay"), "{log}");
}

fn with_threshold(threshold: i32) {
    let api = Api::load(&built());
    let state = Box::leak(Box::new(SimplerHostLogState {
        abi_version: 1,
        struct_size: 16,
        threshold,
        clock_anchor_pid: 0,
    }));
    // SAFETY: a record that is never freed.
    assert_eq!(unsafe { (api.simpler_host_log_bind_state)(state) }, 0);
    // SAFETY: null is refused.
    assert_eq!(unsafe { (api.simpler_host_log_bind_state)(core::ptr::null_mut()) }, -1);
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::with("loud", &[], &[])), 0);
    assert_eq!(worker.run(0, &args(&[], &[]), &CallConfig::default()), 0);
}

pub(crate) fn loud() {
    with_threshold(10);
}

pub(crate) fn usual() {
    with_threshold(25);
}

pub(crate) fn silent() {
    with_threshold(60);
}

pub(crate) fn the_log_is_as_loud_as_the_front_end_says() {
    if compile::compiler().is_none() {
        return;
    }
    for (part, levels) in [
        ("codes::loud", &["ERROR", "WARN", "TIMING", "INFO", "DEBUG"][..]),
        ("codes::usual", &["ERROR", "WARN", "TIMING"]),
        ("codes::silent", &[]),
    ] {
        let log = log_of(part);
        let told: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split_once("] loud: level ")?.0.rsplit_once('[').map(|(_, level)| level))
            .collect();
        assert_eq!(told, levels, "{part}: {log}");
        assert!(levels.is_empty() == log.is_empty(), "{part}: {log}");
    }
}
