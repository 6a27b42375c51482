//! What tasks compute: arithmetic in which every input, the order of all writes, and every position shows. Shared by
//! the kernels and by the oracle that runs tasks one by one. Invariant: a value depends on no number of blocks.

/// What a sequence of values comes to.
pub(crate) fn digest(values: impl IntoIterator<Item = i64>) -> i64 {
    values.into_iter().fold(7, |sum: i64, value| sum.wrapping_mul(31).wrapping_add(value))
}

/// What argument `arg`, whose values have this digest, adds to what the task read.
pub(crate) fn read(arg: usize, digest: i64) -> i64 {
    digest.wrapping_mul(2 * arg as i64 + 1)
}

/// What task `number` makes of the element at `position` that was `old`; `None`: it does not look at it.
pub(crate) fn write(number: u64, read: i64, position: usize, old: Option<i64>) -> i64 {
    let fresh = (number as i64 + 3).wrapping_mul(1_000_003).wrapping_add(read).wrapping_add(position as i64);
    match old {
        Some(old) => old.wrapping_mul(31).wrapping_add(fresh),
        None => fresh,
    }
}

/// What an element becomes once the digest of all that the group wrote is known.
pub(crate) fn exchange(value: i64, group: i64) -> i64 {
    value.wrapping_mul(17).wrapping_add(group)
}

/// The rows, of `rows`, that sub-tasks `from..end` of `total` write.
pub(crate) fn rows(rows: u32, from: u32, end: u32, total: u32) -> (u32, u32) {
    (from * rows / total, end * rows / total)
}
