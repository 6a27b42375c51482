//! Meetings of a fixed number of parties, which may be threads of several processes: nobody leaves before all have come.
//!
//! **Invariant:** a seat is written by its party alone, and only grows. So nothing has to be reset between two rounds, and a
//! party that is a round ahead holds nobody up.

use core::fmt;
use core::time::Duration;

use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use prewire_sync::mutant;

use crate::clock;
use crate::event::Event;
use crate::scope::{Private, Scope, Shared};

/// Where parties meet, round after round. Zeroed memory is one at which nobody has been, and every bit pattern is one that
/// can be met at: what another process writes there makes a round end early or fail, and nothing worse.
///
/// ```
/// use prewire_os::Meeting;
///
/// let meeting = Meeting::new();
/// std::thread::scope(|s| {
///     s.spawn(|| meeting.meet(0, 2, 1, None, |_| false));
///     meeting.meet(1, 2, 1, None, |_| false)
/// })?;
/// # Ok::<(), prewire_os::Absence>(())
/// ```
///
/// # Nobody is forgotten
///
/// A party (1) writes its round to its seat, (2) passes a `SeqCst` fence, (3) looks at all seats, and if all are there, (4)
/// notifies; otherwise it waits on an [`Event`]. Of the parties of a round one has passed its fence last: it sees what all
/// others wrote before theirs, so at least one comes to (4). That this ends the waits of those that do not see it is the
/// event's promise.
#[repr(C)]
pub struct Meeting<S = Private> {
    event: Event<S>,
    /// 0, or one more than the party that did not come. Written by whoever gives up.
    broken: AtomicU32,
    _pad: u32,
    /// The last round that each party has come to, and [`LEFT`]. Written by that party.
    seats: [AtomicU64; SEATS],
}

/// How many parties there can be.
const SEATS: usize = if cfg!(prewire_loom) { 3 } else { 64 };
/// The party comes to no further round.
const LEFT: u64 = 1 << 63;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
const _: () = assert!(size_of::<Meeting<Shared>>() == 528 && align_of::<Meeting<Shared>>() == 8);

/// Why a round failed: which party did not come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absence {
    /// It said before that it comes no more.
    Left {
        /// The party.
        party: usize,
    },
    /// It has died.
    Died {
        /// The party.
        party: usize,
    },
    /// It has not come in time.
    Late {
        /// The party; the first, if there are several.
        party: usize,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Another party had given up before, in this round or an earlier one, for want of this one.
    Broken {
        /// The party that did not come.
        party: usize,
    },
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { party } => write!(f, "party {party} has left, and comes no more"),
            Self::Died { party } => write!(f, "the process of party {party} has died"),
            Self::Late { party, limit } => {
                write!(
                    f,
                    "party {party} has not come within {limit:?}; is it still at work, or was it never started?"
                )
            }
            Self::Broken { party } => {
                write!(
                    f,
                    "another party gave up before, as party {party} did not come; begin anew with all of them"
                )
            }
        }
    }
}

impl core::error::Error for Absence {}

impl Meeting {
    /// One for the threads of this process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S: Scope> Meeting<S> {
    /// How many parties there can be.
    pub const MOST: usize = SEATS;
    /// How long is waited between two looks at who lives: nobody tells when a process dies.
    const STEP: Duration = Duration::from_millis(20);

