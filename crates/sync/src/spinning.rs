//! Whether to spin before parking, learned from how the waits before went.

use crate::hint;

/// Decides for one waiter, wait after wait, whether it is worth to spin. As long as what it waits for comes while it spins,
/// it spins before each wait. Each spin that was for nothing doubles the number of waits that it parks for at once, up to
/// 63, before it tries again. So who has much to do is never parked, and who has little does not burn a processor that
/// somebody else could use.
///
/// ```
/// let mut spinning = prewire_sync::Spinning::default();
/// assert!(!spinning.spin(|| false), "for nothing");
/// assert!(!spinning.spin(|| true), "not tried this time");
/// assert!(spinning.spin(|| true));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Spinning {
    /// For how many waits it parked at once after the last spin for nothing; 0 if the last spin was worth it.
    penalty: u8,
    /// For how many of these it still does.
    left: u8,
}

impl Spinning {
    /// Looks of a spin: some 40 microseconds, which is longer than it takes to wake the other side up. They follow each other
    /// closely: what comes within a microsecond is not to be seen one later. In a model one look is all, as in a
    /// [`Backoff`](crate::Backoff).
    const LOOKS: u32 = if cfg!(any(prewire_loom, prewire_shuttle)) { 1 } else { 1000 };
    const MOST: u8 = 63;

    /// Looks once and, if it is worth it, spins until `look` says true. Whether it did.
    pub fn spin(&mut self, mut look: impl FnMut() -> bool) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        for rest in (0..Self::LOOKS).rev() {
            if look() {
                self.penalty = 0;
                return true;
            }
            if rest > 0 {
                hint::spin_loop();
            }
        }
        self.penalty = (2 * self.penalty + 1).min(Self::MOST);
        self.left = self.penalty;
        false
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;

    /// How many of `waits` waits a spinning tries, when nothing ever comes.
    fn tries(spinning: &mut Spinning, waits: u32) -> u32 {
        (0..waits)
            .filter(|_| {
                let mut looked = false;
                let _ = spinning.spin(|| {
                    looked = true;
                    false
                });
                looked
            })
            .count() as u32
    }

    #[test]
    fn what_is_for_nothing_is_tried_less_and_less() {
        let mut spinning = Spinning::default();
        assert_eq!(tries(&mut spinning, 1 + 1 + 1 + 3 + 1 + 7), 3);
        let mut long = Spinning::default();
        let all = tries(&mut long, 64 * 100);
        assert!((100..=106).contains(&all), "{all}");
    }

    #[test]
    fn what_pays_is_done_each_time() {
        let mut spinning = Spinning::default();
        tries(&mut spinning, 200);
        while !spinning.spin(|| true) {}
        assert!((0..100).all(|_| spinning.spin(|| true)));
    }
}
