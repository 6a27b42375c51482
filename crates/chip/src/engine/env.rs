//! What the scheduler of a chip asks: whether a task waits for counters, and whether its predicate holds.

use prewire_orchestrator::{Predicate, Record};
use prewire_platform::{DeviceMemory, Work};
use prewire_ring::SlotRef;
use prewire_scheduler::Env;

use super::Engine;
use crate::error::KernelError;
use crate::foreign_element;
use crate::span::Span;
use crate::trace::What;

impl Env for Engine {
    fn completed(&self, slot: SlotRef) {
        self.record_completed(slot);
    }

    #[inline]
    fn may_wait(&self) -> bool {
        self.deferred.any()
    }

    fn waits(&self, slot: SlotRef) -> bool {
        self.deferred.waits(&self.rings, slot)
    }

    fn settled(&self, back: &mut dyn FnMut(SlotRef)) {
        self.deferred.settled(&self.rings, back);
    }

    fn predicate_holds(&self, slot: SlotRef) -> bool {
        let holds = self.judge(slot);
        if !holds {
            self.record(|| What::Off { task: self.rings.slot(slot).id() });
        }
        holds
    }
}

impl Engine {
    /// Whether the predicate of a task holds. One that may not be looked at fails its task.
    fn judge(&self, slot: SlotRef) -> bool {
        let record = Record::of(&self.rings, slot);
        let Some(predicate) = record.predicate() else { return true };
        if record.has_raw_predicate() {
            return compares(predicate, read_raw(predicate.addr, predicate.dtype.size()));
        }
        let mut bytes = [0; 8];
        let size = (predicate.dtype.size() as usize).min(bytes.len());
        let state = self.rings.slot(slot);
        let mut lease = None;
        let span = Span::dense(predicate.addr, size as u64, 1);
        if let Some(races) = self.races() {
            races.predicate(state.id(), record.tensors(), &span);
        }
        if state.cold().attrs.unordered || self.adoptions.at(span.addr).is_some() {
            // Nothing but its submitter's word says that nobody writes the element now; or it is not this chip's alone.
            let work = Work { slot: slot.raw(), ..Work::default() };
            let holder = self.holder(state.id(), work);
            lease = match self.keep_away(&span, false, holder) {
                Ok(lease) => Some(lease),
                Err(other) => {
                    let error = KernelError::new(format!(
                        "its predicate reads what {} writes; add an edge",
                        other.beside(&holder)
                    ));
                    self.fail(None, work, error);
                    return false;
                }
            };
        }
        let read = self.sim.read(predicate.addr, &mut bytes[..size]);
        drop(lease);
        // The tensor was checked at submit, and lives as long as the task: there is no other answer.
        read.is_err() || compares(predicate, u64::from_le_bytes(bytes))
    }
}

/// The bits of an element whose address is its submitter's word.
fn read_raw(addr: u64, size: u32) -> u64 {
    // SAFETY: who submits by `Orch::foreign` answers for the memory of its predicates until the task has ended.
    unsafe { foreign_element::read(addr, size) }
}

/// Whether an element, as its bytes, compares with the target as the predicate says. Its sign is its dtype's.
fn compares(predicate: Predicate, raw: u64) -> bool {
    use prewire_abi::DataType as D;
    let element = match predicate.dtype {
        D::I8 => i64::from(raw as i8),
        D::I16 => i64::from(raw as i16),
        D::I32 => i64::from(raw as i32),
        // Above every target that there can be.
        D::U64 if raw > i64::MAX as u64 => return predicate.op.holds(1, 0),
        _ => raw as i64,
    };
    predicate.op.holds(element, predicate.target)
}
