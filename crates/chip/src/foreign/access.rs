//! Elements that a foreign program names: those that conditions look at, and those that it reads and writes itself.
//!
//! Invariant: no element is touched that is not inside its tensor, nor before what writes it is complete.

use std::time::Duration;

use prewire_abi::{ChipTensor, PredicateOp, ValidTensor};
use prewire_orchestrator::Predicate;
use prewire_tensormap::Access;

use crate::error::{Refusal, Result};
use crate::foreign::Foreign;
use crate::foreign_element::{self, element};
use crate::trace::What;

impl Foreign<'_, '_> {
    /// Adds a condition on one element, looked at when the task is ready. It makes no edge.
    ///
    /// # Errors
    ///
    /// There is no such element.
    pub fn predicate(
        &mut self,
        tensor: &ChipTensor,
        index: &[u32],
        op: PredicateOp,
        target: i64,
    ) -> Result<()> {
        let tensor = &self.mended("a predicate", tensor)?;
        let (addr, _) = self.element("a predicate", tensor, index)?;
        let Ok(dtype) = tensor.dtype() else { return Ok(()) };
        self.orch.args.predicate(Predicate { addr, dtype, op, target });
        Ok(())
    }

    /// The bits of one element, once everything that writes its tensor is complete. Waits no longer than `allowed`.
    ///
    /// # Errors
    ///
    /// There is no such element; a task that writes it failed; or it has not ended in time.
    pub fn read_element(&mut self, tensor: &ChipTensor, index: &[u32], allowed: Duration) -> Result<u64> {
        let (addr, size) = self.settle("a host read", tensor, index, Access::Read, allowed)?;
        // SAFETY: whoever made this answers for the tensors.
        Ok(unsafe { foreign_element::read(addr, size) })
    }

    /// Writes one element, once everything that writes its tensor is complete, and what keeps that is. Waits no longer than
    /// `allowed`.
    ///
    /// # Errors
    ///
    /// As [`read_element`](Foreign::read_element).
    pub fn write_element(
        &mut self,
        tensor: &ChipTensor,
        index: &[u32],
        bits: u64,
        allowed: Duration,
    ) -> Result<()> {
        let (addr, size) = self.settle("a host write", tensor, index, Access::Write, allowed)?;
        // SAFETY: whoever made this answers for the tensors.
        unsafe { foreign_element::write(addr, size, bits) };
        Ok(())
    }

    /// The record as it was meant: as [`tensor`](Foreign::tensor) takes it.
    fn mended(&self, what: &'static str, tensor: &ChipTensor) -> Result<ValidTensor> {
        ValidTensor::mended(tensor).map_err(|error| self.refused(what, Refusal::Tensor { arg: 0, error }))
    }

    fn element(&self, what: &'static str, tensor: &ValidTensor, index: &[u32]) -> Result<(u64, u32)> {
        element(tensor, index).map_err(|why| {
            let dtype = tensor.dtype().map_or_else(|_| "of no type".into(), |dtype| dtype.to_string());
            let (index, shape) = (index.to_vec(), tensor.shape().to_vec());
            self.refused(what, Refusal::Element { index, shape, dtype, why })
        })
    }

    /// Waits until an element may be accessed: where it is.
    fn settle(
        &mut self,
        what: &'static str,
        tensor: &ChipTensor,
        index: &[u32],
        access: Access,
        allowed: Duration,
    ) -> Result<(u64, u32)> {
        let tensor = &self.mended(what, tensor)?;
        let place = self.element(what, tensor, index)?;
        let (site, orch) = (self.site, &mut *self.orch);
        orch.waiter.about(site);
        let orchestrator = &mut *orch.orchestrator;
        let (waited, overdue) =
            orch.waiter.limited(allowed, |waiter| orchestrator.wait_for_foreign(waiter, tensor, access));
        match waited {
            Ok(()) => {
                orch.engine.record(|| What::Host { write: access == Access::Write, site });
                Ok(place)
            }
            Err(_) if overdue => Err(self.refused(what, Refusal::WaitedTooLong { allowed })),
            Err(error) => Err(self.refused(what, error.into())),
        }
    }
}
