//! What ranks of a communicator tell each other: it is refused, or it leads to windows that are there.

use crate::source::Source;
use bytemuck::{bytes_of, bytes_of_mut};
use host_runtime::comm::hello::{Answer, Hello, Terms, Ticket};
use host_runtime::comm::{GlobalDescriptor, MAX_RANKS, global, holds};

/// Domains of the check: nobody else in the process has these.
const OWN: u64 = 1 << 40;
const OTHER: u64 = OWN + 1;

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    match source.below(4) {
        0 => hello(source.rest()),
        1 => answer(source.rest()),
        2 => terms(&mut source),
        _ => descriptors(&mut source),
    }
}

fn hello(bytes: &[u8]) {
    let mut good = bytes_of(&Hello::new(Terms { rank: 1, ranks: 2, window: 8, roster: 0 })).to_vec();
    Source::new(bytes).patch(&mut good);
    for bytes in [bytes, &good] {
        if let Some(hello) = Hello::parse(bytes) {
            assert_eq!(bytes_of(&hello), bytes);
            assert!((hello.terms.rank as usize) < MAX_RANKS && hello.terms.rank < hello.terms.ranks);
            assert!(hello.terms.agree(&Terms { rank: 0, ..hello.terms }));
        }
    }
}

fn answer(bytes: &[u8]) {
    if let Some((verdict, terms)) = Answer::parse(bytes) {
        assert_eq!(Answer::parse(bytes_of(&Answer::new(verdict, terms))), Some((verdict, terms)));
    }
    let mut good = bytes_of(&Answer::new(
        host_runtime::comm::hello::Verdict::Welcome,
        Terms { rank: 0, ranks: 2, window: 8, roster: 0 },
    ))
    .to_vec();
    Source::new(bytes).patch(&mut good);
    let _ = Answer::parse(&good);
}

/// The memory of a group has room for all its windows, by arithmetic that cannot overflow.
fn terms(source: &mut Source<'_>) {
    let window = if source.u8().is_multiple_of(2) { source.u64() } else { source.size().into() };
    let ranks = 1 + source.below(MAX_RANKS) as u32;
    let terms = Terms { rank: 0, ranks, window, roster: source.u64() };
    let needed = 4096 + u128::from(terms.ranks) * u128::from(window).next_multiple_of(4096);
    match terms.bytes() {
        Some(bytes) => assert_eq!(bytes as u128, needed, "{terms}"),
        None => assert!(needed > i64::MAX as u128, "{terms}"),
    }
}

/// Two windows of this process, the descriptor of one of them changed.
fn descriptors(source: &mut Source<'_>) {
    let size = 1 + source.below(9000);
    let (own, base) = global::prepare(OWN, 0, 2, size, 1).expect("there is memory");
    // As a rank of the same domain in another process has it: its title differs by the number of the domain alone.
    let (mut other, _) = global::prepare(OTHER, 1, 2, size, 1).expect("there is memory");
    let mut reordered = own;
    let rest = source.rest();
    if rest.first().is_some_and(|first| first.is_multiple_of(8)) {
        source.patch(bytes_of_mut(&mut reordered));
    } else {
        source.patch(bytes_of_mut(&mut other));
    }
    for given in [[own, other], [other, reordered], [reordered, own]] {
        match global::import(OWN, &given) {
            Err(error) => assert!(!error.to_string().is_empty()),
            // Neither domain has two ranks here that belong together.
            Ok(_) => panic!("{given:?} was imported"),
        }
    }
    let _ = Ticket::parse(&other.handle, other.handle_size);
    let _: GlobalDescriptor = reordered;
    assert!(holds(base, size as u64) && !holds(base, size as u64 + 1));
    global::release(OWN);
    global::release(OTHER);
    assert!(!holds(base, 1));
}
