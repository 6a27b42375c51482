//! Who is served first, and that nobody is passed over for ever.

use prewire_abi::LaneMask;
use prewire_ring::{Attrs, Class, Cold, RingSizes, SlotRef};

use crate::rig::{Rig, on, spec};

#[test]
fn cohorts_come_first_then_clusters_then_single_cores() {
    let mut rig = Rig::new(spec(2, 1), &RingSizes::default());
    let aiv = rig.submit(on(LaneMask::AIV0, 1), &[]);
    let aic = rig.submit(on(LaneMask::AIC, 1), &[]);
    let mix = rig.submit(on(LaneMask::ALL, 1), &[]);
    let attrs = Attrs { sync_start: true, ..Attrs::default() };
    let cohort = rig.submit(Cold { attrs, ..on(LaneMask::AIC, 2) }, &[]);
    let progress = rig.machine.poll(0);
    assert_eq!(rig.machine.order(), [cohort.slot, mix.slot, aic.slot, aiv.slot]);
    assert_eq!((progress.dispatched, progress.completed), (5, 0));
    assert_eq!(rig.machine.chip.kicks(), 1, "one batch, one kick");
    assert_eq!(rig.machine.drain(), 4);
    assert_eq!(rig.machine.rings.watermark(0), 4);
}

#[test]
fn tasks_of_one_class_run_in_the_order_they_became_ready() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    for lanes in [LaneMask::AIC, LaneMask::AIV0, LaneMask::ALL] {
        let before = rig.machine.order().len();
        let slots: Vec<SlotRef> = (0..40).map(|_| rig.submit(on(lanes, 1), &[]).slot).collect();
        assert_eq!(rig.machine.drain(), 40);
        assert_eq!(rig.machine.order()[before..], slots, "{lanes}");
    }
}

/// The lanes are full and a thousand tasks wait: a poll takes from the queue what it has a place for, and nothing else.
#[test]
fn a_poll_takes_no_more_than_it_has_places_for() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    for _ in 0..1000 {
        rig.submit(on(LaneMask::AIC, 1), &[]);
    }
    let waiting = |rig: &Rig| rig.machine.ready.queue(Class::Aic).len();
    assert_eq!(rig.machine.poll(0).dispatched, 2);
    assert_eq!(waiting(&rig), 998);
    for _ in 0..10 {
        assert!(!rig.machine.poll(0).any(), "nothing has changed");
    }
    assert_eq!((waiting(&rig), rig.machine.chip.log().len()), (998, 2));
    assert!(!rig.machine.scheduler.has_ready(0), "whoever asks before it parks would never park");
    let first = rig.machine.chip.finish(0);
    let progress = rig.machine.poll(0);
    assert_eq!((progress.completed, progress.dispatched), (1, 1));
    assert_eq!(rig.machine.order()[0], SlotRef::from_raw(first.slot));
    assert_eq!(rig.machine.drain(), 999);
}

/// A task for a cluster waits while each of its lanes has work for single cores enough for ever: it is served as soon
/// as each lane has finished what it had.
#[test]
fn a_cluster_is_found_under_a_stream_of_single_core_tasks() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let masks = [LaneMask::AIC, LaneMask::AIV0, LaneMask::AIV1];
    for mask in masks.into_iter().cycle().take(12) {
        rig.submit(on(mask, 1), &[]);
    }
    let _ = rig.machine.poll(0);
    assert_eq!(rig.machine.chip.log().len(), 6, "each lane has two");
    let mix = rig.submit(on(LaneMask::ALL, 1), &[]);
    let mut finished = 0;
    while rig.machine.placed(mix.slot).is_empty() {
        assert!(finished < 9, "starved: {finished} tasks have finished on three lanes of two places");
        // One lane at a time, so that never more than one has just finished.
        rig.submit(on(masks[finished % 3], 1), &[]);
        rig.machine.chip.finish((finished % 3) as u16);
        let _ = rig.machine.poll(0);
        finished += 1;
    }
    let _ = rig.machine.drain();
    assert!(rig.machine.rings.usage(0).live == 0);
}

/// Single cores are not passed over for ever either: where a cohort or a cluster is served first, they are next.
#[test]
fn single_core_tasks_run_among_cohorts_and_clusters() {
    let mut rig = Rig::new(spec(3, 3), &RingSizes::default());
    let attrs = Attrs { sync_start: true, ..Attrs::default() };
    let mut singles = Vec::new();
    for _ in 0..20 {
        rig.submit(Cold { attrs, ..on(LaneMask::AIC, 3) }, &[]);
        rig.submit(on(LaneMask::AIC | LaneMask::AIV0, 2), &[]);
        singles.push(rig.submit(on(LaneMask::AIV0, 1), &[]).slot);
    }
    assert_eq!(rig.machine.drain(), 60);
    let order = rig.machine.order();
    assert_eq!(order.len(), 60);
    let first = order.iter().position(|slot| singles.contains(slot)).unwrap();
    assert!(first < 20, "the first single-core task came after {first} others");
    assert_eq!(rig.machine.rings.usage(0).live, 0);
}