    /// Comes to round `round`, and waits until the parties `0..parties` have all come to it or to a later one. What any of
    /// them wrote before is visible after it. The rounds of a party only grow, from 1 on.
    ///
    /// A wait spins for some microseconds, then parks. With a `limit` it looks some times in each second whether those that
    /// are missing have `died`; without one it waits for as long as it takes.
    ///
    /// # Errors
    ///
    /// Somebody does not come. Then no party will ever get through this round, nor through a later one.
    ///
    /// # Panics
    ///
    /// There are more than [`MOST`](Self::MOST) parties, or `party` is not one of them.
    #[track_caller]
    pub fn meet(
        &self,
        party: usize,
        parties: usize,
        round: u64,
        limit: Option<Duration>,
        died: impl Fn(usize) -> bool,
    ) -> Result<(), Absence> {
        assert!(parties <= SEATS && party < parties, "party {party} of {parties}, and {SEATS} is the most");
        // ORDERING: Release, "meeting-seat"; pairs with the load in missing.
        self.seats[party].store(round & !LEFT, mutant::order("meeting-seat", Ordering::Release));
        // ORDERING: SeqCst, "meeting-come"; pairs with the same fence of every other party, before its look in missing: of two
        // parties one sees the other's seat.
        // MUTANT "meeting-fence": both may look before the other's seat is seen, and nobody notifies.
        if !mutant::skips("meeting-fence") {
            fence(Ordering::SeqCst);
        }
        if self.missing(parties, round).is_none() {
            // MUTANT "meeting-silent": the last to come tells nobody.
            if !mutant::skips("meeting-silent") {
                self.event.notify_all();
            }
            return Ok(());
        }
        let end = limit.map(|limit| clock::monotonic().saturating_add(limit));
        loop {
            let left = end.map(|end| end.saturating_sub(clock::monotonic()));
            let step = left.map(|left| left.min(Self::STEP));
            if let Some(outcome) = self.event.wait_until(step, || self.look(parties, round)) {
                return outcome;
            }
            let Some(missing) = self.missing(parties, round) else { return Ok(()) };
            let dead = (missing..parties).find(|&other| self.is_missing(other, round) && died(other));
            let absence = match (dead, left) {
                // It may have come just before it died.
                (Some(party), _) if self.is_missing(party, round) => Absence::Died { party },
                (None, Some(Duration::ZERO)) => {
                    Absence::Late { party: missing, limit: limit.unwrap_or_default() }
                }
                _ => continue,
            };
            let (Absence::Died { party } | Absence::Late { party, .. }) = absence else { continue };
            self.broken.store(party as u32 + 1, Ordering::Relaxed);
            self.event.notify_all();
            return Err(absence);
        }
    }

    /// Says that `party` comes to no further round. Rounds that it has come to are not touched by that.
    ///
    /// # Panics
    ///
    /// There are no more than [`MOST`](Self::MOST) parties.
    #[track_caller]
    pub fn leave(&self, party: usize) {
        // ORDERING: Release, "meeting-seat"; pairs with the load in missing.
        self.seats[party].fetch_or(LEFT, Ordering::Release);
        self.event.notify_all();
    }

    /// How this round stands: `None` while it is open.
    fn look(&self, parties: usize, round: u64) -> Option<Result<(), Absence>> {
        let Some(missing) = self.missing(parties, round) else { return Some(Ok(())) };
        let gone = |&party: &usize| {
            let seat = self.seats[party].load(Ordering::Relaxed);
            seat & LEFT != 0 && seat & !LEFT < round
        };
        if let Some(party) = (missing..parties).find(gone) {
            return Some(Err(Absence::Left { party }));
        }
        let broken = self.broken.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Err(Absence::Broken { party: broken as usize }))
    }

    /// The first party that has not come to `round`.
    fn missing(&self, parties: usize, round: u64) -> Option<usize> {
        (0..parties).find(|&party| self.is_missing(party, round))
    }

    fn is_missing(&self, party: usize, round: u64) -> bool {
        // ORDERING: Acquire, "meeting-seat"; pairs with the stores in meet and leave: what the party wrote before it came.
        // It comes after the fence of "meeting-come" in meet.
        self.seats[party].load(mutant::order("meeting-look", Ordering::Acquire)) & !LEFT < round
    }
}

