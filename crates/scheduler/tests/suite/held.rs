//! Tasks that wait for something after their last block: they are with the environment until it hands them back.

use std::sync::Mutex;

use prewire_abi::LaneMask;
use prewire_ring::{RingSizes, SlotRef};
use prewire_scheduler::Env;

use crate::rig::{Rig, on, spec};

/// Holds back the tasks that it is told to.
#[derive(Debug, Default)]
struct Holds {
    /// Those to be held back when they are over.
    wanted: Mutex<Vec<SlotRef>>,
    /// Those that are.
    held: Mutex<Vec<SlotRef>>,
    /// Those to be handed back.
    back: Mutex<Vec<SlotRef>>,
    completed: Mutex<Vec<SlotRef>>,
}

impl Env for Holds {
    fn predicate_holds(&self, _: SlotRef) -> bool {
        true
    }

    fn completed(&self, slot: SlotRef) {
        self.completed.lock().unwrap().push(slot);
    }

    fn may_wait(&self) -> bool {
        true
    }

    fn waits(&self, slot: SlotRef) -> bool {
        let mut wanted = self.wanted.lock().unwrap();
        let Some(at) = wanted.iter().position(|&other| other == slot) else { return false };
        wanted.swap_remove(at);
        self.held.lock().unwrap().push(slot);
        true
    }

    fn settled(&self, back: &mut dyn FnMut(SlotRef)) {
        self.back.lock().unwrap().drain(..).for_each(back);
    }
}

#[test]
fn what_is_held_back_keeps_its_consumers_and_frees_its_lanes() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let env = Holds::default();
    let poll = |rig: &Rig| rig.machine.scheduler.poll(0, &env);
    let first = rig.submit(on(LaneMask::AIC, 2), &[]);
    let after = rig.submit(on(LaneMask::AIC, 1), &[first.id]);
    env.wanted.lock().unwrap().push(first.slot);
    assert_eq!(poll(&rig).dispatched, 2);
    rig.machine.chip.finish(0);
    let _ = poll(&rig);
    assert!(env.held.lock().unwrap().is_empty(), "one of its blocks runs");
    rig.machine.chip.finish(0);
    assert_eq!(poll(&rig).completed, 0);
    assert_eq!(*env.held.lock().unwrap(), [first.slot]);
    assert_eq!(rig.machine.rings.slot(after.slot).waits(), 1);
    let other = rig.submit(on(LaneMask::AIC, 1), &[]);
    assert_eq!(poll(&rig).dispatched, 1, "its lane takes another task");
    rig.machine.chip.finish(0);
    assert_eq!(poll(&rig).completed, 1);
    assert_eq!(*env.completed.lock().unwrap(), [other.slot]);
    for _ in 0..3 {
        assert!(!poll(&rig).any());
    }
    env.back.lock().unwrap().push(first.slot);
    let progress = poll(&rig);
    assert_eq!((progress.completed, progress.dispatched), (1, 1));
    rig.machine.chip.finish(0);
    assert_eq!(poll(&rig).completed, 1);
    assert_eq!(*env.completed.lock().unwrap(), [other.slot, first.slot, after.slot]);
}

#[test]
fn what_is_handed_back_poisoned_takes_its_consumers_along() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    let env = Holds::default();
    let poll = |rig: &Rig, domain| rig.machine.scheduler.poll(domain, &env);
    let first = rig.submit(on(LaneMask::AIC, 1), &[]);
    let second = rig.submit(on(LaneMask::AIV0, 1), &[first.id]);
    rig.submit(on(LaneMask::ALL, 1), &[second.id]);
    env.wanted.lock().unwrap().push(first.slot);
    let _ = poll(&rig, 0);
    let lane = rig.machine.chip.busy()[0];
    rig.machine.chip.finish(lane);
    let _ = (poll(&rig, 0), poll(&rig, 1));
    rig.machine.rings.slot(first.slot).poison();
    env.back.lock().unwrap().push(first.slot);
    // Whichever domain is polled: the one that ran it has no claim to it.
    let progress = poll(&rig, 1 - lane % 2);
    assert_eq!((progress.completed, progress.failed, progress.dispatched), (3, 3, 0));
}
