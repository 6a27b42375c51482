//! The comparison that decides at dispatch whether a task runs.

use crate::coded::coded;

coded! {
    /// How the predicate of a task compares the value read from its tensor with its target.
    PredicateOp: u8, "0 to 6" {
        /// No predicate: always holds.
        None = 0, "NONE";
        /// Equal.
        Eq = 1, "EQ";
        /// Not equal.
        Ne = 2, "NE";
        /// Greater.
        Gt = 3, "GT";
        /// Less.
        Lt = 4, "LT";
        /// Greater or equal.
        Ge = 5, "GE";
        /// Less or equal.
        Le = 6, "LE";
    }
}

impl PredicateOp {
    /// Whether `lhs`, the value read, stands to `rhs`, the target, as the operator says.
    ///
    /// ```
    /// use prewire_abi::PredicateOp;
    ///
    /// assert!(PredicateOp::Ge.holds(-1, -1));
    /// assert!(!PredicateOp::Gt.holds(-1, -1));
    /// ```
    #[must_use]
    #[inline]
    pub const fn holds(self, lhs: i64, rhs: i64) -> bool {
        match self {
            Self::None => true,
            Self::Eq => lhs == rhs,
            Self::Ne => lhs != rhs,
            Self::Gt => lhs > rhs,
            Self::Lt => lhs < rhs,
            Self::Ge => lhs >= rhs,
            Self::Le => lhs <= rhs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PredicateOp;

    #[test]
    fn each_operator_is_its_own_at_the_ends_of_the_range() {
        use core::cmp::Ordering::{Equal, Greater, Less};
        for (lhs, rhs) in [(0, 0), (i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (-1, 1), (i64::MIN, i64::MIN)]
        {
            let order = i64::cmp(&lhs, &rhs);
            let expected = [
                true,
                order == Equal,
                order != Equal,
                order == Greater,
                order == Less,
                order != Less,
                order != Greater,
            ];
            for (op, expected) in PredicateOp::ALL.iter().zip(expected) {
                assert_eq!(op.holds(lhs, rhs), expected, "{lhs} {op} {rhs}");
            }
        }
    }
}
