//! The arguments of a task, in the two forms that libraries have: the producers that a task names are those that are found,
//! or none are.

use crate::source::Source;
use host_runtime::orchestration::first_list;

/// Words of the longer form; those that follow what both begin with; and in the longer form the list among them.
const WORDS: usize = 98;
const TAIL: usize = 75;
const LIST: usize = TAIL + 20;
/// The word with both counts.
const COUNTS: usize = 64;

/// Producers, where a task may name them.
static IDS: [u64; 4] = [7 << 32, 7 << 32 | 1, 7 << 32 | 9, 7 << 32 | 3];

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let is_task = |id: u64| IDS.contains(&id);
    let mut args = [0_u64; WORDS];
    match source.below(3) {
        // Anything at all: something is found or not, and nothing else happens.
        0 => {
            args.fill_with(|| source.u64());
            let _ = first_list(&args, is_task);
        }
        1 => {
            let named = slim(&mut source, &mut args);
            told(first_list(&args, is_task), named, &args);
        }
        _ => {
            let named = full(&mut source, &mut args);
            told(first_list(&args, is_task), named, &args);
        }
    }
}

fn told(found: Option<[u64; 3]>, named: [u64; 3], args: &[u64; WORDS]) {
    assert!(
        found.is_none_or(|found| found == named),
        "{found:x?} instead of {named:x?}: {:x?}",
        &args[TAIL..]
    );
}

/// A list of up to four producers.
fn list(source: &mut Source<'_>) -> [u64; 3] {
    let count = source.below(5) as u64;
    [if count == 0 { 0 } else { IDS.as_ptr().addr() as u64 }, 0, count]
}

/// How many tensors and scalars: as many as a task may have.
fn counts(source: &mut Source<'_>, args: &mut [u64; WORDS]) -> (u32, usize) {
    let (tensors, scalars) = (source.below(33), source.below(17));
    args[COUNTS] = tensors as u64 | (scalars as u64) << 32;
    ((tensors + scalars) as u32, scalars)
}

/// The shorter form, and behind it what may be anything but the address of producers.
fn slim(source: &mut Source<'_>, args: &mut [u64; WORDS]) -> [u64; 3] {
    counts(source, args);
    let named = list(source);
    args[TAIL..TAIL + 3].copy_from_slice(&named);
    for word in &mut args[TAIL + 3..] {
        *word = match source.below(4) {
            0 => 0,
            1 => source.size().into(),
            2 => 0x7f00_0000_0000 | source.u64() >> 24,
            _ => source.u64(),
        };
        if (IDS.as_ptr_range().start.addr()..IDS.as_ptr_range().end.addr()).contains(&(*word as usize)) {
            *word = 1;
        }
    }
    named
}

/// The longer form, as builders of arguments fill it in.
fn full(source: &mut Source<'_>, args: &mut [u64; WORDS]) -> [u64; 3] {
    let (all, scalars) = counts(source, args);
    let mask = source.u64() & 1_u64.checked_shl(all).map_or(u64::MAX, |bit| bit - 1);
    args[TAIL] = mask;
    args[TAIL + 1] = mask & source.u64();
    for scalar in 0..scalars {
        if source.u8().is_multiple_of(2) {
            args[TAIL + 2 + scalar] = 0x7f00_0000_0000 | source.u64() >> 24;
            let dtype = u64::from(source.u8() % 16);
            args[TAIL + 18 + scalar / 8] |= dtype << (8 * (scalar % 8));
        }
    }
    let named = list(source);
    args[LIST..].copy_from_slice(&named);
    named
}
