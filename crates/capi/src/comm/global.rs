//! Global domains: windows of ranks that share no communicator. Each rank makes its own and tells the others where it is;
//! the program passes that on.
//!
//! **Invariant:** a window that is imported is the one that its descriptor is of: its memory says so itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use prewire_os::process::{OfProcess, Pid};
use prewire_os::{Segment, clock};

use super::error::{CommError, while_doing};
use super::group::is_in;
use super::hello::{PAGE, Terms, Ticket, Title};
use super::layout::{CommContext, GlobalDescriptor, MAX_RANKS};

/// The global domains of this process, by their numbers: a copy that was forked has none.
static DOMAINS: OfProcess<HashMap<u64, Domain>> = OfProcess::new();

/// A domain as one of its ranks has it.
#[derive(Debug)]
struct Domain {
    terms: Terms,
    own: Segment,
    /// The windows of the others, and the context that points to all of them.
    imported: Option<(Vec<Segment>, Arc<CommContext>)>,
}

/// Makes the window of rank `rank` of `ranks` in the domain: its descriptor, and its address.
///
/// # Errors
///
/// The domain is there already, a value is not one that it can have, or the system refuses something.
pub fn prepare(
    domain: u64,
    rank: u32,
    ranks: u32,
    bytes: usize,
    profile: u32,
) -> Result<(GlobalDescriptor, u64), CommError> {
    let value =
        |what, given, allowed: &str| Err(CommError::Value { what, given, allowed: allowed.to_owned() });
    if domain == 0 {
        return value("the number", 0, "another number than 0");
    }
    if bytes == 0 {
        return value("the window", 0, "a byte at least");
    }
    if profile != GlobalDescriptor::SHARED_MEMORY {
        return value("the profile", profile.into(), "1, shared memory: this is a simulator");
    }
    let terms = Terms { rank, ranks, window: bytes as u64, roster: 0 };
    if !terms.are_possible() {
        return Err(CommError::NoSuchRank { rank: rank.into(), ranks: ranks.into() });
    }
    let one = Terms { ranks: 1, ..terms };
    let size = one.bytes().ok_or(CommError::TooLarge { window: terms.window, ranks: 1 })?;
    let mut all = DOMAINS.lock();
    let Entry::Vacant(place) = all.entry(domain) else {
        return Err(CommError::DomainThere { domain });
    };
    let own = Segment::new("prewire window", size).map_err(while_doing("making the window"))?;
    let (pid, number) = (Pid::current().raw(), own.as_fd().as_raw_fd().cast_unsigned());
    // No two windows of one process are made at the same time, and no two processes of one number are there then.
    let cookie = clock::monotonic().as_nanos() as u64;
    // SAFETY: the memory has a page at least, is on a page, and no other process has it yet.
    unsafe { own.as_ptr().cast::<Title>().write(Title::new(domain, cookie, terms)) };
    let ticket = Ticket::new(pid, number, cookie);
    let mut handle = [0; 256];
    handle[..size_of::<Ticket>()].copy_from_slice(bytemuck::bytes_of(&ticket));
    let descriptor = GlobalDescriptor {
        version: GlobalDescriptor::VERSION,
        profile,
        rank,
        ranks,
        mapping_size: terms.window,
        handle_size: size_of::<Ticket>() as u32,
        reserved: 0,
        handle,
    };
    let at = window(&own);
    place.insert(Domain { terms, own, imported: None });
    Ok((descriptor, at))
}

