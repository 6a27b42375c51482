//! Models of the scheduler: two threads poll two domains of a chip that does nothing by itself.
#![cfg(prewire_loom)]

#[cfg(not(debug_assertions))]
compile_error!("the models rely on debug assertions: run them with the profile `loom`");

#[path = "../suite/rig.rs"]
#[allow(dead_code, reason = "the models use a part of it")]
mod rig;

use loom::thread::{self, JoinHandle};
use prewire_abi::LaneMask;
use prewire_ring::{Attrs, Cold, RingSizes, SlotRef};
use prewire_scheduler::Progress;
use std::sync::Arc;

use crate::rig::{Machine, Rig, on, spec};

/// Explores every interleaving of `body` within the bound on preemptions that the environment sets.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // A run of two polls makes more atomic accesses than loom expects of a model.
    builder.max_branches = 20_000;
    builder.check(body);
}

fn together(blocks: u16) -> Cold {
    Cold { attrs: Attrs { sync_start: true, ..Attrs::default() }, ..on(LaneMask::AIC, blocks) }
}

/// Polls `domains[1]` in another thread and `domains[0]` here.
fn poll_both(machine: &Arc<Machine>, domains: [u16; 2]) {
    let other = {
        let machine = Arc::clone(machine);
        thread::spawn(move || machine.poll(domains[1]))
    };
    let _ = machine.poll(domains[0]);
    let _ = other.join().unwrap();
}

/// Another thread has what runs on `lane` finish, and polls the domain 0 for it.
fn finishing(machine: &Arc<Machine>, lane: u16) -> JoinHandle<Progress> {
    let machine = Arc::clone(machine);
    thread::spawn(move || {
        machine.chip.finish(lane);
        machine.poll(0)
    })
}

/// Each block of `slot` went to one AIC, each to another.
#[track_caller]
fn assert_spread(machine: &Machine, slot: SlotRef, blocks: u32) {
    let mut placed = machine.placed(slot);
    placed.sort_unstable();
    let mut numbers: Vec<u32> = placed.iter().map(|p| p.1).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..blocks).collect::<Vec<_>>(), "{placed:?}");
    placed.dedup_by_key(|p| p.0);
    assert_eq!(placed.len(), numbers.len(), "two blocks of a cohort on one lane");
}

/// Two domains reserve for one cohort at the same time: it starts whole, once, and nobody has to look again.
///
/// Catches `cohort-duty`, `cohort-start`, `no-summon`.
#[test]
fn a_cohort_over_two_domains_starts_once() {
    model(|| {
        let mut rig = Rig::new(spec(2, 2), &RingSizes::smallest());
        // Not the first task: whoever reads the words of the cohort too early has another one's.
        rig.submit(Cold::default(), &[]);
        let _ = rig.machine.poll(0);
        let cohort = rig.submit(together(2), &[]);
        poll_both(&rig.machine, [0, 1]);
        assert_spread(&rig.machine, cohort.slot, 2);
    });
}

/// A domain that has read of a cohort which meanwhile starts without it does not reserve for the next one in its name:
/// both start whole, and the lanes all come back.
///
/// Catches `cohort-any-number`, `cohort-claim`, `cohort-over`.
#[test]
fn a_late_reservation_is_not_taken_for_the_next_cohort() {
    model(|| {
        // Domain 0 has two of the three clusters: enough for the first cohort, not for the second.
        let mut rig = Rig::new(spec(3, 2), &RingSizes::smallest().with_window(8));
        rig.submit(on(LaneMask::AIC, 3), &[]);
        let _ = rig.machine.poll_all();
        let (first, second) = (rig.submit(together(2), &[]), rig.submit(together(3), &[]));
        let _ = rig.machine.poll_all();
        assert_eq!(rig.machine.chip.log().len(), 3, "both wait for idle lanes");
        (0..3).for_each(|lane| {
            rig.machine.chip.finish(lane);
        });
        // The late one looks again: if it has reserved in the wrong name, it may launch before the cohort is numbered.
        let other = {
            let machine = Arc::clone(&rig.machine);
            thread::spawn(move || {
                let _ = machine.poll(1);
                machine.poll(1)
            })
        };
        let _ = rig.machine.poll(0);
        let _ = other.join().unwrap();
        let _ = rig.machine.drain();
        assert_spread(&rig.machine, first.slot, 2);
        assert_spread(&rig.machine, second.slot, 3);
        assert_eq!(rig.machine.rings.usage(0).live, 0);
    });
}

/// Both domains have an idle lane and one task is ready: it is dispatched once, whoever polls first.
///
/// Catches `ready-double-take`.
#[test]
fn a_task_is_dispatched_once() {
    model(|| {
        let mut rig = Rig::new(spec(2, 2), &RingSizes::smallest());
        let task = rig.submit(on(LaneMask::AIC, 1), &[]);
        poll_both(&rig.machine, [0, 1]);
        assert_eq!(rig.machine.placed(task.slot).len(), 1);
    });
}

