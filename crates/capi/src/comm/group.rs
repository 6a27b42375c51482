//! A group of ranks that map the same windows: how they find each other, where the windows are, and when all have come.
//!
//! Whoever comes first opens a door by the name of the group, makes the memory, and hands it to each that knocks, until all
//! are there. Neither the name nor the memory is in any folder: whenever and however a process ends, nothing is left of it.
//!
//! **Invariant:** a group that exists has had all its ranks, each once, with the same terms, and its memory is as long as
//! those terms say. What other processes write into that memory makes a meeting fail, and nothing worse.

use core::fmt;
use core::time::Duration;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use prewire_os::process::{self, Pid};
use prewire_os::{Absence, Channel, Door, Meeting, Segment, Shared, clock};
use prewire_sync::atomic::{AtomicU32, Ordering};

use super::error::{CommError, while_doing};
use super::hello::{Answer, Hello, PAGE, Terms, Title, Verdict};
use super::layout::{CommContext, MAX_RANKS};

/// What is at the start of the memory, after the [`Title`], which nobody writes once a second process has the memory.
#[repr(C)]
struct Start {
    /// The process of each rank; 0 where it is not known. Written by who made the memory, before the rank has it.
    pids: [AtomicU32; MAX_RANKS],
    meeting: Meeting<Shared>,
}

/// Where it is.
const START: usize = 128;

const _: () = assert!(size_of::<Title>() <= START && START.is_multiple_of(align_of::<Start>()));
const _: () = assert!(START + size_of::<Start>() <= PAGE && MAX_RANKS <= Meeting::<Shared>::MOST);

/// One rank's part of a group. Dropped, it has left.
pub struct Group {
    memory: Segment,
    terms: Terms,
    stride: usize,
    /// The process that it is of: a copy that was forked must not leave for it.
    pid: Pid,
    /// How many rounds it has come to. Held while it waits, so that a rank comes to one round at a time.
    rounds: Mutex<u64>,
}

/// How long somebody who has knocked has to say who it is, and how long a door that neither opens nor is there is tried again,
/// before somebody else must hold its name.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited for a knock between two looks at whether those that have come still live.
const STEP: Duration = Duration::from_millis(50);

impl Group {
    /// Comes to the group of that name and waits until all ranks have, for `limit` at most.
    ///
    /// # Errors
    ///
    /// There cannot be such a rank or so much memory; not all have come, or one has died; another process has other terms or
    /// is the same rank; the system refuses something.
    pub fn gather(name: &str, terms: Terms, limit: Duration) -> Result<Self, CommError> {
        if !terms.are_possible() {
            return Err(CommError::NoSuchRank { rank: terms.rank.into(), ranks: terms.ranks.into() });
        }
        let too_large = CommError::TooLarge { window: terms.window, ranks: terms.ranks };
        let (Some(stride), Some(bytes)) = (terms.stride(), terms.bytes()) else { return Err(too_large) };
        let end = clock::monotonic().saturating_add(limit);
        let comes = Coming { terms, stride, bytes, end, limit };
        let enough = clock::monotonic().saturating_add(limit.min(PATIENCE));
        loop {
            if let Some(door) = Door::open(name).map_err(while_doing("opening the door of the group"))? {
                return comes.first(door);
            }
            if let Some((line, pid)) =
                Door::knock(name).map_err(while_doing("knocking at the door of the group"))?
            {
                return comes.later(&line, pid);
            }
            // Its owner is about to close it, as all ranks of an earlier group had come.
            if clock::monotonic() > enough {
                return Err(CommError::Strange {
                    why: format!("the name {name:?} is taken, and nobody listens"),
                });
            }
            std::thread::yield_now();
        }
    }

    /// Who this is, and what all have agreed on.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The address of the window of `rank` in this process.
    ///
    /// # Panics
    ///
    /// There is no such rank.
    #[must_use]
    #[track_caller]
    pub fn window(&self, rank: u32) -> u64 {
        assert!(rank < self.terms.ranks, "rank {rank} of {}", self.terms.ranks);
        (self.memory.as_ptr().addr() + PAGE + rank as usize * self.stride) as u64
    }

