//! How the orchestrator of a worker waits: it attends to the children itself.
//!
//! Whoever waits looks at who has news, completes and dispatches, and parks where the next child that has news wakes it: a
//! round trip is one wake-up each way. Slow is not stuck: a wait goes on for as long as it takes, unless the run has a
//! deadline. Then the run is ended and what still runs of it is killed, so that the wait is over soon.

use std::panic::Location;
use std::time::Duration;

use prewire_os::clock;
use prewire_platform::{Awaited, Poll, Wait, WaitEnd};
use prewire_runs::{Control, event};

use crate::engine::Engine;

/// How long nothing may complete before a wait says what it waits for, and again each time.
const STALL: Duration = Duration::from_secs(10);

/// Waits on behalf of one run.
#[derive(Debug)]
pub(crate) struct Waiter<'e> {
    engine: &'e Engine,
    control: &'e Control,
    /// The call of the program that waits.
    site: Option<&'static Location<'static>>,
}

impl<'e> Waiter<'e> {
    pub(crate) const fn new(engine: &'e Engine, control: &'e Control) -> Self {
        Self { engine, control, site: None }
    }

    /// The program has made a call at `site`.
    pub(crate) fn about(&mut self, site: &'static Location<'static>) {
        self.site = Some(site);
    }

    /// The run is to be over `allowed` from now. The progress thread sees to it, whatever the program does.
    pub(crate) fn set_deadline(&self, allowed: Duration) {
        self.control.set_deadline(allowed);
        self.engine.children().set_due(self.control.deadline());
        self.engine.times_changed();
    }
}

impl Wait for Waiter<'_> {
    fn wait(&mut self, what: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        let engine = self.engine;
        let mut seen = engine.completed();
        let mut still_since = None;
        engine.attend(|attending| {
            loop {
                engine.poll();
                match look() {
                    Poll::Ready => return WaitEnd::Ready,
                    Poll::Impossible => return WaitEnd::Impossible,
                    Poll::Pending if engine.is_lost() => return WaitEnd::Impossible,
                    Poll::Pending => {}
                }
                if attending.wait(STALL) {
                    continue;
                }
                let (now, completed) = (clock::monotonic(), engine.completed());
                if completed != seen {
                    (seen, still_since) = (completed, None);
                } else if now.saturating_sub(*still_since.get_or_insert(now)) >= STALL {
                    still_since = Some(now);
                    let site = self.site.map(|site| format!(" (called at {site})")).unwrap_or_default();
                    event!(
                        warn,
                        worker = engine.path(),
                        "nothing has completed for a while: the orchestration waits for {what}{site}; {}",
                        engine.doing()
                    );
                }
            }
        })
    }

    fn published(&mut self) {
        self.engine.poll();
    }
}
