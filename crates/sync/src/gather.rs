//! How long who looks for work leaves it alone after it has found some.
//!
//! Invariant: a wait is bounded, and there is none after a look that found nothing.

use crate::hint;

/// Decides how long a thread that does nothing but look for work waits between two looks, while others make it.
///
/// If it looked again at once, it would find the next piece as soon as that is there, each time: the lines that say so, and
/// the piece, go to and fro for one, and who makes the work waits for each line to come back. So it waits for a batch to
/// gather: longer as long as it finds little, less when it finds much. Work that comes now and then is found at once, as
/// most looks before it find nothing.
///
/// ```
/// use prewire_sync::Gather;
///
/// let mut gather = Gather::default();
/// let mut work = vec![1, 2, 3].into_iter();
/// for found in work.by_ref() {
///     gather.pause(found);
/// }
/// gather.pause(0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Gather {
    /// Spin hints of the next wait.
    hints: u32,
}

impl Gather {
    /// So many pieces are a batch.
    const BATCH: u32 = 128;
    /// The longest wait, in spin hints: some 4 microseconds on a 3 GHz machine whose spin hint takes 40 cycles.
    const LONGEST: u32 = 256;

    /// Waits, after a look that has found so many pieces of work.
    pub fn pause(&mut self, found: u32) {
        let hints = if cfg!(any(prewire_loom, prewire_shuttle)) { 1 } else { self.after(found) };
        for _ in 0..hints {
            hint::spin_loop();
        }
    }

    fn after(&mut self, found: u32) -> u32 {
        self.hints = match found {
            0 => 0,
            1..Self::BATCH => (2 * self.hints + 1).min(Self::LONGEST),
            _ => self.hints / 2,
        };
        self.hints.max(1)
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    #[test]
    fn waits_grow_while_little_is_found_and_end_where_nothing_is() {
        let mut gather = Gather::default();
        let hints: Vec<u32> = [1; 10].map(|found| gather.after(found)).to_vec();
        assert_eq!(hints, [1, 3, 7, 15, 31, 63, 127, 255, 256, 256]);
        assert_eq!([Gather::BATCH, 2 * Gather::BATCH].map(|found| gather.after(found)), [128, 64]);
        assert_eq!([0, 0, 1, 1].map(|found| gather.after(found)), [1, 1, 1, 3]);
    }
}