    /// Whether the `bytes` bytes at `address` are in one of the windows.
    #[must_use]
    pub fn holds(&self, address: u64, bytes: u64) -> bool {
        (0..self.terms.ranks).any(|rank| is_in(self.window(rank), self.terms.window, address, bytes))
    }

    /// What a kernel is given of it.
    #[must_use]
    pub fn context(&self) -> CommContext {
        let windows = (0..self.terms.ranks).map(|rank| self.window(rank));
        CommContext::new(self.terms.rank, self.terms.window, windows)
    }

    /// Waits until all ranks have come here as often as this one, for `limit` at most. What they wrote to windows before is
    /// there afterwards.
    ///
    /// # Errors
    ///
    /// One has left, has died or is late. Then nobody will get through any more.
    pub fn meet(&self, limit: Duration) -> Result<(), CommError> {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        *rounds += 1;
        let (start, Terms { rank, ranks, .. }) = (self.start(), self.terms);
        let died = |other: usize| self.has_died(other);
        Ok(start.meeting.meet(rank as usize, ranks as usize, *rounds, Some(limit), died)?)
    }

    fn has_died(&self, rank: usize) -> bool {
        let pid = self.start().pids[rank].load(Ordering::Relaxed).cast_signed();
        // A rank that has not come in yet has no process, and may come still.
        Pid::from_raw(pid).is_some_and(|pid| pid != self.pid && !process::alive(pid))
    }

    fn start(&self) -> &Start {
        // SAFETY: the memory is a page long at least.
        let at = unsafe { self.memory.as_ptr().add(START) };
        // SAFETY: it is on a page, so this is aligned; it lives as long as `self`; all of it is atomic, in every process that
        // has it, and any bits will do.
        unsafe { &*at.cast::<Start>() }
    }

    fn title(&self) -> Title {
        // SAFETY: it is a page at least, on a page; any bits are a title, and one that another process writes although it must
        // not is read once.
        unsafe { self.memory.as_ptr().cast::<Title>().read_volatile() }
    }
}

