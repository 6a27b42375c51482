//! What children are using, where no edges say who may: so that two that conflict are an error, not a race.
//!
//! A task in a manual scope, one with a `no_dep` argument, and every task after the first of those in its run is entered
//! here while it runs. Before the first of them everything else has ended, so nothing that is not entered runs beside
//! them.

use std::sync::{Mutex, PoisonError};

use prewire_abi::{TaskId, TensorArgType};
use prewire_chip::Span;
use prewire_orchestrator::Record;
use prewire_platform::{LaneId, Token};

use crate::submit::Member;

/// An argument that is in use.
#[derive(Clone, Copy, Debug)]
struct Use {
    lane: LaneId,
    token: Token,
    task: TaskId,
    span: Span,
    write: bool,
}

/// Stands for the orchestration among the children.
const HOST: LaneId = LaneId(u16::MAX);

/// The host uses something while this lives.
#[derive(Debug)]
pub(crate) struct HostUse<'c>(&'c Conflicts);

impl Drop for HostUse<'_> {
    fn drop(&mut self) {
        self.0.give_back(HOST, Token(0));
    }
}

/// What is in use.
#[derive(Debug, Default)]
pub(crate) struct Conflicts(Mutex<Vec<Use>>);

impl Conflicts {
    /// Enters what a dispatch uses; or who uses some of it, and then nothing is entered.
    pub(crate) fn take(
        &self,
        lane: LaneId,
        token: Token,
        task: TaskId,
        record: &Record<'_>,
        member: &Member,
    ) -> Result<(), TaskId> {
        let (first, count) = member.tensors;
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = uses.len();
        for arg in (first..first + count).filter_map(|at| record.tensor(at)) {
            let span = Span::of(&arg);
            let write = arg.tag != TensorArgType::Input;
            let other = uses[..before]
                .iter()
                .find(|used| (write || used.write) && used.task != task && used.span.meets(&span));
            if let Some(other) = other {
                let task = other.task;
                uses.truncate(before);
                return Err(task);
            }
            uses.push(Use { lane, token, task, span, write });
        }
        Ok(())
    }

    /// Enters what the host uses, for as long as the guard lives; or which task uses some of it.
    pub(crate) fn host(&self, span: Span, write: bool) -> Result<HostUse<'_>, TaskId> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = uses.iter().find(|used| (write || used.write) && used.span.meets(&span)) {
            return Err(other.task);
        }
        uses.push(Use { lane: HOST, token: Token(0), task: TaskId::INVALID, span, write });
        Ok(HostUse(self))
    }

    /// The dispatch is over.
    pub(crate) fn give_back(&self, lane: LaneId, token: Token) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.retain(|used| (used.lane, used.token) != (lane, token));
    }
}
