//! Division by a number that is known long before: a multiplication for what fits 32 bits, and always exact.

/// A divisor and its reciprocal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reciprocal {
    divisor: u64,
    /// `floor((2^64 - 1) / divisor)`; the high word of its product with `n + 1` is `n / divisor` for all `n` and
    /// divisors below 2^32: the error is below `(n + 1) / 2^64 < 1 / divisor`.
    factor: u64,
}

impl Reciprocal {
    /// Of 1.
    pub(crate) const ONE: Self = Self { divisor: 1, factor: u64::MAX };

    /// Of `divisor`, which is not 0.
    pub(crate) const fn new(divisor: u64) -> Self {
        if divisor == 1 { Self::ONE } else { Self { divisor, factor: u64::MAX / divisor } }
    }

    /// The number that is divided by.
    #[inline]
    pub(crate) const fn divisor(self) -> u64 {
        self.divisor
    }

    /// `n / divisor`, rounded down.
    #[inline]
    pub(crate) const fn quotient(self, n: u64) -> u64 {
        if (n | self.divisor) >> 32 == 0 {
            (((n + 1) as u128 * self.factor as u128) >> 64) as u64
        } else {
            n / self.divisor
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reciprocal;

    #[test]
    fn quotients_are_exact_at_the_edges() {
        let edges = |around: u64| (around.saturating_sub(2)..=around.saturating_add(2)).filter(|n| *n > 0);
        let divisors = (1..200).chain((3..64).flat_map(|bit| edges(1 << bit))).chain(edges(u64::MAX));
        for divisor in divisors {
            let by = Reciprocal::new(divisor);
            let multiples = [1, 2, 3, 1000, u64::from(u32::MAX) / divisor, u64::MAX / divisor];
            let near = multiples.into_iter().flat_map(|times| edges(divisor.saturating_mul(times)));
            for n in near.chain([0, u64::MAX, u64::from(u32::MAX)]) {
                assert_eq!(by.quotient(n), n / divisor, "{n} / {divisor}");
            }
        }
    }
}
