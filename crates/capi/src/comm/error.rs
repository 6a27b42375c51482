//! What can go wrong between ranks: who, what was seen against what is allowed, and what to do.

use std::io;
use std::time::Duration;

use prewire_os::Absence;

use super::hello::Terms;
use super::layout::MAX_RANKS;

/// Why a call of communication failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommError {
    /// There is no such rank.
    #[error(
        "rank {rank} of {ranks}: there are 1 to {MAX_RANKS} ranks, and each is from 0 to one below their number"
    )]
    NoSuchRank {
        /// As given.
        rank: i64,
        /// As given.
        ranks: i64,
    },
    /// A pointer is null.
    #[error("{what} is null")]
    Null {
        /// Which.
        what: &'static str,
    },
    /// The handle is not one of this process.
    #[error("{handle:#x} is not a communicator: it was destroyed, or never made, or made by another process")]
    NoSuchHandle {
        /// As given.
        handle: usize,
    },
    /// There are no windows yet.
    #[error("no windows were allocated: call comm_alloc_windows first")]
    NoWindows,
    /// There are windows already.
    #[error("windows were allocated before: destroy the communicator, and begin anew")]
    Allocated,
    /// Nothing is that large.
    #[error("{ranks} windows of {window} bytes are more than there can be")]
    TooLarge {
        /// Bytes of each.
        window: u64,
        /// How many.
        ranks: u32,
    },
    /// A part is not inside of the windows.
    #[error("{size} bytes at {offset} are not inside of windows of {window} bytes")]
    Outside {
        /// In bytes.
        offset: usize,
        /// In bytes.
        size: usize,
        /// In bytes.
        window: u64,
    },
    /// A member of a domain is no rank.
    #[error("member {index} of the domain is rank {rank}, and there are {ranks} ranks")]
    NoSuchMember {
        /// Which.
        index: usize,
        /// Its rank.
        rank: u32,
        /// How many there are.
        ranks: u32,
    },
    /// The caller is not where it says.
    #[error("member {index} of the domain is rank {found}, and this is rank {rank}")]
    NotMe {
        /// Where it says that it is.
        index: u32,
        /// Who is there.
        found: u32,
        /// Who it is.
        rank: u32,
    },
    /// A domain of that number is there already.
    #[error("the domain {domain} is there already: release it first, or take another number")]
    DomainThere {
        /// Its number.
        domain: u64,
    },
    /// There is no domain of that number.
    #[error("there is no domain {domain}: it was released, or never made")]
    NoDomain {
        /// Its number.
        domain: u64,
    },
    /// The domain is another than the caller thinks.
    #[error("the domain was made with {made}, and is released as rank {rank} of {ranks}")]
    OtherDomain {
        /// As it is.
        made: Terms,
        /// As given.
        rank: u32,
        /// As given.
        ranks: u64,
    },
    /// A value of a global domain is not one that it can have.
    #[error("{what} of the global domain is {given}, and must be {allowed}")]
    Value {
        /// Which.
        what: &'static str,
        /// As given.
        given: u64,
        /// What is allowed.
        allowed: String,
    },
    /// A descriptor of a rank of a global domain does not hold.
    #[error(
        "descriptor {index}: {why}; pass on the bytes that the rank's comm_global_domain_prepare gave, once each"
    )]
    Descriptor {
        /// Which.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Two ranks want different groups.
    #[error("this is {own}, and another process is {other}: all ranks must ask for the same")]
    Differ {
        /// What this one asked for.
        own: Terms,
        /// What the other did.
        other: Terms,
    },
    /// Another process is that rank.
    #[error(
        "another process is rank {rank} of this group already; is one left over from before, or started twice?"
    )]
    RankTaken {
        /// The rank.
        rank: u32,
    },
    /// Something else than a rank answers.
    #[error("what answers for this group is no rank of it: {why}")]
    Strange {
        /// What it did.
        why: String,
    },
    /// Not all have come.
    #[error(
        "{came} of {ranks} ranks have come within {limit:?}; was each started, with the same rootinfo path?"
    )]
    NotAll {
        /// How many have.
        came: u32,
        /// How many there are.
        ranks: u32,
        /// How long they were waited for.
        limit: Duration,
    },
    /// The rank that gathers the others has gone.
    #[error("the rank that gathers the others (process {pid}) has gone before all were there")]
    GathererGone {
        /// Its process.
        pid: i32,
    },
    /// Somebody does not come.
    #[error("a party is a rank: {0}")]
    Absent(#[from] Absence),
    /// The system refuses something.
    #[error("{doing}: {error}")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// Says what was to be done when the system refuses it.
pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(io::Error) -> CommError {
    move |error| CommError::System { doing, error }
}
