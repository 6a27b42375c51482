//! Kernels that take as long as a test wants, and runs that are ended while they do.

use core::time::Duration;
use prewire_chip::{Chip, ChipBuilder, Core, Error, ErrorCode, Kernel, Orch, Run, StallReport};
use std::sync::Arc;

use super::Gate;

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(600);
/// Shorter than anybody notices.
pub(crate) const SHORT: Duration = Duration::from_millis(20);

pub(crate) fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2)
}

/// A kernel that passes `began` and then waits until `go` was passed once.
pub(crate) fn waits(chip: &Chip, name: &str, began: &Arc<Gate>, go: &Arc<Gate>) -> Kernel {
    let (began, go) = (Arc::clone(began), Arc::clone(go));
    let body = move |_: &mut prewire_chip::KernelCtx<'_>| {
        began.pass();
        go.wait(1);
        Ok(())
    };
    chip.kernel(name, Core::Aiv, body).unwrap()
}

/// An orchestration that passes `began` and does not return before `go` was passed once.
pub(crate) fn stuck(
    began: &Arc<Gate>,
    go: &Arc<Gate>,
) -> impl FnOnce(&mut Orch<'_>) -> Result<(), Error> + Send + 'static {
    let (began, go) = (Arc::clone(began), Arc::clone(go));
    move |_| {
        began.pass();
        go.wait(1);
        Ok(())
    }
}

/// The stall that ended a run.
#[track_caller]
pub(crate) fn stalled<T: std::fmt::Debug>(result: Result<T, Error>) -> StallReport {
    match result {
        Err(error @ Error::Stalled(_)) => {
            assert_eq!(error.code(), Some(ErrorCode::SchedulerTimeout));
            let Error::Stalled(report) = error else { unreachable!() };
            *report
        }
        other => panic!("not a stall: {other:?}"),
    }
}

/// Waits until the run has a root cause: until somebody has ended it.
pub(crate) fn until_ended(run: &Run) {
    while run.root_cause().is_none() {
        assert!(run.wait_for(Duration::from_millis(1)).is_err(), "it is over without a root cause");
    }
}
