//! Ends of children: what is told of them, and what comes after.
//!
//! **Invariant: a place is given to the next child only when the kernel has said that the last is dead, and nothing of it
//! is left in the mailbox.**

use std::time::Duration;

use prewire_os::clock;
use prewire_os::process::Exit;
use prewire_platform::LaneId;
use prewire_runs::event;
use prewire_sync::atomic::Ordering;

use super::lock;
use super::member::State;
use super::message::Ask;
use super::progress::{Progress, SOON};
use crate::error::{Death, Error};

/// How long a zygote may take to say how a child has ended.
const TOLD: Duration = Duration::from_secs(1);

impl Progress {
    /// The process of a child has ended: how, the zygote has to say, whose child it is.
    pub(super) fn process_ended(&mut self, child: usize) {
        let member = &mut self.members[child];
        let Some((pid, process)) = &member.process else { return };
        let _ = self.set.remove(process);
        *lock(&self.family.posts[child].process) = None;
        // Whoever waits for its tasks does not wait for a zygote that stands still.
        (member.state, member.due) = (State::Ended, Some(clock::monotonic().saturating_add(TOLD)));
        match &self.zygote {
            Some(zygote) => zygote.ask(&Ask::Reap { pid: *pid }),
            None => self.die(child, None),
        }
    }

    /// The zygote has ended, and with it the processes of all children: each of them is heard of by itself.
    pub(super) fn zygote_ended(&mut self) {
        // What it said before it died comes first.
        self.hear_zygote();
        let Some(exit) = self.zygote.as_ref().and_then(|zygote| zygote.ended()) else { return };
        let Some(zygote) = self.zygote.take() else { return };
        zygote.unwatch(&self.set);
        let how = exit.map_or_else(|| "ended".into(), |exit| exit.to_string());
        let why = match (zygote.is_executed(), self.launching.is_some()) {
            (true, true) => format!(
                "a new instance of this program, process {}, {how} before there was a child; does its main call \
                 prewire::entry before anything else?",
                zygote.pid()
            ),
            _ => format!("the process {} that children are forked from {how}", zygote.pid()),
        };
        self.barren.get_or_insert(why);
        // Before anybody hears of a child that is given up for that.
        self.family.barren.store(true, Ordering::Relaxed);
        for child in 0..self.members.len() {
            match self.members[child].state {
                State::Asked if self.members[child].relay.is_some() => {
                    self.unborn(child, "it was not made".into())
                }
                State::Ended => self.die(child, None),
                _ => {}
            }
        }
    }

    /// A child has not come to serve in time.
    pub(super) fn overdue(&mut self, child: usize) {
        let limit = self.plan().settings.start_limit;
        let member = &mut self.members[child];
        (member.due, member.late) = (None, true);
        if self.family.kill(child) {
            // The rest follows when it is dead.
            return;
        }
        let why = match member.state {
            State::Asked => {
                format!("the process that children are forked from has not made it within {limit:?}")
            }
            _ => format!("its thread has not come to serve within {limit:?}"),
        };
        member.doomed = true;
        self.family.end(child).shut_down();
        self.children().give_up(LaneId(child as u16), &why);
        self.fail_launch(child, &why);
    }

    /// How the process of a child ended is known.
    pub(super) fn die(&mut self, child: usize, exit: Option<Exit>) {
        self.dead(child, exit, None);
    }

    /// A child is dead: whoever waits for it is told. `words` are what its thread panicked with.
    pub(super) fn dead(&mut self, child: usize, exit: Option<Exit>, words: Option<String>) {
        let (family, lane) = (&self.family, LaneId(child as u16));
        let member = &mut self.members[child];
        let pid = member.process.take().map(|(pid, _)| pid.raw().cast_unsigned());
        // It was told to leave, and did.
        let left = self.closing.is_some() && exit.map_or(words.is_none(), Exit::is_success);
        let mut last_words = words.unwrap_or_default();
        if let Some(relay) = &mut member.relay {
            relay.finish(pid.unwrap_or(0), &mut |line| self.writer.say(line));
            last_words = relay.last_words();
        }
        let end = family.end(child);
        let reason = end.reason();
        // A thread that has not left its mailbox cannot be buried; then its place cannot be given away either.
        let _ = end.bury();
        let death = Death { pid, exit, last_words };
        member.story = match reason {
            Some(reason) => reason,
            None if member.late => {
                format!(
                    "it did not come to serve within {:?}, and was killed",
                    family.plan.settings.start_limit
                )
            }
            None => death.to_string(),
        };
        if !left {
            event!(warn, worker = family.plan.child_path(child), how = member.story, "a child has ended");
        }
        (member.state, member.due) = (State::Clearing, None);
        let story = member.story.clone();
        self.children().died(lane, death);
        self.fail_launch(child, &story);
        self.host.engine.poll_for_others();
    }

    /// A child that was asked for has not been made.
    pub(super) fn unborn(&mut self, child: usize, why: String) {
        // Nobody has begun there.
        let _ = self.family.end(child).bury();
        let member = &mut self.members[child];
        (member.state, member.due) = (State::Clearing, None);
        member.story.clone_from(&why);
        self.fail_launch(child, &why);
    }

    /// If this is still the start, it has failed.
    fn fail_launch(&mut self, child: usize, why: &str) {
        if let Some(launching) = self.launching.take() {
            self.members[child].doomed = true;
            let plan = self.plan();
            let error = match &self.barren {
                Some(barren) => Error::Start { path: plan.path.clone(), why: barren.clone() },
                None => Error::Start { path: plan.child_path(child), why: why.to_owned() },
            };
            let _ = launching.send(Err(error));
        }
    }

    /// A dead child is replaced once nothing of it is left; or given up, or gone as it should.
    pub(super) fn clear(&mut self, child: usize) {
        let lane = LaneId(child as u16);
        let now = clock::monotonic();
        if self.closing.is_some() {
            self.children().give_up(lane, "its worker was closed");
            (self.members[child].state, self.members[child].due) = (State::Over, None);
            return;
        }
        if !self.children().is_drained(lane) {
            // Whoever looks at the lanes now does not tell.
            self.members[child].due = Some(now + SOON);
            return;
        }
        let useful = self.members[child].served && self.children().was_useful(lane);
        let allowed = self.plan().settings.replacements;
        let member = &mut self.members[child];
        member.due = None;
        member.failures = if useful { 1 } else { member.failures.saturating_add(1) };
        if member.doomed || member.failures > allowed || self.barren.is_some() {
            let why = match (&self.barren, member.failures) {
                (Some(barren), _) => format!("{barren}, so it cannot be replaced; {}", member.story),
                (None, 1) => format!("it has ended, and is not to be replaced: {}", member.story),
                (None, times) => {
                    format!(
                        "it has ended {times} times without completing a task in between; the last time {}",
                        member.story
                    )
                }
            };
            return self.give_up(child, &why);
        }
        let failures = member.failures;
        (member.generation, member.state) = (member.generation.next(), State::Wanted);
        event!(info, worker = self.plan().child_path(child), failures, "a child is replaced");
        self.birth(child);
    }

    /// A child is not replaced.
    pub(super) fn give_up(&mut self, child: usize, why: &str) {
        event!(error, worker = self.plan().child_path(child), why, "a child is given up");
        (self.members[child].state, self.members[child].due) = (State::Over, None);
        self.children().give_up(LaneId(child as u16), why);
        self.fail_launch(child, why);
        self.host.engine.poll_for_others();
    }
}
