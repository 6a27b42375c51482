//! What processes share.

use super::{LONG, child, child_on_line};
use core::time::Duration;
use prewire_os::process::{self, Exit, OfProcess, Pid, Signal};
use prewire_os::{Bell, Channel, Event, Segment, Shared, WaitSet, clock};
use prewire_sync::atomic::{AtomicU32, Ordering};

/// What the processes of a case have in common. Zeroed memory is one.
#[repr(C)]
pub(crate) struct Common {
    pub(crate) event: Event<Shared>,
    pub(crate) word: AtomicU32,
}

pub(crate) fn common(segment: &Segment) -> &Common {
    assert!(segment.len() >= size_of::<Common>());
    // SAFETY: a segment is aligned to a page and large enough, zeroed bytes are a `Common`, it lives as long as it is
    // borrowed, and all processes use what is in it as atomic words.
    unsafe { &*segment.as_ptr().cast::<Common>() }
}

pub(crate) fn what_a_child_writes_is_read_here() {
    let segment = Segment::new("test", 1 << 20).unwrap();
    let common = common(&segment);
    assert_eq!(
        process::reap(child(|| {
            common.word.store(17, Ordering::Relaxed);
            0
        }))
        .unwrap(),
        Exit::Code(0)
    );
    assert_eq!(common.word.load(Ordering::Relaxed), 17);
    assert_eq!(segment.resident().unwrap(), 4096);
    assert_eq!(process::reap(child(|| i32::from(segment.discard(0..4096).is_err()))).unwrap(), Exit::Code(0));
    assert_eq!(common.word.load(Ordering::Relaxed), 0, "what is given back there is gone here");
    assert_eq!(segment.resident().unwrap(), 4096, "the look has made it a page again");
}

pub(crate) fn an_event_hands_a_ball_to_and_fro_between_processes() {
    const ROUNDS: u32 = 5_000;
    let segment = Segment::new("test", 4096).unwrap();
    let again = Segment::from_fd(std::os::fd::AsFd::as_fd(&segment).try_clone_to_owned().unwrap()).unwrap();
    let play = |common: &Common, side: u32| {
        for round in 0..ROUNDS {
            let mine = round * 2 + side;
            // No spin: every hand-over is to race with parking.
            while common.word.load(Ordering::Acquire) != mine {
                let key = common.event.prepare();
                if common.word.load(Ordering::Acquire) != mine && !common.event.wait(key, Some(LONG)) {
                    return 1;
                }
            }
            common.word.store(mine + 1, Ordering::Release);
            common.event.notify_one();
        }
        0
    };
    // Another address: it is the memory that the kernel goes by.
    let pid = child(|| play(common(&again), 1));
    assert_eq!(play(common(&segment), 0), 0);
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert_eq!(common(&segment).word.load(Ordering::Relaxed), ROUNDS * 2);
}

/// Waits for the word to be 1.
fn wait_for_one(common: &Common) -> i32 {
    let one = || (common.word.load(Ordering::Acquire) == 1).then_some(());
    i32::from(common.event.wait_until(Some(LONG), one).is_none())
}

pub(crate) fn waiting_for_another_process_costs_no_processor_time() {
    let segment = Segment::new("test", 4096).unwrap();
    let common = common(&segment);
    let waiters: Vec<Pid> = (0..4).map(|_| child(|| wait_for_one(common))).collect();
    let cpu = || waiters.iter().map(|pid| process::cpu_of(*pid).unwrap()).sum::<Duration>();
    let (start, spent) = (clock::monotonic(), cpu());
    assert!(Event::new().wait_until(Some(Duration::from_millis(500)), || None::<()>).is_none());
    let (wall, spent) = (clock::monotonic() - start, cpu() - spent);
    assert!(spent <= wall / 10, "{spent:?} of {wall:?} were spent waiting");
    common.word.store(1, Ordering::Release);
    common.event.notify_all();
    for pid in waiters {
        assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    }
}

pub(crate) fn waiters_that_died_can_be_forgotten() {
    let segment = Segment::new("test", 4096).unwrap();
    let common = common(&segment);
    let (here, there) = Channel::pair().unwrap();
    let pid = child(|| {
        let key = common.event.prepare();
        there.send(b"x").unwrap();
        common.event.wait(key, None);
        0
    });
    assert_eq!(here.recv_within(LONG, &mut [0]).unwrap(), Some(1));
    process::kill(pid, Signal::KILL).unwrap();
    assert_eq!(process::reap(pid).unwrap(), Exit::Signal(Signal::KILL));
    assert!(format!("{:?}", common.event).contains("sleepers: 1"), "{:?}", common.event);
    common.event.forget_waiters();
    let pid = child(|| wait_for_one(common));
    common.word.store(1, Ordering::Release);
    common.event.notify_one();
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert!(format!("{:?}", common.event).contains("sleepers: 0"), "{:?}", common.event);
}

pub(crate) fn a_bell_is_heard_in_another_process() {
    let bell = Bell::new().unwrap();
    let (pid, here) = child_on_line(|there| {
        let set = WaitSet::new().unwrap();
        set.add(&bell, 1).unwrap();
        set.add(&there, 2).unwrap();
        let mut ready = Vec::new();
        set.wait(Some(LONG), &mut ready).unwrap();
        i32::from(ready != [1] || !bell.clear())
    });
    bell.ring();
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert_eq!(here.recv(&mut [0]).unwrap(), 0);
}

/// A lock that is held when a process is forked is held for ever in the copy.
pub(crate) fn a_copy_waits_for_no_lock_of_its_parent() {
    static VALUE: OfProcess<Vec<u32>> = OfProcess::new();
    let mut held = VALUE.lock();
    held.push(1);
    let run = || {
        let mut own = VALUE.lock();
        own.push(2);
        let found = own.clone();
        drop(own);
        // Nor does a copy of a copy.
        let held = VALUE.lock();
        let grandchild = child(|| i32::from(!VALUE.lock().is_empty()));
        let ended = process::reap(grandchild).unwrap();
        drop(held);
        i32::from(found != [2] || ended != Exit::Code(0))
    };
    assert_eq!(process::reap(child(run)).unwrap(), Exit::Code(0));
    assert_eq!(*held, [1]);
    drop(held);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| (0..1000).for_each(|_| VALUE.lock().push(3)));
        }
    });
    assert_eq!(VALUE.lock().len(), 4001);
}
