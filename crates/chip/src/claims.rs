//! What a chip may come to take of the machine's memory, against what the machine has. Invariant: no sum of it overflows.

use std::fmt;

use prewire_ring::{Bytes, Claim, RingSizes};
use prewire_tensormap::TensorMap;

use crate::error::{Error, Result};

/// More memory than the machine has. Made where a chip is built, before anything of it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooMuchMemory {
    /// What the chip may come to take, the largest part first.
    pub claims: Vec<Claim>,
    /// The bytes of all of them.
    pub together: u64,
    /// The bytes that the machine has for this process: its memory, or the limit of its control group.
    pub machine: u64,
}

impl fmt::Display for TooMuchMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claims, together, machine } = self;
        f.write_str("the chip may come to take ")?;
        for claim in claims {
            write!(f, "{claim}, ")?;
        }
        let more = Bytes(together.saturating_sub(*machine));
        write!(
            f,
            "together {}; this machine has {} for the process, {more} less",
            Bytes(*together),
            Bytes(*machine)
        )?;
        match claims.first() {
            Some(largest) => write!(f, "; lower {}; RingSizes::fit finds sizes from a run", largest.knob),
            None => Ok(()),
        }
    }
}

/// Refuses sizes whose tables and heaps, on a chip of so many `domains`, are larger than a machine with so much memory; `None`: not
/// known.
pub(crate) fn check(sizes: &RingSizes, domains: u16, machine: Option<u64>) -> Result<()> {
    let Some(machine) = machine else { return Ok(()) };
    let mut claims = sizes.claims(domains);
    // Not what live tasks have left to their records and the map is told of beyond its entries: nobody sets how much that is, and hardly
    // ever is it there.
    claims.push(Claim::new(
        "entries of the tensor map",
        "RingSizes::tensor_map",
        sizes.tensor_map.into(),
        TensorMap::MOST_BYTES_AN_ENTRY,
    ));
    let together = claims.iter().fold(0u64, |sum, claim| sum.saturating_add(claim.bytes()));
    if together <= machine {
        return Ok(());
    }
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.bytes()));
    Err(Error::TooMuchMemory(Box::new(TooMuchMemory { claims, together, machine })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sizes: &RingSizes, machine: u64) -> String {
        check(sizes, 1, Some(machine)).unwrap_err().to_string()
    }

    #[test]
    fn the_usual_sizes_suit_a_machine_of_two_gib() {
        check(&RingSizes::default(), 1, Some(2 << 30)).unwrap();
        let text = refused(&RingSizes::default(), 1 << 30);
        assert!(text.contains("4 heaps of 256.0 MiB = 1.0 GiB"), "{text}");
        assert!(text.ends_with("; lower RingSizes::heap; RingSizes::fit finds sizes from a run"), "{text}");
    }

    #[test]
    fn the_arithmetic_is_told_and_the_largest_part_is_first() {
        let text = refused(&RingSizes::default().with_heap(1 << 40), 24 << 30);
        for part in ["take 4 heaps of 1.0 TiB = 4.0 TiB", "together 4.0 TiB", "has 24.0 GiB", "3.9 TiB less"]
        {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        let map = RingSizes::smallest().with_tensor_map(1 << 28);
        assert!(refused(&map, 24 << 30).contains("268435456 entries of the tensor map of"));
        let slots = RingSizes::smallest().with_window(1 << 24);
        assert!(
            refused(&slots, 1 << 30).contains("argument words of 8 bytes = 16.0 GiB (RingSizes::window)")
        );
        let deps = RingSizes::smallest().with_deps(1 << 29);
        assert!(refused(&deps, 24 << 30).contains("2147483648 dep entries of 16 bytes = 32.0 GiB"));
    }

    #[test]
    fn a_machine_that_says_nothing_refuses_nothing_and_no_sum_overflows() {
        let most = RingSizes::default().with_heap(1 << 46).with_window(1 << 24);
        check(&most, 1, None).unwrap();
        let heap = RingSizes { heap: [u64::MAX; 4], ..most };
        assert!(refused(&heap, u64::MAX - 1).contains("together 15.9 EiB"));
        let mut sizes = RingSizes::smallest();
        sizes.heap[1] = 3 << 40;
        assert!(refused(&sizes, 1 << 40).contains("1 heap of 3.0 TiB = 3.0 TiB (RingSizes::heap[1])"));
    }
}
