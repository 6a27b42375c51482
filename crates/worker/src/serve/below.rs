//! A worker as a child: each task is a run of it, by an orchestration that gets its own orchestrator.

use std::cell::Cell;
use std::sync::PoisonError;

use super::Assigned;
use super::outcome::{LOST, Refused, SAID, chain, misplaced, refuse};
use crate::args::Args;
use crate::callable::{Body, Kind};
use crate::error::Error;
use crate::inner::Inside;
use crate::output::Output;
use crate::plan::Plan;
use crate::start::Prepared;
use crate::tree::{Builder, Mode};
use crate::worker::Worker;

pub(super) struct Below {
    worker: Worker,
    lost: Cell<bool>,
}

impl Below {
    pub(super) fn new(plan: &Plan, child: usize, builder: &Builder) -> Result<Self, String> {
        let prepared = match plan.children[child].mode {
            // The first thing that this process does, while it is one thread.
            Mode::Process => {
                Prepared::new(builder, &plan.child_path(child), &plan.segments, &Output::default())
            }
            Mode::Thread => {
                let prepared = plan.nested[child].lock().unwrap_or_else(PoisonError::into_inner).take();
                prepared.ok_or_else(|| Error::Start {
                    path: plan.child_path(child),
                    why: "a worker in a thread cannot be replaced: its children could be forked only before the first \
                          thread; have it run in a process"
                        .into(),
                })
            }
        };
        let worker = prepared.and_then(Prepared::launch).map_err(|error| chain(&error))?;
        Ok(Self { worker, lost: Cell::new(false) })
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.lost.get()
    }

    pub(super) fn run(&self, plan: &Plan, task: &Assigned<'_>) -> Result<(), Refused> {
        let Body::Orchestration(body) = task.callable.body() else {
            return Err(misplaced(&task.callable, Kind::Orchestration));
        };
        let _own = Inside::leave();
        let ran = self.worker.run(|orch| {
            if let Some(left) = task.time_left() {
                orch.deadline(left);
            }
            let args = Args::in_run(task.args, &plan.segments, orch.store.id(), orch.run);
            body(orch, &args)
        });
        ran.map(drop).map_err(|error| {
            // One whose children cannot be replaced any more is replaced with them.
            let is_lost = matches!(error, Error::Lost { .. }) || self.worker.family.is_barren();
            self.lost.set(is_lost);
            refuse(if is_lost { LOST } else { SAID }, &error)
        })
    }
}
