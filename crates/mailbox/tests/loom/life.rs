//! Models of the start of a child, and of the start of its replacement.

use crate::model;
use crate::pair::Pair;
use crate::scope::scope;
use prewire_mailbox::{ChildEnd, Generation, Phase};

/// A replacement that begins sees its place as the parent has made it: neither what its predecessor was asked for, nor
/// what it has left in its frames.
///
/// Catches `life-advance/acquire`, `life-arm-early`.
#[test]
fn a_replacement_finds_its_place_ready() {
    model(|| {
        let pair = Pair::new();
        let first = pair.child(Generation::FIRST);
        pair.post(0, 7).expect("the frame is idle");
        pair.parent().shut_down();
        let _ = first.leave();
        let next = Generation::FIRST.next();
        scope(|scope| {
            scope.spawn(|| {
                let Ok(second) = ChildEnd::begin(&pair.mailbox, &pair.block, 0, next) else { return };
                assert!(second.look().is_none(), "it was given what its predecessor was");
            });
            pair.parent().arm(next).expect("the first has left");
        });
    });
}

/// A parent that waits for a start sees how it ended, with the reason if it failed.
///
/// Catches `life-look`, `life-advance/release`.
#[test]
fn the_end_of_a_start_is_seen_with_its_reason() {
    model(|| {
        let pair = Pair::new();
        pair.parent().arm(Generation::FIRST).expect("there is no child");
        scope(|scope| {
            scope.spawn(|| {
                let begun = ChildEnd::begin(&pair.mailbox, &pair.block, 0, Generation::FIRST);
                let _ = begun.expect("it is expected").fail("no");
            });
            let life = pair.parent().wait_started(None);
            assert_eq!(life.phase, Some(Phase::Failed));
            assert_eq!(pair.parent().reason().as_deref(), Some("no"));
        });
    });
}
