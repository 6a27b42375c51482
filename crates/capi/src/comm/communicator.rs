//! Communicators: a rank, its windows, the contexts that kernels follow, and domains of some of the ranks.
//!
//! **Invariant:** a context that was given out stays where it is, and what it points to stays mapped, until the communicator
//! or the domain that it is of is gone.

use core::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_os::process::{self, Pid};

use super::error::CommError;
use super::group::Group;
use super::hello::Terms;
use super::layout::CommContext;
use crate::host::content_hash;

/// How long ranks wait for each other at most. A rank that has died is told at once.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A rank among others.
#[derive(Debug)]
pub struct Communicator {
    rank: u32,
    ranks: u32,
    /// What the group is found by.
    name: String,
    limit: Duration,
    /// Held while the ranks gather: each makes its windows once.
    gathering: Mutex<()>,
    windows: Mutex<Option<Arc<Windows>>>,
    derived: Mutex<Vec<Arc<CommContext>>>,
    domains: Mutex<HashMap<u64, Arc<Windows>>>,
}

/// The windows of a group, and the context that points to them.
#[derive(Debug)]
struct Windows {
    group: Group,
    context: Arc<CommContext>,
}

impl Windows {
    fn gather(name: &str, terms: Terms, limit: Duration) -> Result<Arc<Self>, CommError> {
        let group = Group::gather(name, terms, limit)?;
        let context = Arc::new(group.context());
        Ok(Arc::new(Self { group, context }))
    }
}

impl Communicator {
    /// Rank `rank` of `ranks`, which find each other by `root`. Those of one run are started by one process, or are in one:
    /// its number is part of what they go by, so two runs with the same root do not meet.
    ///
    /// # Errors
    ///
    /// There cannot be such a rank.
    pub fn new(rank: i32, ranks: i32, root: &[u8]) -> Result<Self, CommError> {
        Self::with_limit(rank, ranks, root, LIMIT)
    }

