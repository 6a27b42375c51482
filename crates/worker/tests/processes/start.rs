//! Starts: processes and their names, refusals, children that do not come up.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use prewire_os::process::Pid;
use prewire_test_support::Held;
use prewire_worker::{Act, Error, Fault, Point, Worker};

use super::{assert_works, count, named, pid};

pub(crate) fn children_are_processes_and_their_names_say_which() {
    let node = Worker::node().subs(2).callable(&count()).start().unwrap();
    let pids: Vec<_> = node.processes().into_iter().map(|pid| pid.expect("it is a process")).collect();
    assert_ne!(pids[0], pids[1]);
    let zygotes = named("prewire-zygote");
    assert_eq!(zygotes.len(), 1);
    assert_eq!(zygotes[0].parent, Some(Pid::current()));
    for (at, number) in pids.iter().enumerate() {
        let process = prewire_os::process::find(pid(*number)).unwrap();
        assert_eq!(process.name, format!("prewire:sub{at}"));
        assert_eq!(process.parent, Some(zygotes[0].pid));
    }
    assert_works(&node, 3);
    node.close().unwrap();
}

pub(crate) fn a_tree_is_refused_when_threads_run_and_the_message_says_what_to_do() {
    let (begun, done) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (there, end) = (Arc::clone(&begun), Arc::clone(&done));
    let run = move || {
        there.wait();
        end.wait();
    };
    let thread = std::thread::Builder::new().name("a busy thread".into()).spawn(run).unwrap();
    begun.wait();
    let before = Held::now();
    let error = Worker::node().subs(1).start().unwrap_err();
    before.assert_same();
    let text = error.to_string();
    assert!(matches!(error, Error::ThreadsRunning { count: 2, .. }), "{text}");
    assert!(
        text.contains("a busy thread") && text.contains("exec()") && text.contains("threads()"),
        "{text}"
    );
    // What forks nothing may start.
    let node = Worker::node().subs(1).threads().callable(&count()).start().unwrap();
    assert_works(&node, 1);
    node.close().unwrap();
    done.wait();
    thread.join().unwrap();
}

pub(crate) fn a_child_that_does_not_come_to_serve_fails_the_start() {
    let before = Held::now();
    let fault = Fault::new("sub1", Act::Stop, Point::Starting);
    let tree = Worker::node().subs(3).start_limit(Duration::from_millis(300)).fault(fault);
    let error = tree.start().unwrap_err().to_string();
    assert!(
        error.contains("node/sub1 did not start") && error.contains("within 300ms, and was killed"),
        "{error}"
    );
    before.assert_same();
}

pub(crate) fn a_child_that_dies_while_it_starts_fails_the_start() {
    let before = Held::now();
    for (act, how) in [
        (Act::Kill, "SIGKILL"),
        (Act::Crash, "SIGSEGV"),
        (Act::Exit, "code 7"),
        (Act::Panic, "a fault was set"),
    ] {
        let tree = Worker::node().subs(2).fault(Fault::new("sub0", act, Point::Starting));
        let error = tree.start().unwrap_err().to_string();
        assert!(error.contains("node/sub0 did not start") && error.contains(how), "{error}");
        before.assert_same();
    }
    // The one below says why its parent did not start.
    let below = Worker::node().subs(1).fault(Fault::new("sub0", Act::Exit, Point::Starting));
    let error = Worker::network(4).child(below).start().unwrap_err().to_string();
    assert!(error.contains("network1/worker0 did not start"), "{error}");
    assert!(error.contains("network1/worker0/sub0") && error.contains("code 7"), "{error}");
    before.assert_same();
}

pub(crate) fn threads_and_processes_may_be_mixed() {
    let before = Held::now();
    let in_threads = Worker::node().name("left").subs(1).threads().callable(&count());
    let in_processes = Worker::node().name("right").subs(1).callable(&count());
    let tree = Worker::network(4).child(in_threads).threads().child(in_processes).callable(&super::below());
    let net = tree.start().unwrap();
    assert_eq!(net.processes(), [None, None], "both workers below are threads");
    assert_eq!((named("prewire:sub0").len(), named("prewire-zygote").len()), (1, 1));
    let report = net.run(|orch| {
        for child in ["left", "right", "left", "right"] {
            orch.submit(&super::below()).to(child).go()?;
        }
        Ok(())
    });
    assert_eq!(report.unwrap().tasks, 4);
    net.close().unwrap();
    drop(net);
    before.assert_same();
}
