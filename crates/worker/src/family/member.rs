//! One child, as the progress thread knows it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use prewire_mailbox::Generation;
use prewire_os::process::{Pid, PidFd};

use super::relay::Relay;

/// Where a child is between being wanted and being gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is to be made as soon as its place can be made ready.
    Wanted,
    /// Its place is ready; the zygote was asked for a process.
    Asked,
    /// It is there, and has not said that it serves.
    Starting,
    Serving,
    /// Its process has ended; the zygote was asked how.
    Ended,
    /// Its death is known; what it had is being taken from its mailbox.
    Clearing,
    /// Nothing of it is left, and nothing follows.
    Over,
}

/// A child and those that replace it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) state: State,
    pub(super) generation: Generation,
    /// Its process, from the zygote's word to its death.
    pub(super) process: Option<(Pid, Arc<PidFd>)>,
    pub(super) thread: Option<JoinHandle<()>>,
    pub(super) relay: Option<Relay>,
    /// When it has to serve, while it starts; or when to look again, while it is cleared away.
    pub(super) due: Option<Duration>,
    /// It came to serve in this generation.
    pub(super) served: bool,
    /// How often in a row it has ended without having completed anything.
    pub(super) failures: u32,
    /// How it ended last, for people.
    pub(super) story: String,
    /// It is not replaced, whatever its number of failures.
    pub(super) doomed: bool,
    /// It did not come to serve in time, and was killed.
    pub(super) late: bool,
}

impl Member {
    pub(super) fn new(relay: Option<Relay>) -> Self {
        Self {
            state: State::Wanted,
            generation: Generation::FIRST,
            process: None,
            thread: None,
            relay,
            due: None,
            served: false,
            failures: 0,
            story: String::new(),
            doomed: false,
            late: false,
        }
    }

    /// The number of its process; 0 if it has none.
    pub(super) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |(pid, _)| pid.raw().cast_unsigned())
    }

    /// Whether something of it may run.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, State::Asked | State::Starting | State::Serving | State::Ended)
    }
}

/// What the progress thread waits for, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bell,
    /// The zygote says something.
    Says,
    /// The zygote has ended.
    Ends,
    /// A stream of a child has something, 0 for stdout.
    Writes(usize, usize),
    /// The process of a child has ended.
    Dies(usize),
}

impl Key {
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::Bell => 0,
            Self::Says => 1,
            Self::Ends => 2,
            Self::Writes(child, which) => 4 * (child as u64 + 1) + which as u64,
            Self::Dies(child) => 4 * (child as u64 + 1) + 2,
        }
    }

    pub(super) const fn of(number: u64) -> Self {
        let child = (number / 4).wrapping_sub(1) as usize;
        match number {
            0 => Self::Bell,
            1 => Self::Says,
            2 | 3 => Self::Ends,
            _ if number % 4 == 2 => Self::Dies(child),
            _ => Self::Writes(child, (number % 4 % 2) as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let mut all = vec![Key::Bell, Key::Says, Key::Ends];
        for child in 0..128 {
            all.extend([Key::Writes(child, 0), Key::Writes(child, 1), Key::Dies(child)]);
        }
        let mut numbers: Vec<_> = all.iter().map(|key| key.number()).collect();
        assert!(all.iter().all(|key| Key::of(key.number()) == *key));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all.len());
    }
}
