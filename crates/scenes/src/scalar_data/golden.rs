//! The golden of programs that look at their data: closed forms.

use prewire::prelude::PredicateOp;

/// What the copied element must have been each time.
pub(crate) const COPIES: [f64; super::COPIES as usize] = [1.0, 5.0, 7.0, 4.0, 8.0, 9.0];

/// What `n` steps make of 0, for the `n` positive ones of `values`: `2 n - 4 + 4 / 2ⁿ`.
pub(crate) fn steps(values: &[f32]) -> f64 {
    let mut n = 0.0f64;
    for &value in values {
        if value > 0.0 {
            n += 1.0;
        }
    }
    2.0 * n - 4.0 + 4.0 * (-n).exp2()
}

/// The root that Newton's method must find.
pub(crate) fn root(target: f64) -> f64 {
    target.sqrt()
}

/// Where `x = cos x`, by bisection.
pub(crate) fn ground() -> f64 {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if middle.cos() > middle {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// What the marks must be: one, and one more where the predicate holds.
pub(crate) fn marks(ops: &[PredicateOp], targets: &[i64], flags: u32) -> Vec<i32> {
    let mut marks = Vec::new();
    for op in ops {
        for &target in targets {
            for flag in 0..i64::from(flags) {
                let flag = if flag % 2 == 0 { flag } else { -flag };
                let holds = match op {
                    PredicateOp::Eq => flag == target,
                    PredicateOp::Ne => flag != target,
                    PredicateOp::Gt => flag > target,
                    PredicateOp::Lt => flag < target,
                    PredicateOp::Ge => flag >= target,
                    PredicateOp::Le => flag <= target,
                    _ => true,
                };
                marks.push(1 + i32::from(holds));
            }
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use prewire::prelude::PredicateOp;

    #[test]
    fn by_hand() {
        // 0 -> 0/2+0 -> 0/2+1 -> 1/2+2 = 2.5
        assert_eq!(super::steps(&[1.0, -1.0, 2.0, 0.0, 3.0]), 2.5);
        assert!((super::ground() - 0.739_085_133).abs() < 1e-9);
        assert_eq!(super::root(2.25), 1.5);
        // Flags 0, -1, 2.
        assert_eq!(super::marks(&[PredicateOp::Lt, PredicateOp::Ge], &[0], 3), [1, 2, 1, 2, 1, 2]);
    }
}
