//! How far results are from a golden: one number, the worst. A result that is no number is infinitely far.

use prewire::prelude::bf16;

/// The worst error seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Worst(f64);

impl Worst {
    /// Compares one result: `|got - want| / (1 + |want|)`.
    pub(crate) fn see(&mut self, got: f64, want: f64) {
        self.see_beyond(got, want, 0.0);
    }

    /// Compares one result whose first `slack` of difference is allowed for.
    fn see_beyond(&mut self, got: f64, want: f64, slack: f64) {
        let error = ((got - want).abs() - slack).max(0.0) / (1.0 + want.abs());
        // `max` above hides a result that is no number.
        self.0 = self.0.max(if (got - want).is_finite() { error } else { f64::INFINITY });
    }

    /// Compares a result tensor, row-major, with its golden. Another number of elements is infinitely wrong.
    pub(crate) fn see_all(&mut self, got: &[f32], want: &[f64]) {
        if got.len() != want.len() {
            self.0 = f64::INFINITY;
        }
        for (&got, &want) in got.iter().zip(want) {
            self.see(f64::from(got), want);
        }
    }

    /// The same for a tensor of `bf16`, where rounding another way costs one step of the format and counts as right.
    pub(crate) fn see_all_rounded(&mut self, got: &[bf16], want: &[f64]) {
        if got.len() != want.len() {
            self.0 = f64::INFINITY;
        }
        for (&got, &want) in got.iter().zip(want) {
            self.see_beyond(got.to_f64(), want, want.abs() * 2.0_f64.powi(-7));
        }
    }

    /// Counts one that must be exactly right: an error of 1 if it is not.
    pub(crate) fn see_exact<T: PartialEq>(&mut self, got: T, want: T) {
        if got != want {
            self.0 = self.0.max(1.0);
        }
    }

    /// The worst.
    pub(crate) const fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Worst;
    use prewire::prelude::bf16;

    #[test]
    fn the_worst_counts_and_is_relative() {
        let mut worst = Worst::default();
        worst.see_all(&[1.0, 9.0, 3.0], &[1.0, 7.0, 3.5]);
        assert_eq!(worst.get(), 2.0 / 8.0);
    }

    #[test]
    fn what_is_no_number_or_missing_is_infinitely_wrong() {
        for (got, want) in
            [(&[f32::NAN][..], &[1.0][..]), (&[1.0], &[f64::NAN]), (&[f32::INFINITY], &[1.0]), (&[], &[1.0])]
        {
            let mut worst = Worst::default();
            worst.see_all(got, want);
            assert_eq!(worst.get(), f64::INFINITY, "{got:?} against {want:?}");
        }
    }

    #[test]
    fn rounded_results_may_be_one_step_off_and_no_more() {
        let mut worst = Worst::default();
        worst.see_all_rounded(&[bf16::from_f64(1.0078125)], &[1.0]);
        assert_eq!(worst.get(), 0.0);
        worst.see_all_rounded(&[bf16::from_f64(1.015625)], &[1.0]);
        assert!(worst.get() > 0.003, "{}", worst.get());
    }

    #[test]
    fn exact_results_are_right_or_wrong() {
        let mut worst = Worst::default();
        worst.see_exact(7u64, 7);
        assert_eq!(worst.get(), 0.0);
        worst.see_exact(7u64, 8);
        assert_eq!(worst.get(), 1.0);
    }
}
