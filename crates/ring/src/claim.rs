//! What the rings may come to take of a machine's memory: every table and heap, counted whole. Nothing of it is there
//! before it is touched.

use alloc::vec::Vec;
use core::fmt;

use prewire_sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};

use crate::deps::Dep;
use crate::ring::RING_COUNT;
use crate::route::Class;
use crate::sizes::RingSizes;
use crate::slot::Slot;

/// So many of something, and what sets their number.
///
/// ```
/// use prewire_ring::RingSizes;
///
/// let claims = RingSizes::default().claims(1);
/// assert_eq!(claims[0].to_string(), "4 heaps of 256.0 MiB = 1.0 GiB (RingSizes::heap)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// What they are, in the plural.
    pub what: &'static str,
    /// The setting that there would be fewer with.
    pub knob: &'static str,
    /// How many.
    pub count: u64,
    /// Bytes of each.
    pub each: u64,
}

impl Claim {
    /// A claim of `count` times `each` bytes.
    #[must_use]
    pub const fn new(what: &'static str, knob: &'static str, count: u64, each: u64) -> Self {
        Self { what, knob, count, each }
    }

    /// All its bytes, or as many as a number can say.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.count.saturating_mul(self.each)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, knob, count, each } = *self;
        write!(f, "{count} {what} of {} = {} ({knob})", Bytes(each), Bytes(self.bytes()))
    }
}

/// A number of bytes as people say it.
///
/// ```
/// use prewire_ring::Bytes;
///
/// assert_eq!(Bytes(72).to_string(), "72 bytes");
/// assert_eq!(Bytes(3 << 29).to_string(), "1.5 GiB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(60, "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        for (shift, unit) in units {
            let whole = self.0 >> shift;
            if whole > 0 {
                let tenths = (self.0 >> (shift - 10) & 1023) * 10 / 1024;
                return write!(f, "{whole}.{tenths} {unit}");
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

impl RingSizes {
    /// What rings of these sizes for so many `completers`, their heaps and their ready queues may come to take. Legal sizes or not.
    #[must_use]
    pub fn claims(&self, completers: u16) -> Vec<Claim> {
        let mut claims = Vec::new();
        if self.heap.iter().all(|&heap| heap == self.heap[0]) {
            claims.push(Claim::new("heaps", "RingSizes::heap", RING_COUNT as u64, self.heap[0]));
        } else {
            const KNOBS: [&str; RING_COUNT] =
                ["RingSizes::heap[0]", "RingSizes::heap[1]", "RingSizes::heap[2]", "RingSizes::heap[3]"];
            claims.extend(KNOBS.iter().zip(self.heap).map(|(knob, heap)| Claim::new("heap", knob, 1, heap)));
        }
        let slots = self.window.iter().map(|&window| u64::from(window)).sum::<u64>().next_power_of_two();
        let args: u64 = self.window.iter().map(|&window| u64::from(self.args_len(window))).sum();
        let deps: u64 = self.deps.iter().map(|&deps| u64::from(deps).next_power_of_two()).sum();
        // Two lanes each.
        let queues = slots.saturating_mul(2 * Class::ALL.len() as u64);
        // Each completer has a word for it.
        let words = usize::from(completers.max(1)) * size_of::<AtomicU32>();
        let slot = (size_of::<Slot>() + size_of::<AtomicPtr<()>>() + words) as u64;
        let word = size_of::<AtomicU64>() as u64;
        claims.push(Claim::new("slots", "RingSizes::window", slots, slot));
        claims.push(Claim::new(
            "argument words",
            if self.args > Self::FEWEST_ARGS { "RingSizes::args" } else { "RingSizes::window" },
            args,
            word,
        ));
        claims.push(Claim::new("places in ready queues", "RingSizes::window", queues, word));
        claims.push(Claim::new(
            "dep entries",
            "RingSizes::deps",
            deps.next_power_of_two(),
            size_of::<Dep>() as u64,
        ));
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_table_is_claimed_once() {
        let mut sizes = RingSizes::smallest();
        let bytes = |sizes: &RingSizes| sizes.claims(3).iter().map(Claim::bytes).sum::<u64>();
        let before = bytes(&sizes);
        assert_eq!(before, 4 * 1024 + 16 * (72 + 3 * 4) + 4 * 8192 * 8 + 7 * 2 * 16 * 8 + 16 * 16);
        sizes.heap[2] += 4096;
        assert_eq!(bytes(&sizes), before + 4096);
        assert!(sizes.claims(3)[2].to_string().contains("RingSizes::heap[2]"));
        sizes.deps[1] = 5;
        assert_eq!(bytes(&sizes), before + 4096 + 16 * 16);
    }

    #[test]
    fn nothing_overflows() {
        let most = RingSizes { tensor_map: u32::MAX, ..RingSizes::default() };
        let most = most.with_heap(u64::MAX).with_window(u32::MAX).with_deps(u32::MAX);
        assert_eq!(most.claims(1)[0].bytes(), u64::MAX);
        assert_eq!(Bytes(u64::MAX).to_string(), "15.9 EiB");
    }
}
