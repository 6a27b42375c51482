//! Inputs of scenes: numbers drawn from a seed, the same in every run on every machine.

use prewire::prelude::bf16;

/// A stream of numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The stream of `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// One of `0..end`.
    pub(crate) const fn below(&mut self, end: u32) -> u32 {
        (((self.bits() >> 32) * end as u64) >> 32) as u32
    }

    /// One of `-scale..scale`.
    pub(crate) fn signed(&mut self, scale: f32) -> f32 {
        // 24 bits are exact in an f32.
        ((self.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * scale
    }

    /// `count` of `-scale..scale`.
    pub(crate) fn many(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.signed(scale)).collect()
    }

    /// `count` of `-scale..scale`, rounded to `bf16`.
    pub(crate) fn many_rounded(&mut self, count: usize, scale: f32) -> Vec<bf16> {
        (0..count).map(|_| bf16::from_f32(self.signed(scale))).collect()
    }

    /// The numbers `0..count` in a drawn order.
    pub(crate) fn order(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        for end in (1..count).rev() {
            order.swap(end as usize, self.below(end + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn numbers_stay_in_range_and_repeat_with_the_seed() {
        let numbers = Draw::new(7).many(1000, 2.0);
        assert!(numbers.iter().all(|x| (-2.0..2.0).contains(x)));
        let mean = numbers.iter().sum::<f32>() / 1000.0;
        assert!(mean.abs() < 0.2, "{mean}");
        assert_eq!(numbers, Draw::new(7).many(1000, 2.0));
        assert_ne!(numbers, Draw::new(8).many(1000, 2.0));
    }

    #[test]
    fn an_order_holds_each_number_once() {
        let order = Draw::new(1).order(50);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(order, sorted);
    }
}
