//! Host accesses: waiting for the tasks that an element belongs to.

use prewire_abi::{EdgeKind, ValidTensor};
use prewire_platform::{Awaited, Poll, Wait, WaitEnd};
use prewire_tensormap::Access;

use crate::collect::stale;
use crate::error::SubmitError;
use crate::infer::life;
use crate::orchestrator::Orchestrator;
use crate::scope::ScopeKey;

impl Orchestrator {
    /// Waits until the host may access `tensor` as `access` says: for a read, until everything that writes it is
    /// complete; for a write, until everything that reads it is complete too.
    ///
    /// # Errors
    ///
    /// The tensor is stale; a task that writes it failed; or the run ended.
    pub fn wait_for(
        &mut self,
        wait: &mut impl Wait,
        tensor: &ValidTensor,
        scope: ScopeKey,
        access: Access,
    ) -> Result<(), SubmitError> {
        self.check_running()?;
        if !self.scopes.is_open(&scope) {
            return Err(stale(0, tensor, &scope));
        }
        self.wait_for_edges(wait, tensor, access, false)
    }

    /// As [`wait_for`](Orchestrator::wait_for), by the rules of programs that answer for their memory themselves: a tensor
    /// is never stale, and a write waits, beyond what writes the tensor, for those tasks that keep what these wrote.
    ///
    /// # Errors
    ///
    /// A task that writes it failed; or the run ended.
    pub fn wait_for_foreign(
        &mut self,
        wait: &mut impl Wait,
        tensor: &ValidTensor,
        access: Access,
    ) -> Result<(), SubmitError> {
        self.check_running()?;
        self.wait_for_edges(wait, tensor, access, access == Access::Write)
    }

    /// Until what writes `tensor` is complete; if it is to be `released`, until nobody keeps what that wrote either.
    fn wait_for_edges(
        &mut self,
        wait: &mut impl Wait,
        tensor: &ValidTensor,
        access: Access,
        released: bool,
    ) -> Result<(), SubmitError> {
        self.edges.clear();
        let owner = tensor.owner_task_id();
        if owner.is_valid() && self.is_of_this_run(owner) {
            self.edges.add(owner, EdgeKind::WAIT);
        }
        if access == Access::Write && self.map.has_left(tensor.buffer_addr()) {
            self.record_left();
        }
        let (edges, allocator) = (&mut self.edges, &self.allocator);
        // Whatever hazards are inferred between tasks, the host waits for what is known to write.
        for access in [Access::Read, access] {
            self.map.find(tensor, access, |id| life(allocator, id), |id| edges.add(id, EdgeKind::WAIT));
        }
        let mut rest = &*self.edges;
        let Some(&(task, _)) = rest.first() else { return Ok(()) };
        let mut failed = None;
        let end = wait.wait(Awaited::Element { task }, &mut || {
            if allocator.rings().is_ended() {
                return Poll::Impossible;
            }
            while let [(first, _), others @ ..] = rest {
                match allocator.completed(*first) {
                    None => return Poll::Pending,
                    Some(_) if released && allocator.is_retained(*first) => return Poll::Pending,
                    Some(true) => failed = failed.or(Some(*first)),
                    Some(false) => {}
                }
                rest = others;
            }
            Poll::Ready
        });
        match (end, failed) {
            (WaitEnd::Ready, None) => Ok(()),
            (WaitEnd::Ready, Some(id)) => Err(SubmitError::ProducerFailed { id }),
            (WaitEnd::Impossible, _) => Err(SubmitError::RunEnded),
        }
    }
}
