//! Mailboxes that a process gone wild has written into: neither side panics, and what either is told is in its frame.

use crate::source::Source;
use prewire_abi::TaskArgs;
use prewire_mailbox::{
    ANSWER_BYTES, Area, BLOB_BYTES, Call, FRAME_BYTES, Generation, PAGE, REASON_BYTES, REQUEST_BYTES,
    TEXT_BYTES, Work,
};
use prewire_os::Mapping;

/// The parts of the area of one child that start a header or a frame.
const PARTS: [usize; 5] = [0, PAGE, 2 * PAGE, 2 * PAGE + FRAME_BYTES, 2 * PAGE + 2 * FRAME_BYTES];

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let memory = Mapping::new(Area::<Mapping>::bytes_for(1)).expect("there is memory");
    let mut area = Area::create(memory, 1).expect("it is long enough");
    let how = source.u8();
    prepare(&area, how);
    if how & 32 != 0 {
        // As if the child had not begun yet: then one begins below, and finds what there is.
        area.overwrite(PAGE, &(1_u64 | 1 << 8).to_ne_bytes());
    }
    while source.has_more() {
        // A place in a part, and up to 8 bytes there: near its start more often than not.
        let part = PARTS[source.below(PARTS.len())];
        let at =
            if source.u8().is_multiple_of(4) { usize::from(source.u16()) } else { usize::from(source.u8()) };
        let len = 1 + source.below(8);
        area.overwrite(part + at, &source.array::<8>()[..len]);
    }
    child(&area);
    parent(&area);
    let _ = Area::open(Mapping::new(PAGE).expect("there is memory"));
}

/// A child that serves, with a task and a request, some of them taken.
fn prepare(area: &Area<Mapping>, how: u8) {
    let parent = area.parent(0).expect("there is one child");
    parent.arm(Generation::FIRST).expect("it is the first");
    let child = area.child(0, Generation::FIRST).expect("it is expected");
    let _ = child.ready();
    let mut args = TaskArgs::new();
    args.add_scalar(1).expect("there is room for one");
    for token in 0..u32::from(how % 3) {
        parent.post(token, &Call::default(), args.view()).expect("the frame is free");
        if how & 4 != 0 {
            let Some(Work::Task(task)) = child.look() else { unreachable!("it was posted") };
            let _ = if how & 8 != 0 { task.finish() } else { task.fail(core::num::NonZeroI32::MIN, "no") };
        }
    }
    if how & 16 != 0 {
        core::mem::forget(parent.request(1, [1; 4], b"request"));
    }
}

/// A child that begins looks at everything, if one is expected.
fn child(area: &Area<Mapping>) {
    let generation = area.parent(0).expect("there is one child").life().generation;
    let Ok(child) = area.child(0, generation) else { return };
    let _ = child.ready();
    for _ in 0..4 {
        match child.look() {
            Some(Work::Task(task)) => {
                assert_eq!(task.bytes().is_ok(), task.call().blob_bytes as usize <= BLOB_BYTES);
                if let Ok(args) = task.args() {
                    let _ = args.validate();
                    assert!(args.blob_len() <= task.bytes().map_or(0, <[u8]>::len));
                }
                let _ = task.finish();
            }
            Some(Work::Control(control)) => {
                assert!(control.bytes().len() <= REQUEST_BYTES);
                let _ = (control.code(), control.args());
                control.answer([0; 4], &[]);
            }
            Some(Work::Shutdown) | None => break,
        }
    }
}

/// The parent looks at everything, and ends with a place that another child can begin in.
fn parent(area: &Area<Mapping>) {
    let parent = area.parent(0).expect("there is one child");
    let _ = format!("{} {:?}", parent.life(), area.mailbox(0));
    assert!(parent.reason().is_none_or(|reason| reason.len() <= 3 * REASON_BYTES));
    for token in [0, 1, 2, u32::MAX] {
        let _ = (parent.status(token), parent.progress(token));
        if let Some(Err(failure)) = parent.reap(token) {
            // A byte that is no text becomes a mark of three.
            assert!(failure.text.len() <= 3 * TEXT_BYTES);
        }
        let _ = parent.retract(token);
    }
    if let Ok(mut request) = parent.request(1, [0; 4], &[])
        && let Some(Ok(answer)) = request.look()
    {
        assert!(answer.bytes.len() <= ANSWER_BYTES);
    }
    let _ = area.block().take_news();
    if parent.bury().is_ok() {
        let next = parent.life().generation.next();
        if parent.arm(next).is_ok() {
            assert!(area.child(0, next).is_ok(), "an armed place is not begun in");
        }
    }
}