/// Maps the windows of all other ranks: the address of the context.
///
/// # Errors
///
/// The domain is not there or has been imported, or a descriptor does not hold.
pub fn import(domain: u64, descriptors: &[GlobalDescriptor]) -> Result<u64, CommError> {
    let mut all = DOMAINS.lock();
    let found = all.get_mut(&domain).ok_or(CommError::NoDomain { domain })?;
    if found.imported.is_some() {
        return Err(CommError::DomainThere { domain });
    }
    let order = in_order(&found.terms, descriptors)?;
    let (mut places, mut segments) = ([0; MAX_RANKS], Vec::new());
    for (place, (rank, &index)) in places.iter_mut().zip((0..).zip(&order)) {
        if rank == found.terms.rank {
            *place = window(&found.own);
            continue;
        }
        let wrong = |why: String| CommError::Descriptor { index, why };
        let descriptor = &descriptors[index];
        let ticket = Ticket::parse(&descriptor.handle, descriptor.handle_size)
            .ok_or_else(|| wrong("its handle is none of this runtime".to_owned()))?;
        let pid = Pid::from_raw(ticket.pid).ok_or_else(|| wrong("its handle names no process".to_owned()))?;
        let segment = Segment::of_process(pid, ticket.number)
            .map_err(|error| wrong(format!("the window of process {pid} cannot be mapped: {error}")))?;
        let title = Title::new(domain, ticket.cookie, Terms { rank, ..found.terms });
        if segment.len() != found.own.len() || self::title(&segment) != title {
            return Err(wrong(format!("process {pid} has released that window")));
        }
        *place = window(&segment);
        segments.push(segment);
    }
    let context = Arc::new(CommContext::new(
        found.terms.rank,
        found.terms.window,
        places.into_iter().take(order.len()),
    ));
    let at = core::ptr::from_ref(&*context).addr() as u64;
    found.imported = Some((segments, context));
    Ok(at)
}

/// Releases the window of this rank and unmaps those of the others. A domain that is not there is released.
pub fn release(domain: u64) {
    let released = DOMAINS.lock().remove(&domain);
    // What takes long is done without the lock.
    drop(released);
}

/// Whether the `bytes` bytes at `address` are in one of the windows of this process's global domains.
pub(crate) fn holds(address: u64, bytes: u64) -> bool {
    let within = |domain: &Domain| {
        let imported = domain.imported.iter().flat_map(|(segments, _)| segments);
        let mut windows = core::iter::once(&domain.own).chain(imported).map(window);
        windows.any(|start| is_in(start, domain.terms.window, address, bytes))
    };
    DOMAINS.lock().values().any(within)
}

/// Whether the `bytes` bytes at `address` are in a context of one of this process's global domains.
pub(crate) fn shows(address: u64, bytes: u64) -> bool {
    let within = |domain: &Domain| domain.imported.iter().any(|(_, context)| context.shows(address, bytes));
    DOMAINS.lock().values().any(within)
}

/// Which descriptor is that of which rank, once all of them are those of one domain.
fn in_order(terms: &Terms, descriptors: &[GlobalDescriptor]) -> Result<Vec<usize>, CommError> {
    let (given, ranks) = (descriptors.len() as u64, terms.ranks);
    if given != u64::from(ranks) {
        let allowed = format!("{ranks}, one for each rank");
        return Err(CommError::Value { what: "the number of descriptors", given, allowed });
    }
    let mut order = vec![usize::MAX; descriptors.len()];
    for (index, descriptor) in descriptors.iter().enumerate() {
        let checks = [
            ("version", descriptor.version.into(), GlobalDescriptor::VERSION.into()),
            ("profile", descriptor.profile.into(), GlobalDescriptor::SHARED_MEMORY.into()),
            ("number of ranks", descriptor.ranks.into(), ranks.into()),
            ("window", descriptor.mapping_size, terms.window),
        ];
        if let Some((what, found, wanted)) = checks.into_iter().find(|(_, found, wanted)| found != wanted) {
            let why = format!("its {what} is {found}, and that of this rank is {wanted}");
            return Err(CommError::Descriptor { index, why });
        }
        match order.get_mut(descriptor.rank as usize) {
            None => {
                let why = format!("it is of rank {}, and there are {ranks}", descriptor.rank);
                return Err(CommError::Descriptor { index, why });
            }
            Some(place) if *place != usize::MAX => {
                let why = format!("it is of rank {}, as descriptor {place} is", descriptor.rank);
                return Err(CommError::Descriptor { index, why });
            }
            Some(place) => *place = index,
        }
    }
    Ok(order)
}

/// The address of the window in a segment.
fn window(segment: &Segment) -> u64 {
    (segment.as_ptr().addr() + PAGE) as u64
}

fn title(segment: &Segment) -> Title {
    // SAFETY: a segment is a page at least, on a page; any bits are a title, and one that its process writes although it must
    // not is read once.
    unsafe { segment.as_ptr().cast::<Title>().read_volatile() }
}
