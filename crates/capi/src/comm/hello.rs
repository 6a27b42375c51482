//! The bytes that ranks send each other before they share memory, and those at the start of that memory. Each is checked
//! whoever wrote it: no bytes make a reader panic, or believe in windows that are not there.

use core::fmt;

use bytemuck::{Pod, Zeroable};

use super::layout::MAX_RANKS;

/// The first word of everything here. Another version of it has another number.
const MAGIC: u64 = u64::from_le_bytes(*b"prewire1");

/// What all ranks of a group must agree on, and who of them one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Terms {
    /// The rank, below `ranks`.
    pub rank: u32,
    /// How many there are.
    pub ranks: u32,
    /// Bytes of the window of each.
    pub window: u64,
    /// A digest of who the members are; 0 for a group of all.
    pub roster: u64,
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, ranks, window, roster } = self;
        write!(f, "rank {rank} of {ranks} with windows of {window} bytes")?;
        if *roster == 0 { Ok(()) } else { write!(f, " and the members {roster:016x}") }
    }
}

impl Terms {
    /// Whether both could be of one group.
    #[must_use]
    pub fn agree(&self, other: &Self) -> bool {
        Self { rank: 0, ..*self } == Self { rank: 0, ..*other }
    }

    /// Whether there can be such a rank.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        self.ranks as usize <= MAX_RANKS && self.rank < self.ranks
    }

    /// Bytes from the start of one window to that of the next: whole pages. `None` if nothing is that large.
    #[must_use]
    pub fn stride(&self) -> Option<usize> {
        usize::try_from(self.window).ok()?.checked_next_multiple_of(PAGE)
    }

    /// Bytes of the memory of the group: a page for the start, then the windows. `None` if nothing is that large.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        let windows = self.stride()?.checked_mul(self.ranks as usize)?;
        windows.checked_add(PAGE).filter(|&bytes| i64::try_from(bytes).is_ok())
    }
}

/// The unit of windows.
pub(crate) const PAGE: usize = prewire_os::Segment::PAGE;

/// What a rank says when it knocks at the door of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Hello {
    magic: u64,
    /// Its terms.
    pub terms: Terms,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Answer {
    magic: u64,
    /// 0 welcome, with the memory; 1 the terms differ; 2 the rank is there already.
    verdict: u32,
    _pad: u32,
    /// The terms of the rank that answers.
    pub terms: Terms,
}

/// What an [`Answer`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The memory comes with it.
    Welcome,
    /// The group has other terms.
    OtherTerms,
    /// Somebody else is that rank.
    RankTaken,
}

impl Hello {
    /// What a rank with these terms says.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { magic: MAGIC, terms }
    }

    /// What was said; `None` if that is none, or no rank there can be.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let hello: Self = bytemuck::try_pod_read_unaligned(bytes).ok()?;
        (hello.magic == MAGIC && hello.terms.are_possible()).then_some(hello)
    }
}

impl Answer {
    /// That of the rank with these terms.
    #[must_use]
    pub fn new(verdict: Verdict, terms: Terms) -> Self {
        Self { magic: MAGIC, verdict: verdict as u32, _pad: 0, terms }
    }

    /// What was answered; `None` if that is no answer.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Verdict, Terms)> {
        let answer: Self = bytemuck::try_pod_read_unaligned(bytes).ok()?;
        let verdicts = [Verdict::Welcome, Verdict::OtherTerms, Verdict::RankTaken];
        let verdict = verdicts.into_iter().find(|verdict| *verdict as u32 == answer.verdict)?;
        (answer.magic == MAGIC).then_some((verdict, answer.terms))
    }
}

/// The start of a segment of windows: what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Title {
    magic: u64,
    /// 0 for a group; of a global domain its number.
    pub domain: u64,
    /// One that no other segment has had; 0 for a group.
    pub cookie: u64,
    /// The terms of the rank that made it.
    pub terms: Terms,
}

impl Title {
    /// That of a segment.
    #[must_use]
    pub fn new(domain: u64, cookie: u64, terms: Terms) -> Self {
        Self { magic: MAGIC, domain, cookie, terms }
    }
}

/// Where a rank of a global domain has its window: the process that has it as a descriptor, and what must be found there. It
/// is of use for as long as the process lives and has not released it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Ticket {
    magic: u64,
    /// The process.
    pub pid: i32,
    /// Its descriptor.
    pub number: u32,
    /// What the segment's [`Title`] must say.
    pub cookie: u64,
}

impl Ticket {
    /// That of a window.
    #[must_use]
    pub fn new(pid: i32, number: u32, cookie: u64) -> Self {
        Self { magic: MAGIC, pid, number, cookie }
    }

    /// The ticket at the start of a handle of which `size` bytes count; `None` if it is none.
    #[must_use]
    pub fn parse(handle: &[u8], size: u32) -> Option<Self> {
        let bytes = handle.get(..size as usize).filter(|bytes| bytes.len() == size_of::<Self>())?;
        let ticket: Self = bytemuck::try_pod_read_unaligned(bytes).ok()?;
        (ticket.magic == MAGIC && ticket.pid > 0).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { rank: 1, ranks: 3, window: 5000, roster: 0 };

    #[test]
    fn what_is_said_is_understood() {
        let hello = Hello::new(TERMS);
        assert_eq!(Hello::parse(bytemuck::bytes_of(&hello)), Some(hello));
        for verdict in [Verdict::Welcome, Verdict::OtherTerms, Verdict::RankTaken] {
            let answer = Answer::new(verdict, TERMS);
            assert_eq!(Answer::parse(bytemuck::bytes_of(&answer)), Some((verdict, TERMS)));
        }
        let ticket = Ticket::new(7, 8, 9);
        let mut handle = [0; 256];
        handle[..24].copy_from_slice(bytemuck::bytes_of(&ticket));
        assert_eq!(Ticket::parse(&handle, 24), Some(ticket));
        for size in [0, 23, 25, 257, u32::MAX] {
            assert_eq!(Ticket::parse(&handle, size), None);
        }
    }

    #[test]
    fn a_rank_that_there_cannot_be_and_memory_that_is_too_large_are_refused() {
        for terms in
            [Terms { rank: 3, ..TERMS }, Terms { ranks: 65, ..TERMS }, Terms { rank: 0, ranks: 0, ..TERMS }]
        {
            assert_eq!(Hello::parse(bytemuck::bytes_of(&Hello::new(terms))), None, "{terms}");
        }
        assert_eq!(TERMS.bytes(), Some(4 * 4096 + 3 * 4096));
        for window in [u64::MAX, u64::MAX / 2, u64::MAX / 3] {
            assert_eq!(Terms { window, ..TERMS }.bytes(), None);
        }
        assert_eq!(Terms { window: 0, ..TERMS }.bytes(), Some(4096));
    }
}
