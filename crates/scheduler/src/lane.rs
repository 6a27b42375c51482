//! What a domain knows of one lane: what runs on it, and what waits behind.

use prewire_platform::{LaneStatus, Token, Tokens, Work};

/// A lane's two places, by the low bit of their tokens, which alternate. Touched by its domain's poller alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// What was placed last.
    last: Token,
    /// What was placed before, while the lane holds two.
    before: Token,
    /// How many of the places hold work.
    held: u32,
    works: [Work; 2],
}

/// The slots of what has finished on a lane, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Reaped {
    pub(crate) first: Option<u32>,
    pub(crate) second: Option<u32>,
}

/// What a lane has a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Nothing is on it.
    pub idle: bool,
    /// Nothing waits behind what it runs, if it runs something.
    pub room: bool,
}

impl Lane {
    pub(crate) fn new(tokens: &Tokens) -> Self {
        Self { last: tokens.none(), before: tokens.none(), held: 0, works: [Work::default(); 2] }
    }

    #[inline]
    pub(crate) const fn occupancy(&self) -> Occupancy {
        Occupancy { idle: self.held == 0, room: self.held < 2 }
    }

    #[inline]
    const fn work(&self, token: Token) -> &Work {
        &self.works[(token.0 & 1) as usize]
    }

    /// What was placed last, if it is still there.
    pub(crate) fn last(&self) -> Option<(Token, Work)> {
        (self.held > 0).then(|| (self.last, *self.work(self.last)))
    }

    /// Forgets what was placed last: it was taken back. Behind something that runs the next token is the same again,
    /// so that the payload buffer of what runs is not used; with nothing left any token will do.
    pub(crate) fn take_back(&mut self) {
        if self.held == 2 {
            self.last = self.before;
        }
        self.held = self.held.saturating_sub(1);
    }

    /// Puts work in the free place: the token to dispatch it under. Only on a lane that has room.
    #[inline]
    pub(crate) fn place(&mut self, tokens: &Tokens, work: Work) -> Token {
        debug_assert!(self.occupancy().room);
        let token = tokens.after(self.last);
        (self.before, self.last) = (self.last, token);
        self.works[(token.0 & 1) as usize] = work;
        self.held += 1;
        token
    }

    /// What the condition word says has finished. A pending token that was taken up, or has finished, implies that
    /// the running one has finished, whether or not that was seen.
    #[inline]
    pub(crate) fn reap(&mut self, status: LaneStatus) -> Reaped {
        let slot = |token| Some(self.work(token).slot);
        match (status, self.held) {
            (LaneStatus::Finished(token), 1) if token == self.last => {
                let first = slot(token);
                self.held = 0;
                Reaped { first, second: None }
            }
            (LaneStatus::Finished(token), 2) if token == self.last => {
                let (first, second) = (slot(self.before), slot(token));
                self.held = 0;
                Reaped { first, second }
            }
            (LaneStatus::Finished(token), 2) if token == self.before => {
                let first = slot(token);
                self.held = 1;
                Reaped { first, second: None }
            }
            (LaneStatus::Running(token), 2) if token == self.last => {
                let first = slot(self.before);
                self.held = 1;
                Reaped { first, second: None }
            }
            _ => Reaped::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Tokens = Tokens {
        finished_bit: 1 << 31,
        exit: 0x7FFF_FFF0,
        dispatch_idle: 0x7FFF_FFFD,
        core_idle: 0x7FFF_FFFF,
        core_exited: 0x7FFF_FFFE,
    };

    fn work(slot: u32) -> Work {
        Work { slot, block: 0, place: 0 }
    }

    fn loaded() -> (Lane, Token, Token) {
        let mut lane = Lane::new(&TOKENS);
        let a = lane.place(&TOKENS, work(1));
        let b = lane.place(&TOKENS, work(2));
        assert_eq!(lane.occupancy(), Occupancy { idle: false, room: false });
        assert_ne!(a.0 & 1, b.0 & 1, "two payload buffers");
        (lane, a, b)
    }

    #[test]
    fn the_running_one_finishes() {
        let (mut lane, a, _) = loaded();
        assert_eq!(lane.reap(LaneStatus::Running(a)), Reaped::default());
        assert_eq!(lane.reap(LaneStatus::Finished(a)), Reaped { first: Some(1), second: None });
        assert_eq!(lane.occupancy(), Occupancy { idle: false, room: true });
    }

    #[test]
    fn the_pending_one_taken_up_implies_that_the_running_one_finished() {
        let (mut lane, _, b) = loaded();
        assert_eq!(lane.reap(LaneStatus::Running(b)), Reaped { first: Some(1), second: None });
        assert_eq!(lane.reap(LaneStatus::Running(b)), Reaped::default());
        assert_eq!(lane.reap(LaneStatus::Finished(b)), Reaped { first: Some(2), second: None });
        assert!(lane.occupancy().idle);
    }

    #[test]
    fn the_pending_one_finished_implies_both() {
        let (mut lane, _, b) = loaded();
        assert_eq!(lane.reap(LaneStatus::Finished(b)), Reaped { first: Some(1), second: Some(2) });
        assert_eq!(lane.occupancy(), Occupancy { idle: true, room: true });
    }

    #[test]
    fn nothing_new_is_nothing() {
        let (mut lane, _, _) = loaded();
        assert_eq!(lane.reap(LaneStatus::Idle), Reaped::default());
        assert_eq!(lane.reap(LaneStatus::Finished(TOKENS.none())), Reaped::default());
    }

    #[test]
    fn what_was_placed_last_is_taken_back_first_and_never_shares_a_buffer() {
        let (mut lane, a, b) = loaded();
        assert_eq!(lane.last(), Some((b, work(2))));
        lane.take_back();
        assert_eq!(lane.occupancy(), Occupancy { idle: false, room: true });
        let c = lane.place(&TOKENS, work(3));
        assert_ne!(c.0 & 1, a.0 & 1, "the payload buffer of what runs");
        assert_eq!(lane.reap(LaneStatus::Finished(c)), Reaped { first: Some(1), second: Some(3) });
        let d = lane.place(&TOKENS, work(4));
        assert_eq!(lane.last(), Some((d, work(4))));
        lane.take_back();
        assert_eq!((lane.last(), lane.occupancy()), (None, Occupancy { idle: true, room: true }));
        assert_eq!(lane.reap(LaneStatus::Finished(d)), Reaped::default());
        let e = lane.place(&TOKENS, work(5));
        assert_eq!(lane.reap(LaneStatus::Finished(e)), Reaped { first: Some(5), second: None });
    }

    /// What is retracted after the one before it has been seen finished is alone on its lane.
    #[test]
    fn what_was_pending_is_taken_back_from_the_running_place() {
        let (mut lane, a, b) = loaded();
        let _ = lane.reap(LaneStatus::Finished(a));
        assert_eq!(lane.last(), Some((b, work(2))));
        lane.take_back();
        assert!(lane.occupancy().idle);
    }

    #[test]
    fn tokens_skip_the_exit_word_and_keep_alternating() {
        let mut token = Token(TOKENS.exit - 3);
        for _ in 0..6 {
            let next = TOKENS.after(token);
            assert!(next.0 < TOKENS.exit);
            assert_ne!(next.0 & 1, token.0 & 1);
            token = next;
        }
    }
}
