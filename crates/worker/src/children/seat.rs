//! What a parent knows of one child: whether it serves, and what it was given whose outcome is not known.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prewire_platform::{Standing, Token, Work};
use prewire_scheduler::NodeSpec;
use prewire_sync::atomic::AtomicBool;

use crate::callable::Kind;
use crate::error::{Death, Reason};

/// A dispatch whose outcome is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handed {
    pub(super) token: Token,
    pub(super) work: Work,
    pub(super) stage: Stage,
    /// When it was posted, on a clock that is some milliseconds behind.
    pub(super) since: Duration,
    /// Another member of its group has failed: until when it may go on.
    pub(super) bereft: Option<Duration>,
}

/// How far a dispatch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In no frame: it waits for the child to be up again.
    Waits,
    /// In a frame.
    Posted,
    /// It was refused, and its task has failed.
    Refused,
}

/// What is known of a dispatch.
pub(super) enum Outcome {
    /// Not yet taken, or not to be told yet.
    Open,
    Runs,
    /// Its frame does not hold it any more: somebody has written there who must not.
    Overwritten,
    /// The child died before it took it.
    TakenBack,
    Over(Option<Reason>),
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) standing: Standing,
    /// What the child has, in the order in which it was handed over.
    pub(super) handed: [Option<Handed>; 2],
    /// The process is dead, and what it was running has not been failed yet.
    pub(super) dead: Option<Death>,
    /// It was killed, as what it ran took longer than this.
    pub(super) overdue: Option<Duration>,
    /// Its process, while it has one.
    pub(super) pid: Option<u32>,
    /// Why it was given up.
    pub(super) given_up: String,
    /// It has completed something since it was last started.
    pub(super) useful: bool,
}

/// A child, as its parent sees it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) runs: Kind,
    pub(super) state: Mutex<State>,
    /// Its mailbox is not as it and its parent left it, so it is to be killed. Set by the poller, cleared by the thread
    /// that makes children.
    pub(super) wild: AtomicBool,
}

impl Seat {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What kind of callable it runs.
    pub(crate) const fn runs(&self) -> Kind {
        self.runs
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing of others runs while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of what was handed over, the older one first.
pub(super) fn in_order(handed: &[Option<Handed>; 2]) -> [usize; 2] {
    let tokens = NodeSpec::new(0, 0).tokens;
    match handed {
        [Some(a), Some(b)] if tokens.after(b.token) == a.token => [1, 0],
        _ => [0, 1],
    }
}
