//! How processes begin.

use super::share::common;
use super::{LONG, assert_ends, child, child_on_line, wait_for_end};
use prewire_os::process::{self, Exit, ForkError, Pid, PidFd, Signal, Standard};
use prewire_os::{Bell, Channel, Pipe, Segment};
use prewire_sync::atomic::Ordering;
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

pub(crate) fn a_process_of_several_threads_is_not_forked_and_says_which() {
    // A thread names itself as it starts: it is listed once it can be met.
    let (begun, stop) = (Barrier::new(2), Barrier::new(2));
    let before = process::descendants().unwrap();
    let refused = thread::scope(|s| {
        let run = || {
            begun.wait();
            stop.wait();
        };
        thread::Builder::new().name("keeper".to_owned()).spawn_scoped(s, run).unwrap();
        begun.wait();
        let refused = process::fork();
        stop.wait();
        refused.unwrap_err()
    });
    assert!(matches!(&refused, ForkError::Threads { names } if names.len() == 2), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("2 threads") && text.contains("keeper") && text.contains("by exec"), "{text}");
    assert_eq!(process::descendants().unwrap(), before, "nothing was forked");
    assert_eq!(process::reap(child(|| 4)).unwrap(), Exit::Code(4), "one thread again");
}

pub(crate) fn a_child_has_its_own_number_name_and_parent() {
    let me = Pid::current();
    let (pid, here) = child_on_line(|there| {
        process::set_name("a name that is far too long");
        let right = Pid::current() != me && Pid::parent() == Some(me);
        there.send(&[u8::from(right)]).unwrap();
        wait_for_end(&there)
    });
    let mut said = [9];
    assert_eq!(here.recv_within(LONG, &mut said).unwrap(), Some(1));
    assert_eq!(said, [1]);
    let found = process::find(pid).unwrap();
    assert_eq!((found.name.as_str(), found.parent, found.ended), ("a name that is ", Some(me), false));
    assert!(process::descendants().unwrap().iter().any(|p| p.pid == pid));
    drop(here);
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert!(process::find(pid).is_none() && !process::alive(pid));
}

/// All that is in a pipe.
fn text(pipe: &Pipe) -> String {
    let (mut bytes, mut all) = ([0; 256], Vec::new());
    while let Some(count) = pipe.read(&mut bytes).unwrap() {
        all.extend_from_slice(&bytes[..count]);
    }
    String::from_utf8(all).unwrap()
}

pub(crate) fn what_is_not_written_yet_is_not_written_twice() {
    let pipe = Pipe::new().unwrap();
    let pid = child(|| {
        process::redirect_output(pipe.writer(), pipe.writer()).unwrap();
        print!("once ");
        let pid = child(|| {
            print!("child ");
            std::io::stdout().flush().unwrap();
            0
        });
        assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
        print!("parent");
        std::io::stdout().flush().unwrap();
        0
    });
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert_eq!(text(&pipe), "once child parent");
}

pub(crate) fn output_goes_where_it_is_redirected() {
    let (out, err) = (Pipe::new().unwrap(), Pipe::new().unwrap());
    assert_eq!(text(&out), "");
    let pid = child(|| {
        process::redirect_output(out.writer(), err.writer()).unwrap();
        println!("to out");
        // What is run from here writes there too.
        let run = Command::new("/proc/self/exe").args(["--list", "--no-such-option"]).status();
        assert!(!run.unwrap().success());
        std::panic::catch_unwind(|| panic!("a panic is told on the other")).unwrap_err();
        3
    });
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(3));
    assert_eq!(text(&out), "to out\n");
    let said = text(&err);
    assert!(said.contains("no-such-option") && said.contains("a panic is told on the other"), "{said}");
}

pub(crate) fn what_could_not_be_written_is_not_the_copys_to_write() {
    let (there, err) = (Pipe::new().unwrap(), Pipe::new().unwrap());
    let nobody = Pipe::new().unwrap().writer().try_clone_to_owned().unwrap();
    let pid = child(|| {
        process::redirect_output(&nobody, err.writer()).unwrap();
        print!("kept ");
        assert!(process::print(Standard::Output, "not kept ").is_err());
        let pid = child(|| {
            process::redirect_output(there.writer(), err.writer()).unwrap();
            process::print(Standard::Output, "child ").unwrap();
            0
        });
        assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
        // It can be written again, by who has printed it.
        assert!(process::redirect_output(there.writer(), err.writer()).is_err());
        rustix::stdio::dup2_stdout(there.writer()).unwrap();
        process::print(Standard::Output, "parent").unwrap();
        0
    });
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert_eq!((text(&there), text(&err)), ("child kept parent".to_owned(), String::new()));
}

