//! How long to wait before looking for what another thread puts out, learned from how the looks before went.

use crate::hint;

/// Paces one thread that takes what another puts out, one thing after the other. Who takes each as soon as it is there
/// finds one at a time, and takes away each time the cache lines that the other is about to write to: together the two are
/// slower than one of them alone. So as long as there is something at the first look, the thread waits twice as long before
/// the next first look, up to some microseconds, and finds more at once. Where there is nothing at a first look, or no more
/// than one thing after a wait that several could have been put out in, it is the other that is slow, or waits for what
/// becomes of that one: from then on the thread looks at once.
///
/// For what is put out one by one, and may wait that long; what has to be seen at once ends the wait.
///
/// ```
/// let mut gathering = prewire_sync::Gathering::default();
/// gathering.pause(|| unreachable!("it does not wait before it has found something"));
/// gathering.looked(3);
/// gathering.pause(|| false);
/// gathering.looked(0);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathering {
    /// Spin hints before the next first look.
    hints: u32,
}

impl Gathering {
    /// The longest wait, in spin hints: some five microseconds on a 3 GHz machine whose spin hint takes 60 cycles. So much
    /// gathers then that who puts it out is ahead when the wait is over, and stays so. A model explores every schedule anyway.
    const LONGEST: u32 = if cfg!(any(prewire_loom, prewire_shuttle)) { 0 } else { 256 };

    /// From a wait of so many spin hints on there is to be more than one thing, for it to pay.
    const SHORT: u32 = 8;

    /// Waits as long as has proved worth it, unless `over` says that something has come up.
    #[inline]
    pub fn pause(&self, mut over: impl FnMut() -> bool) {
        for _ in 0..self.hints {
            if over() {
                return;
            }
            hint::spin_loop();
        }
    }

    /// Says how much the first look after the wait has found.
    #[inline]
    pub fn looked(&mut self, found: u32) {
        let enough = if self.hints < Self::SHORT { 1 } else { 2 };
        let longer = if self.hints == 0 { 1 } else { 2 * self.hints };
        self.hints = if found >= enough { longer.min(Self::LONGEST) } else { 0 };
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;

    fn hints(gathering: Gathering) -> u32 {
        let mut hints = 0;
        gathering.pause(|| {
            hints += 1;
            false
        });
        hints
    }

    #[test]
    fn it_waits_longer_and_longer_for_as_long_as_that_pays() {
        let mut gathering = Gathering::default();
        let mut waits = [0; 11];
        for wait in &mut waits {
            *wait = hints(gathering);
            gathering.looked(2);
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 256]);
        gathering.looked(0);
        assert_eq!(hints(gathering), 0, "the other one is slow");
        let mut most = 0;
        for _ in 0..100 {
            gathering.looked(1);
            most = most.max(hints(gathering));
        }
        assert_eq!(most, Gathering::SHORT, "the other one waits for what becomes of each");
    }

    #[test]
    fn it_ends_a_wait_when_it_is_told() {
        let mut gathering = Gathering::default();
        (0..10).for_each(|_| gathering.looked(2));
        let mut left = 5;
        gathering.pause(|| {
            left -= 1;
            left == 0
        });
        assert_eq!(left, 0, "it went on, or ended before");
    }
}