impl<S: Scope> Default for Meeting<S> {
    fn default() -> Self {
        Self {
            event: Event::default(),
            broken: AtomicU32::new(0),
            _pad: 0,
            seats: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Meeting<Shared> {
    /// One to be put where several processes see it. Zeroed memory is one already.
    #[must_use]
    pub fn shared() -> Self {
        Self::default()
    }
}

impl<S: Scope> fmt::Debug for Meeting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.seats.iter().map(|seat| seat.load(Ordering::Relaxed) & !LEFT);
        f.debug_struct("Meeting").field("rounds", &rounds.collect::<Vec<u64>>()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    /// Each party adds its number in each round; between two rounds the sum is what all have added.
    #[test]
    fn nobody_is_ahead_of_a_round_that_others_are_in() {
        let (meeting, sums) = (Meeting::new(), Mutex::new(vec![0_usize; 200]));
        std::thread::scope(|s| {
            for party in 0..4 {
                let (meeting, sums) = (&meeting, &sums);
                s.spawn(move || {
                    for round in 0..200 {
                        sums.lock().unwrap()[round] += 1 + party;
                        meeting.meet(party, 4, 1 + round as u64, LONG, |_| false).unwrap();
                        assert_eq!(sums.lock().unwrap()[round], 10, "round {round}");
                    }
                });
            }
        });
    }

    #[test]
    fn who_leaves_or_dies_or_is_late_fails_the_round_of_all_others() {
        for how in ["left", "died", "not come within"] {
            let meeting = Meeting::new();
            if how == "left" {
                meeting.meet(2, 3, 0, Some(Duration::ZERO), |_| false).unwrap();
                meeting.leave(2);
            }
            let limit =
                if how == "not come within" { Duration::from_millis(60) } else { Duration::from_secs(60) };
            let outcomes = std::thread::scope(|s| {
                let meet = |party| {
                    let meeting = &meeting;
                    s.spawn(move || {
                        meeting.meet(party, 3, 1, Some(limit), |other| how == "died" && other == 2)
                    })
                };
                [meet(0), meet(1)].map(|thread| thread.join().unwrap().unwrap_err().to_string())
            });
            assert!(outcomes.iter().any(|text| text.contains(how)), "{outcomes:?}");
            assert!(outcomes.iter().all(|text| text.contains("party 2")), "{outcomes:?}");
            // Nobody gets through any more, and nobody waits for that.
            let again = meeting.meet(0, 3, 2, LONG, |_| false).unwrap_err();
            assert!(again.to_string().contains("party 2") || how == "left", "{again}");
        }
    }

    #[test]
    fn a_round_that_all_came_to_stands_whoever_leaves_afterwards() {
        let meeting = Meeting::new();
        std::thread::scope(|s| {
            s.spawn(|| {
                meeting.meet(1, 2, 1, LONG, |_| false).unwrap();
                meeting.leave(1);
            });
            meeting.meet(0, 2, 1, LONG, |_| true).unwrap();
        });
        assert_eq!(meeting.meet(0, 2, 2, LONG, |_| false), Err(Absence::Left { party: 1 }));
    }

    #[test]
    fn whatever_is_in_the_memory_a_round_ends() {
        for byte in [0x00_u8, 0x7f, 0x80, 0xff] {
            let mapping = crate::Mapping::new(size_of::<Meeting<Shared>>()).unwrap();
            for at in 0..size_of::<Meeting<Shared>>() {
                // SAFETY: the offset is inside the mapping.
                let place = unsafe { mapping.as_ptr().add(at) };
                // SAFETY: it is mapped, and this test alone has it.
                unsafe { place.write(byte) };
            }
            // SAFETY: it is mapped, aligned as a page is, and all of it is atomic, for which every byte will do.
            let meeting = unsafe { &*mapping.as_ptr().cast::<Meeting<Shared>>() };
            let outcome = meeting.meet(0, 64, 5, Some(Duration::from_millis(30)), |_| false);
            assert_eq!(outcome.is_ok(), byte != 0, "{byte:#x}: {outcome:?}");
            meeting.leave(63);
        }
    }
}