pub(crate) fn printing_waits_on_a_stream_that_does_not() {
    let (out, err) = (Pipe::new().unwrap(), Pipe::new().unwrap());
    let long = "0123456789abcdef".repeat(16 << 10);
    let pid = child(|| {
        process::redirect_output(out.writer(), err.writer()).unwrap();
        rustix::io::ioctl_fionbio(out.writer(), true).unwrap();
        // As much as there is room for, and a part of a line that waits for room.
        let full = vec![b'x'; 4096];
        while rustix::io::write(out.writer(), &full).is_ok() {}
        print!("of the program");
        process::print(Standard::Output, &long).unwrap();
        0
    });
    let (mut ended, mut said) = (None, String::new());
    while ended.is_none() {
        ended = process::try_reap(pid).unwrap();
        said += &text(&out);
    }
    said += &text(&out);
    assert_eq!((ended, text(&err)), (Some(Exit::Code(0)), String::new()));
    assert_eq!(said.trim_start_matches('x').strip_prefix("of the program"), Some(long.as_str()));
}

/// Spawns this program for the case `name`, with a segment, the other end of a channel and a bell.
fn spawn(name: &str) -> (Pid, Segment, Channel, Bell) {
    let segment = Segment::new("test", 4096).unwrap();
    let bell = Bell::new().unwrap();
    let (here, there) = Channel::pair().unwrap();
    let arguments = [OsStr::new("--case"), OsStr::new(name)];
    let keep = [segment.as_fd(), there.as_fd(), bell.as_fd()];
    let pid = process::spawn_self(&arguments, &[("EXTRA", OsStr::new("given"))], &keep).unwrap();
    (pid, segment, here, bell)
}

pub(crate) fn a_spawned_process_takes_the_descriptors_that_are_kept() {
    let other = Segment::new("not handed over", 4096).unwrap();
    let (pid, segment, channel, bell) = spawn("start::spawned");
    let mut said = [0; 64];
    let length = channel.recv_within(LONG, &mut said).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&said[..length]), "given");
    assert!(bell.clear());
    assert_eq!(common(&segment).word.load(Ordering::Relaxed), 42);
    assert_eq!(channel.recv(&mut said).unwrap(), 0);
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
    assert!(process::inherited().unwrap().is_empty(), "nothing was handed to this process");
    drop(other);
}

/// The other half of the case above.
pub(crate) fn spawned() {
    let held = process::statistics().unwrap();
    assert_eq!((held.threads, held.segments), (1, 1), "{held:?}");
    let taken: [_; 3] = process::inherited().unwrap().try_into().unwrap();
    assert!(process::inherited().unwrap().is_empty(), "they can be taken once");
    let [segment, channel, bell] = taken;
    let segment = Segment::from_fd(segment).unwrap();
    common(&segment).word.store(42, Ordering::Relaxed);
    Bell::from_fd(bell).ring();
    // What this process starts does not have them.
    let mut run = Command::new("/proc/self/exe");
    run.args(["--case", "start::what_was_not_handed_over_is_refused"]);
    assert!(run.status().unwrap().success());
    Channel::from_fd(channel).unwrap().send(std::env::var("EXTRA").unwrap().as_bytes()).unwrap();
}

pub(crate) fn a_thread_may_spawn_and_what_it_spawned_outlives_it() {
    let (pid, _segment, channel, _bell) =
        thread::spawn(|| spawn("start::spawned_and_waiting")).join().unwrap();
    let mut said = [0; 8];
    assert_eq!(channel.recv_within(LONG, &mut said).unwrap(), Some(5), "it was killed with the thread");
    assert!(process::alive(pid));
    let watched = PidFd::open(pid).unwrap();
    drop(channel);
    assert_ends(&watched);
    assert_eq!(process::reap(pid).unwrap(), Exit::Code(0));
}

/// The other half of the case above: it ends when it sees that its parent does not talk to it any more.
pub(crate) fn spawned_and_waiting() {
    let channel = process::inherited().unwrap().swap_remove(1);
    let channel = Channel::from_fd(channel).unwrap();
    channel.send(b"still").unwrap();
    wait_for_end(&channel);
}

pub(crate) fn what_was_not_handed_over_is_refused() {
    assert!(process::inherited().unwrap().is_empty());
    let nowhere = process::kill(Pid::from_raw(i32::MAX).unwrap(), Signal::TERM);
    assert!(nowhere.is_err(), "no process has that number");
}
