//! What a mailbox does, with children that are threads, on memory as a node has it.

use prewire_abi::{BlobError, TaskArgs};
use prewire_mailbox::{
    ANSWER_BYTES, Area, AreaError, ArmError, BLOB_BYTES, Call, ChildEnd, ControlError, FrameState,
    Generation, Phase, PostError, REQUEST_BYTES, TEXT_BYTES, TaskStatus, Wake, Work,
};
use prewire_os::{Mapping, Segment};
use prewire_test_support::Watchdog;
use std::num::NonZeroI32;
use std::os::fd::AsFd;
use std::time::Duration;

const FIRST: Generation = Generation::FIRST;

fn area(children: usize) -> Area<Mapping> {
    Area::create(Mapping::new(Area::<Mapping>::bytes_for(children)).unwrap(), children).unwrap()
}

/// Child 0, which serves.
fn begin(area: &Area<Mapping>) -> ChildEnd<'_> {
    area.parent(0).unwrap().arm(FIRST).unwrap();
    let child = area.child(0, FIRST).unwrap();
    let _ = child.ready();
    let _ = area.block().take_news();
    child
}

fn scalars(count: usize) -> TaskArgs {
    let mut args = TaskArgs::new();
    for i in 0..count {
        args.add_scalar(i as u64).unwrap();
    }
    args
}

fn code(code: i32) -> NonZeroI32 {
    NonZeroI32::new(code).unwrap()
}

#[test]
fn a_task_goes_and_its_outcome_comes_back() {
    let area = area(1);
    let (parent, child) = (area.parent(0).unwrap(), begin(&area));
    let call = Call {
        task: 5,
        run: 6,
        callable: [7; 32],
        deadline: 8,
        member: 1,
        members: 2,
        flags: 3,
        ..Call::default()
    };
    parent.post(4, &call, scalars(3).view()).unwrap();
    assert_eq!((parent.status(4), parent.status(6)), (TaskStatus::Ready, TaskStatus::Absent));
    let Some(Work::Task(task)) = child.look() else { panic!("there is a task") };
    assert_eq!(parent.status(4), TaskStatus::Running);
    assert_eq!((task.token(), task.call()), (4, &Call { blob_bytes: 8 + 3 * 8, ..call }));
    assert!(task.args().unwrap().scalars().eq([0, 1, 2]));
    assert_eq!(parent.progress(4), Some(0));
    task.set_progress(9);
    assert_eq!(parent.progress(4), Some(9));
    assert_eq!(parent.reap(4), None);
    assert_eq!(task.finish(), Wake::None);
    assert_eq!((parent.status(4), area.block().take_news()), (TaskStatus::Ended, 1));
    assert_eq!((parent.reap(4), parent.reap(4)), (Some(Ok(())), None));
    assert_eq!((parent.status(4), parent.progress(4)), (TaskStatus::Absent, None));
}

#[test]
fn a_failure_comes_with_its_code_and_as_much_text_as_fits() {
    let area = area(1);
    let (parent, child) = (area.parent(0).unwrap(), begin(&area));
    for text in ["no", "", &"ä".repeat(TEXT_BYTES)] {
        parent.post(1, &Call::default(), scalars(0).view()).unwrap();
        let Some(Work::Task(task)) = child.look() else { panic!("there is a task") };
        let _ = task.fail(code(-3), text);
        let failure = parent.reap(1).unwrap().unwrap_err();
        assert_eq!(failure.code, code(-3));
        assert!(text.starts_with(&failure.text) && failure.text.len() >= text.len().min(TEXT_BYTES - 1));
    }
}

