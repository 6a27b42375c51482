//! The golden of tasks through small rings: each part as one map `x -> m x + c` modulo 2⁶⁴ a round, worked out by hand.

/// `m x + c`.
const fn affine(m: u64, x: u64, c: u64) -> u64 {
    m.wrapping_mul(x).wrapping_add(c)
}

/// What chain `chain` of `chains` makes of `x` in `rounds` rounds.
pub(crate) fn chain(x: u64, chains: u64, chain: u64, rounds: u64) -> u64 {
    let mut result = x;
    for round in 0..rounds {
        result = affine(5, result, chains * round + chain);
    }
    result
}

/// What the rounds with nested scopes make of `x`.
///
/// The four are `3x + 1`, `5(3x + 1) + 2 = 15x + 7`, `7(15x + 7) + 3 = 105x + 52` and `9(105x + 52) + 4 = 945x + 472`;
/// a round is `3x` and one, two, three, four times these.
pub(crate) fn depth(x: u64, rounds: u64) -> u64 {
    const M: u64 = 3 + 3 + 2 * 15 + 3 * 105 + 4 * 945;
    const C: u64 = 1 + 2 * 7 + 3 * 52 + 4 * 472;
    (0..rounds).fold(x, |x, _| affine(M, x, C))
}

/// What the rounds with fans make of `x`.
///
/// The source is `11x + 5`, its readers `13(11x + 5) + 6 = 143x + 71` and `15(11x + 5) + 7 = 165x + 82`; a round is `3x`
/// and once the one and twice the other.
pub(crate) fn fans(x: u64, rounds: u64) -> u64 {
    const M: u64 = 3 + 143 + 2 * 165;
    const C: u64 = 71 + 2 * 82;
    (0..rounds).fold(x, |x, _| affine(M, x, C))
}

/// What a reader of the buffer that is overwritten each round makes of `x`.
pub(crate) fn turns(x: u64, rounds: u64) -> u64 {
    (0..rounds).fold(x, |x, round| affine(5, x, round.wrapping_mul(round)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        // Chain 1 of 4: 2 -> 5 * 2 + 1 = 11 -> 5 * 11 + 5 = 60.
        assert_eq!(super::chain(2, 4, 1, 2), 60);
        // From 0: 1, 7, 52, 472, so 1 + 14 + 156 + 1888.
        assert_eq!(super::depth(0, 1), 2059);
        assert_eq!(super::depth(9, 0), 9);
        // From 1: source 16, readers 214 and 247, so 3 + 214 + 494.
        assert_eq!(super::fans(1, 1), 711);
        // 1 -> 5 + 0 -> 25 + 1 -> 130 + 4.
        assert_eq!(super::turns(1, 3), 134);
    }
}