/// A poll for the news of lanes completes what has ended and dispatches what becomes ready by it; what was published since the last
/// look is dispatched by the next poll that looks, and is known to be there.
#[test]
fn a_poll_for_news_leaves_what_was_published() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let first = rig.submit(on(LaneMask::AIC, 1), &[]);
    let next = rig.submit(on(LaneMask::AIC, 1), &[first.id]);
    let _ = rig.machine.poll(0);
    let published = rig.publish(on(LaneMask::AIV0, 1));
    rig.machine.chip.finish(0);
    let progress = rig.machine.poll_news(0);
    assert_eq!((progress.completed, progress.dispatched), (1, 1));
    assert_eq!(rig.machine.order(), [first.slot, next.slot]);
    assert!(rig.machine.scheduler.has_ready(0));
    assert_eq!(rig.machine.poll(0).dispatched, 1);
    assert_eq!(rig.machine.order(), [first.slot, next.slot, published.slot]);
    assert_eq!(rig.machine.drain(), 2);
}

/// What another domain has handed on, and had no place for, goes before what becomes ready later, whatever the poll looks at.
#[test]
fn a_poll_for_news_overtakes_nothing_that_another_domain_has_handed_on() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    let aic = || on(LaneMask::AIC, 1);
    let (zero, one) = (rig.submit(aic(), &[]), rig.submit(aic(), &[]));
    let _ = rig.machine.poll_all();
    let behind: Vec<_> = (0..2).map(|_| rig.submit(aic(), &[])).collect();
    let _ = rig.machine.poll_all();
    let home = |slot| rig.machine.chip.domain(rig.machine.placed(slot)[0].0);
    assert_eq!((home(zero.slot), home(one.slot)), (0, 1));
    assert!(behind.iter().all(|task| rig.machine.placed(task.slot).len() == 1), "no place is left");
    // Two become ready in the domain 1, which has a place for one.
    let first = rig.submit(aic(), &[one.id]);
    let second = rig.submit(aic(), &[one.id]);
    let last = rig.submit(aic(), &[zero.id]);
    let _ = rig.machine.poll(0);
    rig.machine.chip.finish(1);
    let _ = rig.machine.poll(1);
    assert_eq!(rig.machine.order().len(), 5);
    // One in the domain 0, after that.
    rig.machine.chip.finish(0);
    rig.machine.chip.finish(0);
    let _ = rig.machine.poll_news(0);
    let order = rig.machine.order();
    let at = |slot| order.iter().position(|&other| other == slot);
    let (before, after) = ([first.slot, second.slot].map(at), at(last.slot));
    assert!(before.iter().all(Option::is_some), "it was overtaken");
    assert!(after.is_none_or(|after| before.iter().all(|&one| one < Some(after))), "{before:?} {after:?}");
}

/// A poll for news has no other domain look at what was published either, unless something is left for them.
#[test]
fn a_poll_for_news_leaves_what_was_published_to_other_domains_too() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    let first = rig.submit(on(LaneMask::AIC, 1), &[]);
    let next = rig.submit(on(LaneMask::AIC, 1), &[first.id]);
    let _ = rig.machine.poll_all();
    let published = rig.publish(on(LaneMask::AIV0, 1));
    rig.machine.chip.finish(0);
    let progress = rig.machine.poll_news(0);
    assert_eq!((progress.completed, progress.dispatched), (1, 1));
    assert_eq!(rig.machine.order(), [first.slot, next.slot]);
    assert!(rig.machine.scheduler.has_ready(0) && rig.machine.scheduler.has_ready(1));
    assert_eq!(rig.machine.poll(1).dispatched, 1);
    assert_eq!(rig.machine.order(), [first.slot, next.slot, published.slot]);
    assert_eq!(rig.machine.drain(), 2);
}

/// While something is on the lanes the watermark moves once for many tasks, or where somebody who waits for room asks; and over all of
/// them with the last.
#[test]
fn watermarks_move_now_and_then_and_behind_the_last() {
    const TASKS: u32 = 100;
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let chain: Vec<_> = (0..TASKS).fold(Vec::new(), |mut chain, _| {
        let before: Vec<_> = chain.last().copied().into_iter().collect();
        chain.push(rig.submit(on(LaneMask::AIC, 1), &before).id);
        chain
    });
    assert_eq!(chain.len(), TASKS as usize);
    let _ = rig.machine.poll(0);
    let (mut moves, mut seen) = (0, 0);
    for over in 1..=TASKS {
        rig.machine.chip.finish(rig.machine.chip.busy()[0]);
        assert_eq!(rig.machine.poll_news(0).completed, 1);
        let watermark = rig.machine.rings.watermark(0);
        assert!(watermark <= over);
        moves += u32::from(watermark != seen);
        seen = watermark;
        if over == TASKS / 2 {
            rig.machine.rings.advance(0);
            assert_eq!(rig.machine.rings.watermark(0), over, "who asks gets all that is over");
        }
    }
    assert_eq!(seen, TASKS, "something is left with nothing on the lanes");
    assert!(moves <= TASKS / 16, "{moves} moves for {TASKS} tasks");
    // A ring of few slots is not kept full by what is over.
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default().with_window(8));
    let (first, last) = (rig.submit(on(LaneMask::AIC, 1), &[]), rig.submit(on(LaneMask::AIV0, 1), &[]));
    let _ = rig.machine.poll(0);
    rig.machine.chip.finish(0);
    let _ = rig.machine.poll(0);
    assert_eq!((rig.machine.rings.watermark(0), last.id.local()), (first.id.local() + 1, 1));
}
