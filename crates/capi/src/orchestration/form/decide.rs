//! What the words behind the head of a task's arguments can be: which form they prove, and which list they name.
//!
//! Invariant: words that can be those of both forms, and name different lists, decide nothing.

use crate::layout::{CORE_SCALARS, DumpSelection, FullTail};

/// The smallest address that a process has memory at, by the kernel's default.
const LOWEST: u64 = 0x1_0000;
/// More producers than any task has.
const MOST: u64 = 1 << 20;
/// Where the list is in the full form, from where it is in the slim form on.
pub(super) const LIST: usize = core::mem::offset_of!(FullTail, deps);
/// How long the words behind the head are in the full form.
pub(super) const TAIL: usize = size_of::<FullTail>();
/// The highest number that a data type can have.
const DTYPES: u8 = 15;

/// One of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With the dump member.
    Full,
    /// Without it.
    Slim,
}

/// A list of explicit dependencies, by its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct List {
    pub(in super::super) ids: u64,
    pub(in super::super) kinds: u64,
    pub(in super::super) count: u64,
}

impl List {
    /// From its three words. Of the last one half is padding, which may hold anything.
    pub(super) fn of([ids, kinds, count]: [u64; 3]) -> Self {
        Self { ids, kinds, count: count & u64::from(u32::MAX) }
    }

    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn is_some(&self) -> bool {
        is_address(self.ids)
            && self.ids.is_multiple_of(8)
            && (self.kinds == 0 || is_address(self.kinds))
            && (1..=MOST).contains(&self.count)
    }

    fn can_be(&self) -> bool {
        self.is_none() || self.is_some()
    }
}

const fn is_address(word: u64) -> bool {
    word >= LOWEST && word < 1 << 56
}

/// Why it cannot be said what a task's arguments name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Undecided {
    /// They fit no form, or both and differ.
    Arguments,
    /// What tells them apart could not be looked at.
    Unseen,
}

/// What stands beyond the slim form.
#[derive(Clone, Copy)]
pub(super) enum Beyond {
    /// These words.
    Words([u64; TAIL / 8]),
    /// Nothing: it is not mapped.
    Nothing,
    /// That could not be looked at.
    Unseen,
}

/// The list of a task, and the form if that is proven: from the words that both forms have, and what stands beyond them.
pub(super) fn decide(
    first: [u64; 3],
    beyond: Beyond,
    counts: (usize, usize),
    mut all_tasks: impl FnMut(&List) -> bool,
) -> Result<(Option<Form>, List), Undecided> {
    let slim = List::of(first);
    let full = match beyond {
        Beyond::Words(words) => full_list(&words, counts),
        Beyond::Nothing => None,
        // The third word is a source in the full form.
        Beyond::Unseen if slim.can_be() && !is_source(first[2], 0, counts.1) => None,
        Beyond::Unseen => return Err(Undecided::Unseen),
    };
    match (slim.can_be(), full) {
        (true, None) => Ok((Some(Form::Slim), slim)),
        (false, Some(full)) => Ok((Some(Form::Full), full)),
        (true, Some(full)) if slim.is_none() && full.is_none() => Ok((None, slim)),
        (true, Some(full)) if slim.is_none() && all_tasks(&full) => Ok((Some(Form::Full), full)),
        (true, Some(full)) if full.is_none() && all_tasks(&slim) => Ok((Some(Form::Slim), slim)),
        _ => Err(Undecided::Arguments),
    }
}

/// Whether `word` can say where scalar `number` of so many was read from.
const fn is_source(word: u64, number: usize, scalars: usize) -> bool {
    word == 0 || (number < scalars && is_address(word))
}

/// The list of the full form, if the words that follow the head can be those of that form.
fn full_list(words: &[u64; TAIL / 8], (_, scalars): (usize, usize)) -> Option<List> {
    const SOURCES: usize = core::mem::offset_of!(DumpSelection, sources) / 8;
    const KINDS: usize = core::mem::offset_of!(DumpSelection, dtypes) / 8;
    let sources = &words[SOURCES..SOURCES + CORE_SCALARS];
    let dtypes = words[KINDS..KINDS + CORE_SCALARS / 8].iter().flat_map(|word| word.to_ne_bytes());
    let fits = sources.iter().enumerate().all(|(i, &source)| is_source(source, i, scalars))
        && dtypes.enumerate().all(|(i, dtype)| dtype == 0 || (i < scalars && dtype <= DTYPES));
    let list = List::of([words[LIST / 8], words[LIST / 8 + 1], words[LIST / 8 + 2]]);
    (fits && list.can_be()).then_some(list)
}
