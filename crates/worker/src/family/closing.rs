//! The end of a family: everybody is asked to leave, who does not is killed, and the zygote goes last.
//!
//! **Invariant: it is bounded**, whatever the children do: they have their time to leave, a second to die, and the zygote
//! has the same.

use std::time::Duration;

use prewire_os::clock;
use prewire_platform::LaneId;

use super::member::{Member, State};
use super::message::Ask;
use super::progress::Progress;
use super::zygote::LEAVE;
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::tree::{Child, Role};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The children leave.
    Leaving,
    /// Those that did not leave have been killed.
    Dying,
    /// All of them are gone, and the zygote was told to end.
    Zygote,
    /// The zygote was killed, as it did not end.
    Rest,
}

/// The end of a family, while it goes on.
#[derive(Debug)]
pub(super) struct Closing {
    stage: Stage,
    /// When the next stage begins at the latest.
    due: Duration,
    farewell: Farewell,
}

impl Closing {
    pub(super) const fn due(&self) -> Duration {
        self.due
    }
}

/// What is to be said of an end.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// Children that may still be there.
    lost: Vec<String>,
    limit: Duration,
}

impl Farewell {
    /// Of a progress thread that has panicked.
    pub(super) fn lost(path: &str) -> Self {
        Self { lost: vec![format!("everything below {path}")], ..Self::default() }
    }

    /// As an error, if not all went well: `killed` are those that had to be.
    pub(super) fn result(self, path: &str, killed: &[String]) -> Result<()> {
        let limit = self.limit;
        let mut texts = Vec::new();
        if !killed.is_empty() {
            texts.push(format!("{} did not leave within {limit:?} and had to be killed", killed.join(", ")));
        }
        if !self.lost.is_empty() {
            texts.push(format!("{} did not come to an end and may still be there", self.lost.join(", ")));
        }
        if texts.is_empty() {
            return Ok(());
        }
        let why = format!("it was closed, but {}; what hangs there, or raise close_limit", texts.join("; "));
        Err(Error::Lost { path: path.to_owned(), why })
    }
}

/// How long the children of a worker may take to leave: each worker among them needs its own time for those below it.
fn limit(settings: &Settings, children: &[Child]) -> Duration {
    let below = children.iter().filter_map(|child| match &child.role {
        Role::Worker(below) => Some(limit(&below.settings, &below.children)),
        Role::Chip(_) | Role::Sub => None,
    });
    settings.close_limit.saturating_add(below.max().unwrap_or_default())
}

impl Progress {
    /// Asks everybody to leave.
    pub(super) fn begin_closing(&mut self) {
        if self.closing.is_some() {
            return;
        }
        let plan = self.plan();
        let limit = limit(&plan.settings, &plan.children);
        // A time that cannot be counted does not come.
        let due = clock::monotonic().checked_add(limit).unwrap_or(Duration::MAX);
        let farewell = Farewell { limit, ..Farewell::default() };
        self.closing = Some(Closing { stage: Stage::Leaving, due, farewell });
        for child in 0..self.members.len() {
            self.members[child].due = None;
            match self.members[child].state {
                State::Wanted | State::Clearing => self.clear(child),
                // What a thread does that has been given up is its own affair, but it is asked.
                _ => self.family.end(child).shut_down(),
            }
        }
    }

    /// The next stage, if it is time.
    pub(super) fn go_on_closing(&mut self, now: Duration) {
        let Some(closing) = &mut self.closing else { return };
        let (is_due, alive) = (closing.due <= now, self.members.iter().any(Member::is_alive));
        let soon = now.saturating_add(LEAVE);
        match closing.stage {
            Stage::Leaving if alive && is_due => {
                (closing.stage, closing.due) = (Stage::Dying, soon);
                for child in 0..self.members.len() {
                    if self.members[child].is_alive() {
                        self.end_by_force(child);
                    }
                }
            }
            Stage::Leaving | Stage::Dying if !alive || is_due => {
                let paths = (0..self.members.len()).filter(|child| self.members[*child].is_alive());
                let paths: Vec<_> = paths.map(|child| self.family.plan.child_path(child)).collect();
                closing.farewell.lost.extend(paths);
                (closing.stage, closing.due) = (Stage::Zygote, soon);
                self.zygote.iter().for_each(|zygote| zygote.ask(&Ask::End));
            }
            Stage::Zygote if is_due => {
                (closing.stage, closing.due) = (Stage::Rest, soon);
                self.zygote.iter().for_each(|zygote| zygote.kill());
            }
            _ => {}
        }
    }

    /// A child has not left in time.
    fn end_by_force(&mut self, child: usize) {
        let path = self.plan().child_path(child);
        let killed = self.family.kill(child);
        let Some(closing) = &mut self.closing else { return };
        match self.members[child].state {
            _ if killed => {}
            // Its process has ended, or was never there: the zygote does not say.
            State::Asked | State::Ended if self.members[child].thread.is_none() => {
                self.members[child].state = State::Over;
            }
            // Nobody can end a thread from outside. It goes on with what it holds, and nobody waits for it.
            _ => {
                closing.farewell.lost.push(path);
                self.members[child].state = State::Over;
                self.children().give_up(LaneId(child as u16), "its worker was closed");
            }
        }
    }

    /// What is to be said, once everything is over.
    pub(super) fn farewell(&mut self) -> Option<Farewell> {
        let closing = self.closing.as_mut()?;
        let over = match closing.stage {
            Stage::Zygote => self.zygote.is_none(),
            Stage::Rest => self.zygote.is_none() || closing.due <= clock::monotonic(),
            Stage::Leaving | Stage::Dying => false,
        };
        over.then(|| std::mem::take(&mut closing.farewell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Worker;

    #[test]
    fn each_level_has_its_time() {
        let node = |seconds| Worker::node().subs(1).close_limit(Duration::from_secs(seconds));
        let tree = Worker::network(4).child(node(2)).child(node(7)).close_limit(Duration::from_secs(1));
        assert_eq!(limit(&tree.settings, &tree.children), Duration::from_secs(8));
        let long = Worker::network(5).child(tree).close_limit(Duration::MAX);
        assert_eq!(limit(&long.settings, &long.children), Duration::MAX);
    }

    #[test]
    fn who_was_killed_and_who_was_lost_is_named() {
        let farewell = Farewell { lost: vec!["node/sub1".into()], ..Farewell::default() };
        let text = farewell.result("node", &["node/sub0".into()]).unwrap_err().to_string();
        assert!(
            text.contains("node/sub0 did not leave") && text.contains("node/sub1 did not come to an end"),
            "{text}"
        );
        assert!(Farewell::default().result("node", &[]).is_ok());
    }
}
