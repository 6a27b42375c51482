//! What a run came to, as a front end hears it. Invariant: a run that failed is told in the log before its code is
//! returned, in lines of which front ends know the beginnings.

use prewire_abi::ErrorCode;
use prewire_chip::{Error, StallClass, StallReport};

use super::error::INTERNAL;
use super::log;
use crate::orchestration::{Status, status_of};

/// The code of a run that failed for `error`, after the log has told it.
pub(crate) fn failed(call: &str, error: &Error) -> i32 {
    // What fails of the runtime itself has no code: neither the program nor its kernels have done anything wrong.
    let own = !matches!(error, Error::User(_)) && error.code().is_none();
    let verdict = if own { Status::default() } else { status_of(error) };
    let Status { orch, sched, .. } = verdict;
    let code = |code: Option<ErrorCode>| code.map_or(0, ErrorCode::code);
    let status = match verdict.number() {
        0 => INTERNAL,
        status => status,
    };
    log::error(
        call,
        format_args!(
            "PTO2 runtime failed: orch_error_code={} sched_error_code={} runtime_status={status}",
            verdict.declared.unwrap_or(code(orch)),
            code(sched)
        ),
    );
    for (field, code) in [("orch_error_code", orch), ("sched_error_code", sched)] {
        let Some(code) = code else { continue };
        let number = code.code();
        log::error(call, format_args!("error detail: {field}={number} {} - {}", code.name(), code.text()));
        log::error(
            call,
            format_args!("error hint: {}. See docs/troubleshooting/device-error-codes.md", code.hint()),
        );
    }
    if let Error::Stalled(report) = error {
        log::error(call, format_args!("PTO2 scheduler timeout {}", Stall(report)));
    }
    log::error(call, format_args!("error cause: {error}"));
    status
}

/// A stall in one line.
struct Stall<'r>(&'r StallReport);

impl std::fmt::Display for Stall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(report) = self;
        let name = match report.class {
            StallClass::Running => "running-stalled",
            StallClass::ReadyButIdle => "ready-but-all-idle",
            StallClass::Dependency | StallClass::Deferred => "dependency-deadlock",
            StallClass::Orchestration => "orchestrator-starvation",
            _ => "unknown",
        };
        let done = report.orchestrator.as_ref().is_some_and(|wait| wait.site.is_none());
        write!(
            f,
            "sub_class=S{}:{name} running={} ready={} waiting={} orch_done={}",
            report.class.code(),
            report.running.len(),
            report.ready.len(),
            report.waiting.len(),
            u8::from(done)
        )
    }
}