#[test]
fn two_tasks_wait_and_a_third_is_refused() {
    let area = area(1);
    let (parent, child) = (area.parent(0).unwrap(), begin(&area));
    let none = scalars(0);
    // The numbers come around: the older one is the larger.
    let (older, newer) = (u32::MAX, 0);
    parent.post(newer, &Call::default(), none.view()).unwrap();
    parent.post(older, &Call::default(), none.view()).unwrap();
    let error = parent.post(2, &Call::default(), none.view()).unwrap_err();
    assert_eq!(error, PostError::Busy { child: 0, token: 2, state: Some(FrameState::Ready) });
    assert!(error.to_string().contains("reap or retract"), "{error}");
    let order: Vec<u32> = std::iter::from_fn(|| match child.look()? {
        Work::Task(task) => Some(task.token()),
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(order, [older, newer]);
    assert!(!parent.retract(older), "the child has it");
}

#[test]
fn arguments_that_do_not_fit_are_refused_before_anything_is_written() {
    let area = area(1);
    let (parent, child) = (area.parent(0).unwrap(), begin(&area));
    let bytes = vec![0xa5; BLOB_BYTES];
    let fill = |room: &mut [u8]| {
        room.copy_from_slice(&bytes);
        Ok(room.len())
    };
    parent.post_with(0, &Call::default(), fill).unwrap();
    let Some(Work::Task(task)) = child.look() else { panic!("there is a task") };
    assert_eq!(task.bytes().unwrap(), bytes);
    assert!(task.args().is_err(), "these bytes are no blob");
    let _ = task.finish();
    parent.reap(0).unwrap().unwrap();

    let long = vec![0; BLOB_BYTES];
    let view = prewire_abi::TaskArgsView::new(&[], &long);
    let error = parent.post(0, &Call::default(), view).unwrap_err();
    assert_eq!(error, PostError::TooLarge { child: 0, bytes: BLOB_BYTES + 8, capacity: BLOB_BYTES });
    let error = parent.post_with(0, &Call::default(), |room| Ok(room.len() + 1)).unwrap_err();
    assert_eq!(error, PostError::TooLarge { child: 0, bytes: BLOB_BYTES + 1, capacity: BLOB_BYTES });
    let short = BlobError::Short { field: "x", offset: 0, need: 1, have: 0 };
    assert!(matches!(parent.post_with(0, &Call::default(), |_| Err(short)), Err(PostError::Blob { .. })));
    assert!(child.look().is_none());
    // The first frame still holds what it held, and is free.
    parent
        .post_with(0, &Call::default(), |room| {
            assert_eq!(room, bytes);
            Ok(0)
        })
        .unwrap();
}

#[test]
fn whoever_is_told_of_news_is_the_one_that_has_to_look() {
    let area = area(70);
    let block = area.block();
    assert_eq!(block.report(0), Wake::None, "the progress thread is awake");
    assert!(!block.about_to_sleep(), "there is news");
    assert_eq!(block.take_news(), 1);
    assert!(block.about_to_sleep());
    assert_eq!((block.report(65), block.report(1)), (Wake::Progress, Wake::None));
    assert_eq!(block.report(128), Wake::None, "there is no such child");
    assert_eq!(block.take_news(), 1 << 65 | 2);
    let mut attend = block.attend().unwrap();
    assert!(block.attend().is_none());
    assert_eq!(block.report(2), Wake::None, "it is still attended");
    assert!(block.about_to_sleep(), "the news is for the one that attends");
    assert!(attend.park(None, || false), "it does not park on news");
    assert!(attend.stop());
    assert_eq!(block.report(3), Wake::Progress);
    assert_eq!(block.take_news(), 0b1100);
    let mut attend = block.attend().unwrap();
    assert!(!attend.park(Some(Duration::ZERO), || false), "there is none");
    assert!(attend.park(None, || true), "it does not park on what it looks for");
    drop(attend);
    assert!(block.attend().is_some_and(|attend| !attend.stop()));
}

#[test]
fn requests_are_answered_refused_or_taken_back() {
    let area = area(1);
    let (parent, child) = (area.parent(0).unwrap(), begin(&area));
    let answer = |bytes: &[u8], with: &dyn Fn(prewire_mailbox::Control<'_>)| {
        let mut request = parent.request(3, [1, 2, 3, 4], bytes).unwrap();
        assert!(request.look().is_none());
        let busy = parent.request(3, [0; 4], &[]).unwrap_err();
        assert_eq!(busy, ControlError::Busy { child: 0, state: Some(FrameState::Ready) });
        let Some(Work::Control(control)) = child.look() else { panic!("there is a request") };
        assert_eq!((control.code(), control.args(), control.bytes()), (3, [1, 2, 3, 4], bytes));
        with(control);
        request.wait(None)
    };
    let full = vec![7; ANSWER_BYTES];
    let good = answer(&[9; REQUEST_BYTES], &|control| control.answer([4, 3, 2, 1], &full)).unwrap();
    assert_eq!((good.results, good.bytes == full), ([4, 3, 2, 1], true));
    let Err(ControlError::Failed { failure, .. }) = answer(&[], &|control| control.refuse(code(5), "why"))
    else {
        panic!("it was refused")
    };
    assert_eq!((failure.code, failure.text.as_str()), (code(5), "why"));
    let long = vec![0; ANSWER_BYTES + 1];
    let error = answer(&[1], &|control| control.answer([0; 4], &long)).unwrap_err();
    assert!(error.to_string().contains("ask for less"), "{error}");
    let error = parent.request(0, [0; 4], &[0; REQUEST_BYTES + 1]).unwrap_err();
    assert_eq!(error, ControlError::TooLarge { child: 0, bytes: REQUEST_BYTES + 1, capacity: REQUEST_BYTES });

    // One that is not taken is taken back; one that is, is abandoned until the child lets go of it.
    let late = parent.request(1, [0; 4], &[]).unwrap().wait(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(late, ControlError::TimedOut { child: 0, waited: Duration::ZERO, began: false });
    assert!(child.look().is_none());
    let request = parent.request(1, [0; 4], &[]).unwrap();
    let Some(Work::Control(control)) = child.look() else { panic!("there is a request") };
    let late = request.wait(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(late, ControlError::TimedOut { child: 0, waited: Duration::ZERO, began: true });
    control.answer([0; 4], &[]);
    let request = parent.request(1, [0; 4], &[]).unwrap();
    let Some(Work::Control(control)) = child.look() else { panic!("there is a request") };
    drop(request);
    let busy = parent.request(2, [0; 4], &[]).unwrap_err();
    assert_eq!(busy, ControlError::Busy { child: 0, state: Some(FrameState::Abandoned) });
    control.answer([0; 4], &[]);
    let mut request = parent.request(2, [0; 4], &[]).unwrap();
    let Some(Work::Control(control)) = child.look() else { panic!("there is a request") };
    control.answer([6; 4], &[]);
    assert_eq!(request.look().unwrap().unwrap().results, [6; 4], "the answer is that to the second");
}

#[test]
fn shutdown_comes_first_and_what_was_not_taken_is_given_back() {
    let area = area(1);
    let (parent, child) = (area.parent(0).unwrap(), begin(&area));
    parent.post(0, &Call::default(), scalars(1).view()).unwrap();
    let request = parent.request(1, [0; 4], &[]).unwrap();
    assert!(matches!(child.look(), Some(Work::Control(_))), "a request comes before a task");
    drop(request);
    parent.shut_down();
    assert!(matches!(child.look(), Some(Work::Shutdown)));
    assert!(matches!(child.look(), Some(Work::Shutdown)), "it stays");
    let _ = child.leave();
    assert_eq!(parent.life().phase, Some(Phase::Left));
    assert!(parent.retract(0));
    let life = parent.life();
    assert_eq!(parent.post(0, &Call::default(), scalars(1).view()), Err(PostError::NotUp { child: 0, life }));
    assert_eq!(parent.request(1, [0; 4], &[]).unwrap_err(), ControlError::NotUp { child: 0, life });
}

#[test]
fn nothing_of_a_dead_child_is_its_replacements() {
    // The header of the only mailbox is behind the block; the process of the child is in the upper half of its life.
    const PID: usize = 4096 + 4;
    let mut area = area(1);
    {
        let (parent, child) = (area.parent(0).unwrap(), begin(&area));
        parent.post(0, &Call::default(), scalars(1).view()).unwrap();
        parent.post(1, &Call::default(), scalars(1).view()).unwrap();
        assert!(matches!(child.look(), Some(Work::Task(_))), "it dies with this one");
        let life = parent.life();
        let refused = ArmError::Alive { child: 0, life };
        assert_eq!(
            (parent.bury(), parent.arm(FIRST.next())),
            (Err(refused), Err(ArmError::Alive { child: 0, life }))
        );
    }
    area.overwrite(PID, &(std::process::id() + 1).to_ne_bytes());
    let parent = area.parent(0).unwrap();
    parent.bury().unwrap();
    parent.bury().unwrap();
    assert_eq!(parent.life().phase, Some(Phase::Gone));
    assert_eq!((parent.status(0), parent.status(1)), (TaskStatus::Running, TaskStatus::Ready));
    assert!(parent.retract(1) && !parent.retract(0), "one was never begun");
    let next = FIRST.next();
    parent.arm(next).unwrap();
    assert_eq!(parent.status(0), TaskStatus::Absent);
    assert!(area.child(0, FIRST).is_err(), "it is not the one that is expected");
    let second = area.child(0, next).unwrap();
    assert!(area.child(0, next).is_err(), "it has begun");
    assert!(second.look().is_none());
    let _ = second.fail("no memory");
    assert_eq!(parent.reason().as_deref(), Some("no memory"));
    assert_eq!(parent.wait_started(None).generation, next);
    parent.arm(next.next()).unwrap();
    assert_eq!(parent.reason(), None);
}

#[test]
fn a_request_ends_with_the_child_that_it_was_for() {
    const PID: usize = 4096 + 4;
    let mut area = area(1);
    let _ = begin(&area);
    area.overwrite(PID, &(std::process::id() + 1).to_ne_bytes());
    let parent = area.parent(0).unwrap();
    let mut request = parent.request(1, [0; 4], &[]).unwrap();
    assert!(request.look().is_none());
    parent.bury().unwrap();
    assert!(matches!(request.wait(None), Err(ControlError::NotUp { .. })), "nobody had taken it");
}

#[test]
fn memory_that_is_no_area_is_refused() {
    let map = |bytes| Mapping::new(bytes).unwrap();
    let need = Area::<Mapping>::bytes_for(2);
    assert!(
        matches!(Area::create(map(need - 1), 2), Err(AreaError::Memory { have, .. }) if have == need - 1)
    );
    for children in [0, 129] {
        assert_eq!(
            Area::create(map(need), children).unwrap_err(),
            AreaError::Children { children, max: 128 }
        );
    }
    assert!(matches!(Area::open(map(need)), Err(AreaError::Foreign { field: "the magic number", .. })));
    let memory = std::sync::Arc::new(map(need));
    let first = Area::create(memory.clone(), 2).unwrap();
    assert_eq!(Area::create(memory.clone(), 2).unwrap_err(), AreaError::InUse);
    let second = Area::open(memory).unwrap();
    assert_eq!(second.children(), 2);
    assert!(second.parent(1).is_some() && second.parent(2).is_none());
    let _ = first.block().report(1);
    assert_eq!(second.block().take_news(), 2, "both are the same memory");

    // As two processes have it: one segment, mapped twice.
    let segment = Segment::new("area", need).unwrap();
    let again = Segment::from_fd(segment.as_fd().try_clone_to_owned().unwrap()).unwrap();
    let (ours, theirs) = (Area::create(segment, 2).unwrap(), Area::open(again).unwrap());
    let parent = ours.parent(1).unwrap();
    parent.arm(FIRST).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let child = theirs.child(1, FIRST).unwrap();
            let _ = child.ready();
            let Some(Work::Task(task)) = child.wait(None) else { panic!("there is a task") };
            assert_eq!(task.args().unwrap().scalar_count(), 1);
            let _ = task.finish();
        });
        assert_eq!(parent.wait_started(None).phase, Some(Phase::Up));
        parent.post(0, &Call::default(), scalars(1).view()).unwrap();
        let mut attend = ours.block().attend().unwrap();
        while parent.status(0) != TaskStatus::Ended {
            let _ = ours.block().take_news();
            attend.park(None, || parent.status(0) == TaskStatus::Ended);
        }
        assert_eq!(parent.reap(0), Some(Ok(())));
        let _ = attend.stop();
    });
}