/// A lane reports while another thread polls its domain: the report is not lost, and what waits for it is dispatched.
///
/// Catches `combine-leaves`.
#[test]
fn a_report_to_a_domain_that_is_being_polled_is_served() {
    model(|| {
        let mut rig = Rig::new(spec(1, 1), &RingSizes::smallest());
        let first = rig.submit(on(LaneMask::AIC, 1), &[]);
        let _ = rig.machine.poll(0);
        let next = rig.submit(on(LaneMask::AIV0, 1), &[first.id]);
        let other = finishing(&rig.machine, 0);
        let _ = rig.machine.poll(0);
        let _ = other.join().unwrap();
        assert_eq!(rig.machine.placed(next.slot).len(), 1);
        // The other task is on a lane: the watermark may wait for that.
        assert!(rig.machine.rings.slot(first.slot).is_over());
    });
}

/// A task is put in while another thread polls the domain for the news of its lanes alone. Who polls for that task, and finds
/// the other one at it, has it look at the queues too.
///
/// Catches `news-for-others`, `combine-leaves`.
#[test]
fn who_asks_a_poll_for_news_to_look_again_gets_a_whole_one() {
    model(|| {
        let mut rig = Rig::new(spec(1, 1), &RingSizes::smallest());
        let first = rig.submit(on(LaneMask::AIC, 1), &[]);
        let _ = rig.machine.poll(0);
        let other = {
            let machine = Arc::clone(&rig.machine);
            thread::spawn(move || {
                machine.chip.finish(0);
                machine.poll_news(0)
            })
        };
        let task = rig.publish(on(LaneMask::AIV0, 1));
        let _ = rig.machine.poll(0);
        let _ = other.join().unwrap();
        assert_eq!(rig.machine.placed(task.slot).len(), 1);
        assert!(rig.machine.rings.slot(first.slot).is_over());
    });
}

/// Two lanes finish one after the other, each while another thread polls, and the orchestrator, in want of room, moves the
/// watermark over what it finds consumed. Whoever reaps the last of them has moved it over both, with nobody to come after it.
///
/// Catches `unretired-when-idle`.
#[test]
fn what_is_over_is_retired_once_nothing_is_on_the_lanes() {
    model(|| {
        let mut rig = Rig::new(spec(1, 1), &RingSizes::smallest());
        rig.submit(on(LaneMask::AIC, 1), &[]);
        rig.submit(on(LaneMask::AIV0, 1), &[]);
        let _ = rig.machine.poll(0);
        rig.machine.chip.finish(0);
        let other = finishing(&rig.machine, 1);
        let _ = rig.machine.poll(0);
        rig.machine.rings.advance(0);
        let _ = other.join().unwrap();
        assert_eq!(rig.machine.rings.watermark(0), 2);
    });
}

/// A task is put in while the domain is polled: whoever asks afterwards whether another poll would bring something about
/// hears of it, unless that poll has taken it.
///
/// Catches `emptied-late`.
#[test]
fn what_is_put_in_meanwhile_is_not_taken_for_gone() {
    model(|| {
        let mut rig = Rig::new(spec(1, 1), &RingSizes::smallest());
        let other = {
            let machine = Arc::clone(&rig.machine);
            thread::spawn(move || machine.poll(0))
        };
        let task = rig.submit(on(LaneMask::AIC, 1), &[]);
        let _ = other.join().unwrap();
        let taken = rig.machine.placed(task.slot).len() == 1;
        assert_eq!(rig.machine.scheduler.has_ready(0), !taken);
    });
}

/// Two lanes have finished when their domain is polled: both tasks are closed before anybody who waits for them is told. A
/// task that the orchestrator links to both meanwhile is dispatched once, whichever of them it finds closed.
///
/// Catches `push-on-closed`, `no-guard`.
#[test]
fn what_waits_for_two_that_are_reaped_together_is_dispatched_once() {
    model(|| {
        let mut rig = Rig::new(spec(2, 1), &RingSizes::smallest());
        let producers = [0; 2].map(|_| rig.submit(on(LaneMask::AIC, 1), &[]).id);
        let _ = rig.machine.poll(0);
        (0..2).for_each(|lane| {
            rig.machine.chip.finish(lane);
        });
        let other = {
            let machine = Arc::clone(&rig.machine);
            thread::spawn(move || machine.poll(0))
        };
        let next = rig.submit(on(LaneMask::AIV0, 1), &producers);
        let completed = other.join().unwrap().completed;
        assert_eq!(completed, 2, "one round has not heard of both");
        // It may have become ready after that poll had looked.
        let _ = rig.machine.poll(0);
        assert_eq!(rig.machine.placed(next.slot).len(), 1);
        rig.machine.rings.advance(0);
        assert_eq!(rig.machine.rings.watermark(0), 2);
    });
}