/// Whether `bytes` bytes at `address` are among `all` bytes at `start`.
pub(crate) fn is_in(start: u64, all: u64, address: u64, bytes: u64) -> bool {
    address.checked_sub(start).and_then(|offset| offset.checked_add(bytes)).is_some_and(|end| end <= all)
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.pid == Pid::current() {
            self.start().meeting.leave(self.terms.rank as usize);
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("terms", &self.terms)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// A rank on its way to its group.
struct Coming {
    terms: Terms,
    stride: usize,
    bytes: usize,
    end: Duration,
    limit: Duration,
}

impl Coming {
    fn left(&self) -> Duration {
        self.end.saturating_sub(clock::monotonic())
    }

    fn group(&self, memory: Segment) -> Group {
        let (terms, stride) = (self.terms, self.stride);
        Group { memory, terms, stride, pid: Pid::current(), rounds: Mutex::new(0) }
    }

    /// Makes the memory and hands it to the others.
    fn first(&self, door: Door) -> Result<Group, CommError> {
        let Terms { rank, ranks, .. } = self.terms;
        let memory =
            Segment::new("prewire windows", self.bytes).map_err(while_doing("making the windows"))?;
        let title = Title::new(0, 0, self.terms);
        // SAFETY: the memory has a page at least, is on a page, and no other process has it yet.
        unsafe { memory.as_ptr().cast::<Title>().write(title) };
        let group = self.group(memory);
        let pids = &group.start().pids;
        pids[rank as usize].store(Pid::current().raw().cast_unsigned(), Ordering::Relaxed);
        let (mut came, mut door) = (1_u64 << rank, (ranks > 1).then_some(door));
        while let Some(open) = &door {
            let (line, pid) = self.next(open, &group, came)?;
            let mut room = [0; size_of::<Hello>()];
            // Who says nothing of use is not waited for; it finds the line cut.
            let Ok(Some(length)) = line.recv_within(PATIENCE.min(self.left()), &mut room) else { continue };
            let Some(Hello { terms, .. }) = Hello::parse(&room[..length]) else { continue };
            let say = |verdict| bytemuck::bytes_of(&Answer::new(verdict, self.terms)).to_vec();
            if !terms.agree(&self.terms) {
                let _ = line.send(&say(Verdict::OtherTerms));
                return Err(CommError::Differ { own: self.terms, other: terms });
            }
            let (party, bit) = (terms.rank as usize, 1 << terms.rank);
            if came & bit != 0 {
                let _ = line.send(&say(Verdict::RankTaken));
                continue;
            }
            let last = (came | bit).count_ones() == ranks;
            if last {
                // Once the last one has the memory, each may leave and gather anew by the same name. Who knocks then must not
                // find this door, behind which nobody is let in any more.
                door = None;
            }
            pids[party].store(pid.raw().cast_unsigned(), Ordering::Relaxed);
            match line.send_fd(&say(Verdict::Welcome), group.memory.as_fd()) {
                Ok(()) => came |= bit,
                Err(_) if last => return Err(Absence::Left { party }.into()),
                // It has gone again. Another process may come as that rank.
                Err(_) => pids[party].store(0, Ordering::Relaxed),
            }
        }
        group.meet(self.left())?;
        Ok(group)
    }

    /// Waits for somebody to knock, for as long as all live that have come.
    fn next(&self, door: &Door, group: &Group, came: u64) -> Result<(Channel, Pid), CommError> {
        loop {
            let left = self.left();
            let knock = door.answer(left.min(STEP)).map_err(while_doing("waiting for the other ranks"))?;
            if let Some(knock) = knock {
                return Ok(knock);
            }
            let ranks = self.terms.ranks;
            if let Some(party) =
                (0..ranks as usize).find(|&party| came & 1 << party != 0 && group.has_died(party))
            {
                return Err(Absence::Died { party }.into());
            }
            if left.is_zero() {
                return Err(CommError::NotAll { came: came.count_ones(), ranks, limit: self.limit });
            }
        }
    }

    /// Asks for the memory that another process has made.
    fn later(&self, line: &Channel, pid: Pid) -> Result<Group, CommError> {
        let gone = |_| CommError::GathererGone { pid: pid.raw() };
        line.send(bytemuck::bytes_of(&Hello::new(self.terms))).map_err(gone)?;
        let mut room = [0; size_of::<Answer>()];
        let answer = line.recv_fd(self.left(), &mut room).map_err(while_doing("waiting for the windows"))?;
        let Some((length, memory)) = answer else {
            return Err(CommError::NotAll { came: 1, ranks: self.terms.ranks, limit: self.limit });
        };
        if length == 0 {
            return Err(CommError::GathererGone { pid: pid.raw() });
        }
        let strange = |why: String| CommError::Strange { why };
        let (verdict, other) = Answer::parse(&room[..length]).ok_or_else(|| {
            strange(format!("process {pid} answers with {length} bytes that are no answer"))
        })?;
        match verdict {
            Verdict::Welcome => {}
            Verdict::OtherTerms => return Err(CommError::Differ { own: self.terms, other }),
            Verdict::RankTaken => return Err(CommError::RankTaken { rank: self.terms.rank }),
        }
        let memory = memory.ok_or_else(|| strange(format!("process {pid} sent no memory")))?;
        let memory = Segment::from_fd(memory).map_err(while_doing("mapping the windows"))?;
        if memory.len() != self.bytes {
            let (found, wanted) = (memory.len(), self.bytes);
            return Err(strange(format!("process {pid} sent {found} bytes of memory instead of {wanted}")));
        }
        let group = self.group(memory);
        if group.title() != Title::new(0, 0, Terms { rank: group.title().terms.rank, ..self.terms }) {
            return Err(strange(format!("process {pid} sent memory with {:?} at its start", group.title())));
        }
        group.meet(self.left())?;
        Ok(group)
    }
}