#[test]
fn thousands_of_tasks_of_four_children_are_all_done_in_order() {
    const CHILDREN: u32 = 4;
    const TASKS: u32 = 4000;
    let _dog = Watchdog::new(Duration::from_secs(60));
    let area = area(CHILDREN as usize);
    std::thread::scope(|scope| {
        for k in 0..CHILDREN {
            area.parent(k).unwrap().arm(FIRST).unwrap();
            let area = &area;
            scope.spawn(move || {
                let child = area.child(k, FIRST).unwrap();
                let _ = child.ready();
                let mut expected = 0;
                while let Some(Work::Task(task)) = child.wait(None) {
                    assert_eq!(
                        (task.token(), task.args().unwrap().scalar(0).unwrap()),
                        (expected, expected.into())
                    );
                    expected += 1;
                    let _ = task.finish();
                }
                assert_eq!(expected, TASKS);
                let _ = child.leave();
            });
        }
        let mut attend = area.block().attend().unwrap();
        let (mut posted, mut reaped) = ([0; CHILDREN as usize], [0; CHILDREN as usize]);
        let mut args = TaskArgs::new();
        while reaped != [TASKS; CHILDREN as usize] {
            for k in 0..CHILDREN {
                let (parent, at) = (area.parent(k).unwrap(), k as usize);
                while reaped[at] < posted[at]
                    && parent.reap(reaped[at]).is_some_and(|outcome| outcome.is_ok())
                {
                    reaped[at] += 1;
                }
                while posted[at] < TASKS
                    && posted[at] - reaped[at] < 2
                    && parent.life().phase == Some(Phase::Up)
                {
                    args.clear();
                    args.add_scalar(posted[at].into()).unwrap();
                    parent.post(posted[at], &Call::default(), args.view()).unwrap();
                    posted[at] += 1;
                }
            }
            if area.block().take_news() == 0 {
                attend.park(None, || false);
            }
        }
        let _ = attend.stop();
        (0..CHILDREN).for_each(|k| area.parent(k).unwrap().shut_down());
    });
}
