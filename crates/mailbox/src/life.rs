//! The life of a child, in one word: vacant, starting, up, failed, left, gone. With the child's generation and process,
//! so that nobody takes a child for its dead predecessor.

use crate::layout::{Header, REASON_BYTES};
use crate::word::{Generation, pack, unpack};
use core::fmt;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// There has been no child yet.
    Vacant = 0,
    /// The parent has made the place ready, or the child has begun.
    Starting = 1,
    /// It serves.
    Up = 2,
    /// Its start failed, and it says why.
    Failed = 3,
    /// It has left as it was asked to.
    Left = 4,
    /// The parent knows that it is dead.
    Gone = 5,
}

impl Phase {
    /// All of them, by their numbers, with their names in documents.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Vacant, "VACANT"),
        (Self::Starting, "STARTING"),
        (Self::Up, "UP"),
        (Self::Failed, "FAILED"),
        (Self::Left, "LEFT"),
        (Self::Gone, "GONE"),
    ];

    /// Whether no child of this place touches the mailbox any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Vacant | Self::Failed | Self::Left | Self::Gone)
    }
}

/// What the header says of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Life {
    /// Where it is in its life; `None` if the word is none that anybody writes.
    pub phase: Option<Phase>,
    /// Which child it is.
    pub generation: Generation,
    /// Its process; 0 until it has begun.
    pub pid: u32,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Phase::ALL.iter().find(|(phase, _)| Some(*phase) == self.phase);
        write!(
            f,
            "{} (generation {}, pid {})",
            name.map_or("BROKEN", |(_, name)| name),
            self.generation,
            self.pid
        )
    }
}

impl Life {
    pub(crate) fn new(phase: Phase, generation: Generation, pid: u32) -> Self {
        Self { phase: Some(phase), generation, pid }
    }

    pub(crate) fn word(self) -> u64 {
        self.phase.map_or(u64::MAX, |phase| pack(phase as u8, self.generation, self.pid))
    }

    fn decode(word: u64) -> Self {
        let (phase, generation, pid) = unpack(word);
        Self { phase: Phase::ALL.get(usize::from(phase)).map(|(phase, _)| *phase), generation, pid }
    }

    /// What the header says. What the child did before it said so is visible.
    pub(crate) fn of(header: &Header) -> Self {
        // ORDERING: Acquire, "life"; pairs with the exchange in advance: the last answers and the reason are visible.
        Self::decode(header.life.load(mutant::order("life-look", Ordering::Acquire)))
    }

    /// As `of`, without a promise about anything else.
    #[inline]
    pub(crate) fn glance(header: &Header) -> Self {
        Self::decode(header.life.load(Ordering::Relaxed))
    }

    /// Writes `to` if this is still what the header says.
    pub(crate) fn advance(self, header: &Header, to: Self) -> bool {
        // ORDERING: AcqRel, "life"; pairs with the load in of, and with itself. The place is made ready, or the child has
        // written its answers or its reason, before this is seen; and a child sees its place as the parent made it.
        let order = mutant::order("life-advance", Ordering::AcqRel);
        header.life.compare_exchange(self.word(), to.word(), order, Ordering::Relaxed).is_ok()
    }
}

/// Writes why a start failed, as much as there is room for.
pub(crate) fn write_reason(header: &Header, text: &str) {
    let text = &text.as_bytes()[..text.floor_char_boundary(REASON_BYTES)];
    for (word, bytes) in header.reason.iter().zip(text.chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_ne_bytes(padded), Ordering::Relaxed);
    }
    header.reason_bytes.store(text.len() as u32, Ordering::Relaxed);
}

/// What [`write_reason`] wrote; whatever is there, it is text.
pub(crate) fn read_reason(header: &Header) -> String {
    let len = (header.reason_bytes.load(Ordering::Relaxed) as usize).min(REASON_BYTES);
    let load = |word: &AtomicU64| word.load(Ordering::Relaxed).to_ne_bytes();
    let bytes: Vec<u8> = header.reason.iter().flat_map(load).take(len).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
