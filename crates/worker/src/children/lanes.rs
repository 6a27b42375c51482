//! Children as lanes of the scheduler: a dispatch becomes a post, and an outcome is told once.

use std::time::Duration;

use prewire_abi::TaskId;
use prewire_mailbox::{Call, PostError, TaskStatus, Wake};
use prewire_orchestrator::Record;
use prewire_os::clock;
use prewire_platform::{LaneId, LaneSet, LaneStatus, Lanes, Standing, Token, Work};
use prewire_ring::SlotRef;
use prewire_sync::atomic::Ordering;

use super::Children;
use super::seat::{Handed, Outcome, Stage, State, in_order};
use crate::error::{Death, Error, Failure, Reason};
use crate::submit::member;

impl Children {
    /// Fails a member of a task.
    pub(crate) fn fail(&self, slot: SlotRef, index: u32, lane: LaneId, reason: Reason) {
        let state = self.rings.slot(slot);
        let cold = state.cold();
        let callable = self.plan.catalog.get(cold.callable);
        self.cause.note(Error::Task(Box::new(Failure {
            task: state.id(),
            callable: callable.map_or_else(|| "?".into(), |callable| callable.name().to_owned()),
            worker: self
                .seats
                .get(usize::from(lane.0))
                .map_or_else(|| "no worker".into(), |seat| seat.path.clone()),
            member: (index, u32::from(cold.blocks)),
            site: self.rings.site(slot),
            skipped: 0,
            reason,
        })));
        state.fail();
        self.note_broken(slot);
    }