    /// As [`new`](Self::new), with another limit for all waits.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_limit(rank: i32, ranks: i32, root: &[u8], limit: Duration) -> Result<Self, CommError> {
        let possible = |number: i32| u32::try_from(number).ok();
        let (Some(own), Some(all)) = (possible(rank), possible(ranks)) else {
            return Err(CommError::NoSuchRank { rank: rank.into(), ranks: ranks.into() });
        };
        if !(Terms { rank: own, ranks: all, window: 0, roster: 0 }).are_possible() {
            return Err(CommError::NoSuchRank { rank: rank.into(), ranks: ranks.into() });
        }
        let parent = Pid::parent().map_or(0, Pid::raw);
        let name = format!("prewire {} {parent} {:016x}", process::user(), content_hash(root));
        let (gathering, windows, derived) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self {
            rank: own,
            ranks: all,
            name,
            limit,
            gathering,
            windows,
            derived,
            domains: Mutex::default(),
        })
    }

    /// Which rank it is.
    #[must_use]
    pub fn rank(&self) -> u32 {
        self.rank
    }

    /// Makes the windows, together with all other ranks: the context that points to them.
    ///
    /// # Errors
    ///
    /// There are some already, or as [`Group::gather`].
    pub fn allocate(&self, bytes: usize) -> Result<u64, CommError> {
        let _alone = lock(&self.gathering);
        if lock(&self.windows).is_some() {
            return Err(CommError::Allocated);
        }
        let terms = Terms { rank: self.rank, ranks: self.ranks, window: bytes as u64, roster: 0 };
        let windows = Windows::gather(&self.name, terms, self.limit)?;
        let at = address(&windows.context);
        *lock(&self.windows) = Some(windows);
        Ok(at)
    }

    /// The address and the bytes of this rank's window.
    ///
    /// # Errors
    ///
    /// There are no windows yet.
    pub fn window(&self) -> Result<(u64, usize), CommError> {
        let windows = self.windows()?;
        Ok((windows.group.window(self.rank), windows.group.terms().window as usize))
    }

    /// A context of some of the ranks, and of a part of their windows. It lives as long as the communicator.
    ///
    /// # Errors
    ///
    /// There are no windows, no such ranks, or no such part.
    pub fn derive(&self, ranks: &[u32], own: u32, offset: usize, size: usize) -> Result<u64, CommError> {
        let windows = self.windows()?;
        let window = windows.group.terms().window;
        if !(Terms { rank: own, ranks: ranks.len() as u32, window: 0, roster: 0 }).are_possible() {
            return Err(CommError::NoSuchRank { rank: own.into(), ranks: ranks.len() as i64 });
        }
        self.check_members(ranks)?;
        if offset.checked_add(size).is_none_or(|end| end as u64 > window) {
            return Err(CommError::Outside { offset, size, window });
        }
        let places = ranks.iter().map(|&rank| windows.group.window(rank) + offset as u64);
        let context = Arc::new(CommContext::new(own, size as u64, places));
        let at = address(&context);
        lock(&self.derived).push(context);
        Ok(at)
    }

    /// Waits until all ranks have come here as often as this one.
    ///
    /// # Errors
    ///
    /// There are no windows, or as [`Group::meet`].
    pub fn barrier(&self) -> Result<(), CommError> {
        self.windows()?.group.meet(self.limit)
    }

    /// Makes windows for some of the ranks, together with these: the context, and the address of this rank's window.
    ///
    /// # Errors
    ///
    /// There is a domain of that number, there are no such ranks, this is not the one that it says, or as [`Group::gather`].
    pub fn allocate_domain(
        &self,
        domain: u64,
        ranks: &[u32],
        own: u32,
        bytes: usize,
    ) -> Result<(u64, u64), CommError> {
        let roster = content_hash(bytemuck::cast_slice(ranks)) | 1;
        let terms = Terms { rank: own, ranks: ranks.len() as u32, window: bytes as u64, roster };
        if ranks.len() > super::layout::MAX_RANKS || !terms.are_possible() {
            return Err(CommError::NoSuchRank { rank: own.into(), ranks: ranks.len() as i64 });
        }
        if bytes == 0 {
            return Err(CommError::Outside { offset: 0, size: 0, window: 0 });
        }
        self.check_members(ranks)?;
        let found = ranks[own as usize];
        if found != self.rank {
            return Err(CommError::NotMe { index: own, found, rank: self.rank });
        }
        if lock(&self.domains).contains_key(&domain) {
            return Err(CommError::DomainThere { domain });
        }
        let windows = Windows::gather(&format!("{} {domain}", self.name), terms, self.limit)?;
        let places = (address(&windows.context), windows.group.window(own));
        match lock(&self.domains).entry(domain) {
            Entry::Occupied(_) => Err(CommError::DomainThere { domain }),
            Entry::Vacant(place) => {
                place.insert(windows);
                Ok(places)
            }
        }
    }

    /// Releases the windows of a domain, once all its ranks do. They are gone here whether or not that is an error.
    ///
    /// # Errors
    ///
    /// There is no such domain, it is another one (then it stays), or as [`Group::meet`].
    pub fn release_domain(&self, domain: u64, ranks: u64, own: u32) -> Result<(), CommError> {
        let mut domains = lock(&self.domains);
        let windows = domains.get(&domain).ok_or(CommError::NoDomain { domain })?;
        let made = windows.group.terms();
        if u64::from(made.ranks) != ranks || made.rank != own {
            return Err(CommError::OtherDomain { made, rank: own, ranks });
        }
        let windows = domains.remove(&domain);
        drop(domains);
        windows.map_or(Ok(()), |windows| windows.group.meet(self.limit))
    }

    /// Whether the `bytes` bytes at `address` are in one of its windows, or in one of a domain of it.
    #[must_use]
    pub fn holds(&self, address: u64, bytes: u64) -> bool {
        let within = |windows: &Arc<Windows>| windows.group.holds(address, bytes);
        lock(&self.windows).as_ref().is_some_and(within) || lock(&self.domains).values().any(within)
    }

    /// Whether the `bytes` bytes at `address` are in one of its contexts: those are for reading alone.
    #[must_use]
    pub fn shows(&self, address: u64, bytes: u64) -> bool {
        let within = |context: &Arc<CommContext>| context.shows(address, bytes);
        lock(&self.windows).as_ref().is_some_and(|windows| within(&windows.context))
            || lock(&self.derived).iter().any(within)
            || lock(&self.domains).values().any(|windows| within(&windows.context))
    }

    fn windows(&self) -> Result<Arc<Windows>, CommError> {
        lock(&self.windows).clone().ok_or(CommError::NoWindows)
    }

    fn check_members(&self, ranks: &[u32]) -> Result<(), CommError> {
        match ranks.iter().position(|&rank| rank >= self.ranks) {
            Some(index) => Err(CommError::NoSuchMember { index, rank: ranks[index], ranks: self.ranks }),
            None => Ok(()),
        }
    }
}

fn address(context: &CommContext) -> u64 {
    core::ptr::from_ref(context).addr() as u64
}

/// A lock whose holder panicked holds what it held: each of them is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
