//! A long run holds what a short one holds. Alone in its process, whose memory it looks at.

use prewire_benches::work::{growth, resident};

/// What is taken at the same time, and what is kept, does not depend on how many tasks a run has had.
#[test]
fn a_run_twenty_times_as_long_holds_what_a_short_one_holds() {
    let mut engine = growth::engine();
    growth::run(&mut engine, 2_000);
    let (short, before) = (engine.usage(), resident());
    growth::run(&mut engine, 40_000);
    let (long, after) = (engine.usage(), resident());
    assert_eq!((short.slots, long.slots), (2_000, 40_000));
    for ((what, ring, short), (.., long)) in short.marks().zip(long.marks()) {
        // Where a poll comes between two scopes differs; that it comes does not.
        let some = |mark: u64| mark + mark / 8;
        assert!(long.high <= some(short.high), "{what} of {ring:?}: {long:?} after {short:?}");
        assert!(long.needed <= some(short.needed), "{what} of {ring:?}: {long:?} after {short:?}");
    }
    assert!(after - before < 256.0, "{} KiB more than after a short run", after - before);
}
