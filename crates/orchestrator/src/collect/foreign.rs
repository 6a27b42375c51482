//! The rules of programs that answer for their memory themselves.

use prewire_abi::{EdgeKind, TaskId, TensorArgType};
use prewire_ring::Placed;
use prewire_tensormap::{Access, Hazards, Place};

use super::add_owner;
use crate::args::Args;
use crate::infer::life;
use crate::orchestrator::Orchestrator;

impl Orchestrator {
    /// Whether the rules are those of programs that answer for their memory themselves.
    #[inline]
    pub(crate) fn is_foreign(&self, args: &Args) -> bool {
        args.is_foreign() && self.hazards == Hazards::RawWaw
    }

    /// As `collect`, by the rules of programs that answer for their memory themselves: what is read or read and written waits
    /// for writes, and what is only written is remembered and waits for nothing. No read is remembered. What such a program
    /// says creates an edge to its creator; of one that is retired the memory may be another one's. In a manual scope nothing
    /// is inferred at all.
    #[inline(never)]
    pub(super) fn collect_foreign(&mut self, args: &Args) {
        let now = self.now(true);
        for (number, arg) in args.tensors().iter().enumerate() {
            if arg.creates() {
                continue;
            }
            let tensor = arg.tensor();
            let owner = tensor.owner_task_id();
            if now.alive.has(owner) {
                self.edges.add(owner, EdgeKind::BOTH);
            } else if owner.is_valid() {
                self.collect_owner(number, owner);
            }
            let access = match arg.tag() {
                TensorArgType::Input => Access::Read,
                TensorArgType::InOut => Access::Write,
                TensorArgType::OutputExisting if !tensor.is_manual_dep() => {
                    self.record_later(number as u32, Place::default());
                    continue;
                }
                _ => continue,
            };
            if tensor.is_manual_dep() {
                continue;
            }
            let Self { edges, map, allocator, .. } = self;
            let wait = |id| edges.add(id, EdgeKind::WAIT);
            let place = map.find(tensor, access, |id| now.life(allocator, id), wait);
            if access == Access::Write {
                self.record_later(number as u32, place);
            }
        }
    }

    /// As `collect_foreign`, of the creator of tensor `number`, whether there is such a task: one of another ring, of this run
    /// and retired, or of another run.
    #[inline(never)]
    fn collect_owner(&mut self, number: usize, owner: TaskId) {
        let waits = add_owner(&mut self.edges, &self.allocator, &self.first, owner);
        if !waits && self.is_of_this_run(owner) {
            self.stale.get_or_insert((number, owner));
        }
    }

    /// As `record_accesses`, by the rules of programs that answer for their memory themselves.
    #[inline(never)]
    pub(crate) fn record_foreign(&mut self, placed: &Placed, args: &Args) {
        let Self { map, allocator, late, .. } = self;
        let life = |id| life(allocator, id);
        for &(number, place) in late.iter() {
            // What is read beside is not theirs.
            let Some(arg) = args.tensors().get(number as usize) else { continue };
            let recorded = if matches!(arg.tag(), TensorArgType::OutputExisting) {
                map.record_beside(arg.tensor(), placed.id, life)
            } else {
                map.record_at(place, arg.tensor(), Access::Write, placed.id, life)
            };
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }
}