    /// Puts a dispatch into its frame.
    fn post(&self, lane: LaneId, token: Token, work: Work) -> Result<(), PostError> {
        let slot = SlotRef::from_raw(work.slot);
        let state = self.rings.slot(slot);
        let cold = state.cold();
        let record = Record::of(&self.rings, slot);
        let call = Call {
            member: work.block.into(),
            members: u32::from(cold.blocks),
            task: state.id().raw(),
            run: self.run.load(Ordering::Relaxed),
            deadline: self.due.load(Ordering::Relaxed),
            callable: self.plan.catalog.digest_of(cold.callable),
            ..Call::default()
        };
        let member = member(&record, work.block.into());
        let woken =
            self.end(lane).post_with(token.0, &call, |room| self.wire.write(room, &record, member))?;
        if woken {
            self.woke.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether a child had to be woken since this was last asked: then what it was given takes its time.
    pub(crate) fn take_woke(&self) -> bool {
        self.woke.load(Ordering::Relaxed) && self.woke.swap(false, Ordering::Relaxed)
    }

    /// Posts a dispatch to a child that serves.
    pub(super) fn hand_over(&self, lane: LaneId, handed: Handed) -> Handed {
        match self.post(lane, handed.token, handed.work) {
            Ok(()) => Handed { stage: Stage::Posted, since: clock::coarse(), ..handed },
            // It has just died: what is known of that comes soon.
            Err(PostError::NotUp { .. }) => Handed { stage: Stage::Waits, ..handed },
            // Nothing was handed to it that is not over. Its replacement has a clean place.
            Err(PostError::Busy { .. }) => {
                self.is_wild_now(lane);
                Handed { stage: Stage::Waits, ..handed }
            }
            Err(error) => self.refuse(lane, handed, error.to_string()),
        }
    }

    /// A child has overwritten its mailbox: the progress thread is to kill it.
    #[cold]
    fn is_wild_now(&self, lane: LaneId) {
        if !self.get(lane).wild.swap(true, Ordering::Relaxed) {
            self.plan.bell.ring();
        }
    }

    /// Fails a dispatch that no child will see. Its lane has news.
    fn refuse(&self, lane: LaneId, handed: Handed, why: String) -> Handed {
        self.fail(SlotRef::from_raw(handed.work.slot), handed.work.block.into(), lane, Reason::Said(why));
        if self.block().report(lane.0.into()) == Wake::Progress {
            // Said once: it would sleep on, whoever else reports.
            self.plan.bell.ring();
        }
        Handed { stage: Stage::Refused, ..handed }
    }

    /// What is known of a dispatch.
    fn outcome(&self, lane: LaneId, handed: &Handed, state: &State) -> Outcome {
        let (end, token) = (self.end(lane), handed.token.0);
        match handed.stage {
            Stage::Refused => return Outcome::Over(None),
            Stage::Waits if state.standing == Standing::Gone => {
                return Outcome::Over(Some(Reason::GivenUp(state.given_up.clone())));
            }
            Stage::Waits => return Outcome::Open,
            Stage::Posted => {}
        }
        match (end.status(token), &state.dead) {
            (TaskStatus::Ended, dead) => match end.reap(token) {
                Some(outcome) => Outcome::Over(outcome.err().map(|failure| Reason::Said(failure.text))),
                None if dead.is_none() => Outcome::Overwritten,
                None => Outcome::Over(Some(self.lost_with(lane, dead.as_ref(), state))),
            },
            (TaskStatus::Ready, Some(_)) if end.retract(token) => Outcome::TakenBack,
            (TaskStatus::Running, None) => Outcome::Runs,
            (TaskStatus::Ready, None) => Outcome::Open,
            (_, None) => Outcome::Overwritten,
            (_, dead) => Outcome::Over(Some(self.lost_with(lane, dead.as_ref(), state))),
        }
    }

    /// Why a dispatch was lost with its child.
    fn lost_with(&self, lane: LaneId, dead: Option<&Death>, state: &State) -> Reason {
        match (dead, state.overdue) {
            _ if self.is_wild(lane) => Reason::Said(
                "the child overwrote its mailbox, so what became of the task cannot be known, and it was killed; look \
                 for a write past the end of a tensor"
                    .into(),
            ),
            (Some(dead), Some(allowed)) => Reason::Overdue { pid: dead.pid, allowed },
            (Some(dead), None) => Reason::Died(dead.clone()),
            (None, _) => Reason::GivenUp(state.given_up.clone()),
        }
    }

    /// A dispatch is over.
    fn over(&self, lane: LaneId, handed: Handed, failure: Option<Reason>, state: &mut State) {
        let slot = SlotRef::from_raw(handed.work.slot);
        if self.rings.slot(slot).cold().attrs.unordered {
            self.conflicts.give_back(lane, handed.token);
        }
        match failure {
            Some(reason) => self.fail(slot, handed.work.block.into(), lane, reason),
            None if handed.stage == Stage::Posted => {
                state.useful = true;
                self.completed.fetch_add(1, Ordering::Relaxed);
            }
            None => {}
        }
    }

    /// Whether what a dispatch accesses is used by nobody else, where no edges see to that.
    fn is_free(&self, lane: LaneId, token: Token, work: Work) -> Result<(), TaskId> {
        let slot = SlotRef::from_raw(work.slot);
        if !self.rings.slot(slot).cold().attrs.unordered {
            return Ok(());
        }
        let record = Record::of(&self.rings, slot);
        let Some(member) = member(&record, work.block.into()) else { return Ok(()) };
        self.conflicts.take(lane, token, self.rings.slot(slot).id(), &record, &member)
    }
}

impl Lanes for Children {
    fn dispatch(&self, lane: LaneId, token: Token, work: Work) {
        let mut state = self.get(lane).state();
        let mut handed = Handed { token, work, stage: Stage::Waits, since: Duration::ZERO, bereft: None };
        if let Err(other) = self.is_free(lane, token, work) {
            let why = format!(
                "it uses memory that task {other} uses at the same time, and one of the two writes; add an edge between \
                 them, or leave the order to an auto scope"
            );
            handed = self.refuse(lane, handed, why);
        } else if state.standing == Standing::Up && !self.is_wild(lane) {
            handed = self.hand_over(lane, handed);
        }
        state.handed[token.0 as usize & 1] = Some(handed);
    }

    fn status(&self, lane: LaneId) -> LaneStatus {
        let mut state = self.get(lane).state();
        let mut said = LaneStatus::Idle;
        for at in in_order(&state.handed) {
            let Some(handed) = state.handed[at] else { continue };
            match self.outcome(lane, &handed, &state) {
                // What is behind it says nothing yet: were it looked at now, it could have begun meanwhile, and then this
                // one would be taken for over without its outcome.
                Outcome::Open => break,
                Outcome::Overwritten => {
                    self.is_wild_now(lane);
                    break;
                }
                Outcome::Runs => {
                    said = LaneStatus::Running(handed.token);
                    break;
                }
                Outcome::TakenBack => state.handed[at] = Some(Handed { stage: Stage::Waits, ..handed }),
                Outcome::Over(failure) => {
                    state.handed[at] = None;
                    self.over(lane, handed, failure, &mut state);
                    said = LaneStatus::Finished(handed.token);
                }
            }
        }
        // What is left of a dead child was never taken, and waits.
        state.dead = None;
        said
    }

    fn take_news(&self, _: u16) -> LaneSet {
        LaneSet(self.block().take_news())
    }

    fn kick(&self) {}

    fn retract(&self, lane: LaneId, token: Token) -> bool {
        let mut state = self.get(lane).state();
        let Some(handed) = &mut state.handed[token.0 as usize & 1] else { return false };
        let taken = match handed.stage {
            Stage::Posted => !self.end(lane).retract(token.0),
            Stage::Waits => false,
            Stage::Refused => true,
        };
        if taken || handed.token != token {
            return false;
        }
        let handed = *handed;
        state.handed[token.0 as usize & 1] = None;
        if self.rings.slot(SlotRef::from_raw(handed.work.slot)).cold().attrs.unordered {
            self.conflicts.give_back(lane, token);
        }
        true
    }

    fn standing(&self, lane: LaneId) -> Standing {
        self.get(lane).state().standing
    }
}
