//! How processes end.

use super::{LONG, assert_ends, child, child_on_line, wait_for_end};
use prewire_os::process::{self, Exit, Fork, Pid, PidFd, Signal};
use prewire_os::{Bell, Channel, Pipe, Segment, WaitSet};
use prewire_test_support::Held;

pub(crate) fn codes_and_signals_are_told_apart() {
    for code in [0, 1, 9, 101, 255] {
        assert_eq!(process::reap(child(|| code)).unwrap(), Exit::Code(code));
    }
    for signal in [Signal::KILL, Signal::TERM, Signal::SEGV, Signal::ABRT] {
        let pid = child(|| {
            process::kill_self(signal).unwrap();
            signal.0
        });
        assert_eq!(process::reap(pid).unwrap(), Exit::Signal(signal));
    }
    let pid = child(|| std::process::abort());
    assert_eq!(process::reap(pid).unwrap().to_string(), "was killed by SIGABRT (6)");
    assert!(process::reap(pid).is_err(), "it was reaped before");
    assert!(process::reap(Pid::current()).is_err(), "it is no child");
}

pub(crate) fn a_descriptor_of_a_process_is_readable_when_it_has_ended() {
    let (pid, here) = child_on_line(|there| wait_for_end(&there));
    let process = PidFd::open(pid).unwrap();
    let (set, mut ready) = (WaitSet::new().unwrap(), Vec::new());
    set.add(&process, 1).unwrap();
    set.wait(Some(core::time::Duration::from_millis(50)), &mut ready).unwrap();
    assert_eq!(ready, []);
    assert!(!process.has_exited().unwrap() && process::alive(pid));
    assert_eq!(process::try_reap(pid).unwrap(), None);

    process.kill(Signal::KILL).unwrap();
    set.wait(Some(LONG), &mut ready).unwrap();
    assert_eq!(ready, [1]);
    assert!(process.has_exited().unwrap() && !process::alive(pid));
    assert!(process::find(pid).unwrap().ended, "it is there until it is reaped");
    assert_eq!(process::try_reap(pid).unwrap(), Some(Exit::Signal(Signal::KILL)));
    process.kill(Signal::KILL).unwrap();
    assert!(PidFd::open(pid).is_err());
    assert_eq!(here.send(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

/// A middle process and its child, with a line to both.
fn middle(grandchild: impl FnOnce(Pid, &Channel)) -> (Pid, Channel) {
    child_on_line(|there| {
        let middle = Pid::current();
        match process::fork().unwrap() {
            Fork::Child => {
                grandchild(middle, &there);
                process::exit_now(0);
            }
            Fork::Parent(pid) => {
                there.send(&pid.raw().to_ne_bytes()).unwrap();
                wait_for_end(&there)
            }
        }
    })
}

/// The number that comes next.
fn number(channel: &Channel) -> i32 {
    let mut bytes = [0; 4];
    assert_eq!(channel.recv_within(LONG, &mut bytes).unwrap(), Some(4));
    i32::from_ne_bytes(bytes)
}

pub(crate) fn a_grandchild_dies_when_the_process_between_is_killed() {
    let (pid, channel) = middle(|middle, channel| {
        process::die_with_parent(middle).unwrap();
        channel.send(&0i32.to_ne_bytes()).unwrap();
        loop {
            std::thread::park();
        }
    });
    let mut said = [number(&channel), number(&channel)];
    said.sort_unstable();
    assert_eq!(said[0], 0, "the grandchild is ready");
    let grandchild = Pid::from_raw(said[1]).unwrap();
    let watched = PidFd::open(grandchild).unwrap();
    assert!(process::alive(grandchild));
    process::kill(pid, Signal::KILL).unwrap();
    assert_ends(&watched);
    assert!(!process::alive(grandchild));
    assert_eq!(process::reap(pid).unwrap(), Exit::Signal(Signal::KILL));
}

pub(crate) fn who_comes_too_late_to_die_with_its_parent_dies_at_once() {
    let (bell, again) = (Bell::new().unwrap(), Bell::new().unwrap());
    let (pid, channel) = middle(|middle, channel| {
        let set = WaitSet::new().unwrap();
        set.add(&bell, 0).unwrap();
        set.wait(None, &mut Vec::new()).unwrap();
        // Its parent has ended by now, and nothing has told the kernel to end this process.
        process::die_with_parent(middle).unwrap();
        again.ring();
        let _ = channel.send(b"it lives");
    });
    let grandchild = Pid::from_raw(number(&channel)).unwrap();
    let watched = PidFd::open(grandchild).unwrap();
    process::kill(pid, Signal::KILL).unwrap();
    assert_eq!(process::reap(pid).unwrap(), Exit::Signal(Signal::KILL));
    assert!(process::alive(grandchild), "nothing ties it yet");
    bell.ring();
    assert_ends(&watched);
    assert!(!again.clear(), "it went on without a parent");
}

pub(crate) fn a_stopped_process_is_alive_and_can_be_killed() {
    let pid = child(|| {
        process::kill_self(Signal::STOP).unwrap();
        // It goes on behind the stop, once it is let.
        11
    });
    assert_eq!(process::try_reap(pid).unwrap(), None);
    assert!(process::alive(pid));
    process::kill(pid, Signal::CONT).unwrap();
    // The two signals may meet before the stop; then there is another.
    let watched = PidFd::open(pid).unwrap();
    let (set, mut ready) = (WaitSet::new().unwrap(), Vec::new());
    set.add(&watched, 1).unwrap();
    while ready.is_empty() {
        process::kill(pid, Signal::CONT).unwrap();
        set.wait(Some(core::time::Duration::from_millis(10)), &mut ready).unwrap();
    }
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(11));

    let pid = child(|| {
        process::kill_self(Signal::STOP).unwrap();
        11
    });
    let watched = PidFd::open(pid).unwrap();
    watched.kill(Signal::STOP).unwrap();
    assert!(!watched.has_exited().unwrap());
    watched.kill(Signal::KILL).unwrap();
    assert_ends(&watched);
    assert_eq!(process::reap(pid).unwrap(), Exit::Signal(Signal::KILL));
}

pub(crate) fn everything_is_given_back() {
    let round = || {
        let segment = Segment::new("test", 1 << 20).unwrap();
        let (set, bell, pipe) = (WaitSet::new().unwrap(), Bell::new().unwrap(), Pipe::new().unwrap());
        let (pid, here) = child_on_line(|there| wait_for_end(&there));
        let watched = PidFd::open(pid).unwrap();
        set.add(&watched, 0).unwrap();
        set.add(&bell, 1).unwrap();
        set.add(&pipe, 2).unwrap();
        let during = Held::now().counts();
        drop((here, segment));
        assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
        during
    };
    round();
    let before = Held::now();
    let counts = before.counts();
    let during = round();
    assert_eq!((during.segments, during.children), (counts.segments + 2, counts.children + 1));
    assert_eq!(during.descriptors, counts.descriptors + 7, "{during:?} {counts:?}");
    for _ in 0..50 {
        round();
    }
    before.assert_grew_at_most(0, 1 << 20);
}
