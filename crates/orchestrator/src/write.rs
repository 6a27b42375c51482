//! Writing the argument record of a task that is being submitted: see [`Record`](crate::Record) for what its words are.
//!
//! Invariant: it stores as many words as it said that the arguments take, each once and in order.

use prewire_abi::{ChipTensor, ValidTensor};
use prewire_ring::{ArgWords, Placed, Rings};

use crate::arg::Arg;
use crate::args::Args;
use crate::record::{
    LEFT_SHIFT, PACKED_WORDS, PREDICATE, PREDICATE_WORDS, RAW_PREDICATE, STRIDED_WORDS, TAG_SHIFT, UNEVEN,
    WHOLE, WHOLE_WORDS,
};
use crate::sums;

/// Of what makes the words of arguments differ from those of packed tensors and scalars.
const UNUSUAL: u32 = sums::STRIDED | sums::WHOLE | sums::PREDICATE;

/// The words that `args` take.
#[inline]
pub(crate) fn words(args: &Args) -> u32 {
    let a_tensor = if !args.sums().has(UNUSUAL) {
        PACKED_WORDS
    } else if are_whole(args) {
        WHOLE_WORDS
    } else {
        return unusual_words(args);
    };
    let words = args.count() as u32 * a_tensor + args.scalars().len() as u32;
    if words == 0 { 0 } else { 1 + words }
}

/// Whether tensors are whole, and there is no condition before them.
#[inline]
fn are_whole(args: &Args) -> bool {
    args.sums().has(sums::WHOLE) && !args.sums().has(sums::PREDICATE)
}

#[inline(never)]
fn unusual_words(args: &Args) -> u32 {
    let predicate = if args.sums().has(sums::PREDICATE) { PREDICATE_WORDS } else { 0 };
    let tensors = if args.sums().has(sums::WHOLE) {
        args.count() as u32 * WHOLE_WORDS
    } else {
        let words = |arg: &Arg| if is_strided(arg.tensor()) { STRIDED_WORDS } else { PACKED_WORDS };
        args.tensors().iter().map(words).sum()
    };
    let words = predicate + tensors + args.scalars().len() as u32;
    if words == 0 { 0 } else { 1 + words }
}

#[inline]
fn is_strided(tensor: &ValidTensor) -> bool {
    tensor.kind() & ValidTensor::STRIDED != 0
}

/// Stores the record of `args` for a task that was just placed, with as many words as they [take](words). A bit of `left` for each
/// tensor of which the tensor map was not told that it is read.
#[inline]
pub(crate) fn store(rings: &Rings, placed: &Placed, words: u32, args: &Args, left: u32) {
    let header = counts(args) | u64::from(left) << LEFT_SHIFT;
    if args.sums().has(UNUSUAL) {
        store_unusual(rings, placed, words, args, header);
    } else {
        rings.put_args(placed, header, args.tensors(), packed, args.scalars());
    }
}

/// As `store`, where not every tensor takes as many words as a packed one, or there is a condition.
#[inline(never)]
fn store_unusual(rings: &Rings, placed: &Placed, words: u32, args: &Args, header: u64) {
    if are_whole(args) {
        return rings.put_args(placed, header | WHOLE | UNEVEN, args.tensors(), whole_words, args.scalars());
    }
    let whole = if args.sums().has(sums::WHOLE) { WHOLE | UNEVEN } else { 0 };
    let strided = if args.sums().has(sums::STRIDED) { UNEVEN } else { 0 };
    let mut to = rings.arg_words(placed, words);
    let Some(predicate) = args.condition() else {
        to.put(header | whole | strided);
        return store_one_by_one(to, args);
    };
    to.put(header | PREDICATE | whole | strided);
    let raw = if args.is_foreign() { RAW_PREDICATE } else { 0 };
    let kind = u64::from(predicate.op.code()) | u64::from(predicate.dtype.code()) << 8 | raw;
    to.put_all([predicate.addr, kind, predicate.target as u64]);
    store_one_by_one(to, args);
}

/// Stores what comes behind the condition.
fn store_one_by_one(mut to: ArgWords<'_>, args: &Args) {
    for arg in args.tensors() {
        if args.sums().has(sums::WHOLE) {
            to.put_all(whole_words(arg));
            continue;
        }
        to.put_all(packed(arg));
        if is_strided(arg.tensor()) {
            to.put_all(arg.tensor().stride_words());
        }
    }
    args.scalars().iter().for_each(|&scalar| to.put(scalar));
}

/// How many tensors and scalars there are.
#[inline]
fn counts(args: &Args) -> u64 {
    args.count() as u64 | (args.scalars().len() as u64) << 16
}

/// The words of a tensor whose elements lie row after row, and the first ones of any other.
#[inline]
fn packed(arg: &Arg) -> [u64; PACKED_WORDS as usize] {
    let tensor = arg.tensor();
    let [w1, w2, w3] = tensor.shape_words(arg.kind());
    [tensor.start_addr(), w1, w2, w3]
}

/// All of a tensor.
#[inline]
fn whole_words(arg: &Arg) -> [u64; ChipTensor::WORDS] {
    let mut words = arg.tensor().words();
    words[ChipTensor::WORDS - 1] |= u64::from(arg.kind() >> 16 & 0xFF) << TAG_SHIFT;
    words
}
