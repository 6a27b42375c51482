//! The engine of a worker: the same rings and scheduler as a chip's, with children for lanes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prewire_mailbox::{Attend, Wake};
use prewire_orchestrator::Record;
use prewire_platform::LaneId;
use prewire_ring::{Ready, Rings, SlotRef};
use prewire_runs::{Cause, Runner};
use prewire_scheduler::{Env, NodePlacement, NodeSpec, Scheduler};
use prewire_sync::Spinning;
use prewire_sync::atomic::{AtomicU32, Ordering};

use crate::callable::{Callable, Catalog};
use crate::children::Children;
use crate::error::{Error, Reason, Result};
use crate::family::Family;
use crate::portable;
use crate::submit::member;

/// One worker at work: rings, scheduler, children.
#[derive(Debug)]
pub(crate) struct Engine {
    path: String,
    rings: Arc<Rings>,
    scheduler: Scheduler<Children, NodePlacement>,
    children: Arc<Children>,
    family: Arc<Family>,
    cause: Arc<Cause<Error>>,
    /// Why nothing can run any more.
    lost: Mutex<Option<String>>,
    /// Raised by whoever has changed something that the thread that attends should look at, and that is no news of a child.
    stirs: AtomicU32,
    /// Raised by the thread of the orchestration.
    polls: AtomicU32,
    /// What the threads that attended have learned.
    spinning: Mutex<Spinning>,
}

/// A thread that attends to the children of a worker.
pub(crate) struct Attending<'e> {
    engine: &'e Engine,
    attend: Option<Attend<'e>>,
    seen: u32,
    spinning: Spinning,
}

impl Engine {
    pub(crate) fn new(
        family: Arc<Family>,
        rings: Arc<Rings>,
        ready: Arc<Ready>,
        children: Arc<Children>,
        cause: Arc<Cause<Error>>,
    ) -> Result<Self> {
        let path = family.plan().path.clone();
        let (workers, subs) = children.counts();
        let lanes = Arc::clone(&children);
        let scheduler = Scheduler::node(NodeSpec::new(workers, subs), Arc::clone(&rings), ready, lanes)
            .map_err(|error| Error::Tree { path: path.clone(), why: error.to_string() })?;
        let (lost, stirs, spinning) = (Mutex::new(None), AtomicU32::new(0), Mutex::default());
        Ok(Self {
            path,
            rings,
            scheduler,
            children,
            family,
            cause,
            lost,
            stirs,
            polls: AtomicU32::new(0),
            spinning,
        })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn children(&self) -> &Children {
        &self.children
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.family.plan().catalog
    }

    /// The number of a callable; none if it is not registered. Nobody reaches a worker below another one to register
    /// with it what the tree did not have at its start, so what is portable it registers by itself.
    pub(crate) fn number_of(&self, callable: &Callable) -> Result<Option<u32>> {
        let digest = callable.digest();
        let known = self.catalog().id_of(&digest);
        if known.is_some() || !self.family.plan().is_below() {
            return Ok(known);
        }
        let Some(portable) = portable::find(&digest) else { return Ok(None) };
        self.family.register(&portable)?;
        Ok(self.catalog().id_of(&digest))
    }

    /// Completes what has finished, and hands out what is ready. For the thread of the orchestration.
    #[inline]
    pub(crate) fn poll(&self) {
        self.polls.store(self.polls().wrapping_add(1), Ordering::Relaxed);
        let _ = self.scheduler.poll(0, self);
    }

    /// How often the thread of the orchestration has looked after the children.
    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }

    /// As [`poll`](Engine::poll), by a thread that does not wait itself, on behalf of one that may.
    pub(crate) fn poll_for_others(&self) {
        if self.scheduler.poll(0, self).any() {
            self.stir();
        }
    }

    /// Has the thread that attends look again, if there is one.
    fn stir(&self) {
        // ORDERING: Release, "stirs"; pairs with the load in stirred: what was changed is seen with it.
        self.stirs.fetch_add(1, Ordering::Release);
        self.wake();
    }

    fn stirred(&self) -> u32 {
        // ORDERING: Acquire, "stirs"; pairs with the fetch_add in stir.
        self.stirs.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if self.family.plan().area.block().wake() == Wake::Progress {
            self.family.nudge();
        }
    }

    /// Attends while `body` runs.
    pub(crate) fn attend<T>(&self, body: impl FnOnce(&mut Attending<'_>) -> T) -> T {
        let attend = self.family.plan().area.block().attend();
        let seen = self.stirred();
        let spinning = *self.spinning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attending = Attending { engine: self, attend, seen, spinning };
        let result = body(&mut attending);
        *self.spinning.lock().unwrap_or_else(PoisonError::into_inner) = attending.spinning;
        if attending.attend.is_some_and(Attend::stop) {
            // News that came at the last moment, for which nobody was woken.
            self.wake();
        }
        result
    }

    /// A time has changed that the progress thread goes by.
    pub(crate) fn times_changed(&self) {
        self.family.nudge();
    }

    /// A run begins.
    pub(crate) fn begin(&self, run: u64) {
        self.children.begin(run);
    }

    /// Keeps `error` if it is the first of the run.
    pub(crate) fn note_cause(&self, error: Error) {
        self.cause.note(error);
    }

    /// Kills the processes of children that run something, as it has taken longer than `allowed`: how many.
    pub(crate) fn kill_running(&self, allowed: Duration) -> usize {
        self.children.overdue(allowed, |child| self.family.kill(child))
    }

    /// Nothing can run any more. The first reason stays.
    pub(crate) fn lose(&self, why: &str) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
        self.rings.end();
        self.stir();
    }

    pub(crate) fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Members of tasks that children have completed so far.
    pub(crate) fn completed(&self) -> u64 {
        self.children.completed()
    }

    /// What the children are doing, in words.
    pub(crate) fn doing(&self) -> String {
        self.children.doing()
    }
}

impl Attending<'_> {
    /// Waits until a child has news or something was stirred: first spinning, where that pays and no child had to be woken
    /// for what it was given, which takes its time; then parked. False if that took longer than `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> bool {
        let (engine, seen) = (self.engine, self.seen);
        let block = engine.family.plan().area.block();
        let stirred = || engine.stirred() != seen;
        let over = || block.has_news() || stirred();
        let mut in_time = true;
        if !over() && (engine.children.take_woke() || !self.spinning.spin(over)) {
            in_time = self.attend.as_mut().is_none_or(|attend| attend.park(Some(limit), stirred));
        }
        self.seen = engine.stirred();
        in_time
    }
}

impl Runner for Engine {
    type Error = Error;

    fn cause(&self) -> &Cause<Error> {
        &self.cause
    }

    fn take_cause(&self) -> Option<Error> {
        let mut cause = self.cause.take();
        if let Some(Error::Task(failure)) = &mut cause {
            failure.skipped = self.rings.failures().saturating_sub(1);
        }
        cause
    }

    /// What has not begun completes without running. From any thread.
    fn end_run(&self) {
        self.rings.end();
        let _ = self.scheduler.poll(0, self);
        self.stir();
    }
}

impl Env for Engine {
    fn predicate_holds(&self, _: SlotRef) -> bool {
        true
    }

    fn target(&self, slot: SlotRef, index: u32) -> LaneId {
        let record = Record::of(&self.rings, slot);
        member(&record, index).and_then(|member| member.lane).unwrap_or(LaneId(u16::MAX))
    }

    fn unavailable(&self, slot: SlotRef, index: u32, lane: LaneId) {
        let why = self.children.given_up(lane);
        self.children.fail(slot, index, lane, Reason::GivenUp(why));
    }
}
