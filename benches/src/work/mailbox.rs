//! The mailbox alone: what a post and an outcome cost the parent, and the round trip of an empty task to a thread and back
//! while both sides look by themselves. No process, no scheduler.

use prewire_abi::TaskArgs;
use prewire_mailbox::{Area, Call, ChildEnd, Generation, ParentEnd, Work};
use prewire_os::Mapping;
use prewire_sync::hint::spin_loop;

use crate::{Case, Clock};

const SUITE: &str = "mailbox";
const ROUND_TRIPS: u64 = 1024;

fn area() -> Area<Mapping> {
    let memory = Mapping::new(Area::<Mapping>::bytes_for(1)).expect("there is memory");
    let area = Area::create(memory, 1).expect("it is long enough");
    area.parent(0).expect("there is one child").arm(Generation::FIRST).expect("it is the first");
    area
}

fn one_scalar() -> TaskArgs {
    let mut args = TaskArgs::new();
    args.add_scalar(1).expect("there is room for one");
    args
}

/// One thread is both sides: nothing moves between caches. `trip` takes a frame there and back.
fn one_thread(name: &str, trip: fn(&Sides<'_>)) -> Case {
    Case::new(SUITE, format!("{name}, one thread"), ROUND_TRIPS, move || {
        move |clock: &mut Clock| {
            let area = area();
            let child = area.child(0, Generation::FIRST).expect("it is expected");
            let _ = child.ready();
            let parent = area.parent(0).expect("there is one child");
            let sides = Sides { area: &area, parent, child, args: one_scalar() };
            // Touches the pages.
            trip(&sides);
            clock.time(|| (0..ROUND_TRIPS).for_each(|_| trip(&sides)));
        }
    })
}

/// Both ends of a mailbox.
struct Sides<'a> {
    area: &'a Area<Mapping>,
    parent: ParentEnd<'a>,
    child: ChildEnd<'a>,
    args: TaskArgs,
}

impl Sides<'_> {
    fn retract(&self) {
        self.parent.post(0, &Call::default(), self.args.view()).expect("the frame is free");
        assert!(self.parent.retract(0));
    }

    fn round_trip(&self) {
        self.parent.post(0, &Call::default(), self.args.view()).expect("the frame is free");
        let Some(Work::Task(task)) = self.child.look() else { unreachable!("it was posted") };
        let _ = task.finish();
        assert!(self.area.block().take_news() != 0 && self.parent.reap(0).is_some());
    }
}

/// The child on a thread of its own, the parent attending.
fn two_threads() -> Case {
    Case::new(SUITE, "round trip, two threads", ROUND_TRIPS, || {
        move |clock: &mut Clock| {
            let area = area();
            let parent = area.parent(0).expect("there is one child");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let child = area.child(0, Generation::FIRST).expect("it is expected");
                    let _ = child.ready();
                    while let Some(Work::Task(task)) = child.wait(None) {
                        let _ = task.finish();
                    }
                    let _ = child.leave();
                });
                let _ = parent.wait_started(None);
                let _ = area.block().take_news();
                let attend = area.block().attend().expect("nobody else does");
                let args = TaskArgs::new();
                clock.time(|| {
                    for _ in 0..ROUND_TRIPS {
                        parent.post(0, &Call::default(), args.view()).expect("the frame is free");
                        // News may still be of its start.
                        while area.block().take_news() == 0 || parent.reap(0).is_none() {
                            spin_loop();
                        }
                    }
                });
                let _ = attend.stop();
                parent.shut_down();
            });
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        one_thread("post and retract", |sides| sides.retract()),
        one_thread("round trip", |sides| sides.round_trip()),
        two_threads(),
    ]
}
