//! Ends out of order: what is told, what goes on, who follows.

use std::time::Duration;

use prewire_os::process::{self, PidFd, Signal, descendants};
use prewire_test_support::Held;
use prewire_worker::{Act, Callable, Error, Fault, Point, Reason, Worker};

use super::{Heard, assert_ends, assert_works, below, count, hang, named, pid, replaced_by, until};

fn kill(number: u32) {
    process::kill(pid(number), Signal::KILL).unwrap();
}

pub(crate) fn each_child_is_replaced_when_it_is_killed() {
    let before = Held::now();
    let node = Worker::node().subs(4).callable(&count()).start().unwrap();
    let during = Held::now();
    for child in 0..4 {
        let old = node.processes()[child].unwrap();
        kill(old);
        replaced_by(&node, child, old);
        assert_works(&node, 3);
        during.assert_same();
    }
    node.close().unwrap();
    drop(node);
    before.assert_same();
}

pub(crate) fn a_killed_child_fails_its_task_and_nothing_else() {
    let heard = Heard::default();
    let tree = Worker::node().subs(2).callable(&hang()).callable(&count()).output(heard.output());
    let node = tree.start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    let input = *x;
    let run = node
        .launch(move |orch| {
            orch.submit(&hang()).go()?;
            for _ in 0..5 {
                orch.submit(&count()).inout(&input).go()?;
            }
            Ok(())
        })
        .unwrap();
    let (worker, number, _) = heard.wait_for("it hangs");
    let at = node.processes().iter().position(|pid| *pid == Some(number)).unwrap();
    assert_eq!(worker, format!("node/sub{at}"));
    kill(number);
    let Err(Error::Task(failure)) = run.wait() else { panic!("the task was lost with its child") };
    let Reason::Died(death) = &failure.reason else { panic!("{failure}") };
    assert_eq!((death.pid, death.last_words.as_str()), (Some(number), "it hangs"));
    let text = failure.to_string();
    assert!(text.contains("\"hang\"") && text.contains("death.rs") && text.contains("SIGKILL (9)"), "{text}");
    assert_eq!(node.read::<f32>(&x).unwrap(), [5.0; 4], "the sibling went on");
    replaced_by(&node, at, number);
    assert_works(&node, 2);
    node.close().unwrap();
}

pub(crate) fn what_a_dead_child_had_not_taken_is_run_by_its_replacement() {
    let dies = Callable::host_function("dies", |_| std::process::exit(3));
    let node = Worker::node().subs(1).callable(&dies).callable(&count()).start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    for round in 1..=3u8 {
        let error = node.run(|orch| {
            // The run goes on while its only child is replaced, and waits for that.
            orch.submit(&dies).go()?;
            (0..3).try_for_each(|_| orch.submit(&count()).inout(&x).go().map(drop))
        });
        let Err(Error::Task(failure)) = error else { panic!("its child has died") };
        assert_eq!((failure.callable.as_str(), failure.skipped), ("dies", 0), "{failure}");
        assert_eq!(node.read::<f32>(&x).unwrap(), [3.0 * f32::from(round); 4]);
    }
    node.close().unwrap();
}

pub(crate) fn every_way_to_end_is_told_apart() {
    for (act, how) in [
        (Act::Kill, "killed by SIGKILL (9)"),
        (Act::Crash, "killed by SIGSEGV (11)"),
        (Act::Exit, "exited with code 7"),
    ] {
        let tree = Worker::node().subs(1).callable(&count()).fault(Fault::new("sub0", act, Point::Taken));
        let node = tree.start().unwrap();
        let number = node.processes()[0].unwrap();
        let x = node.zeros::<f32>(&[4]).unwrap();
        let error = node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop)).unwrap_err().to_string();
        assert!(error.contains(how) && error.contains(&number.to_string()), "{error}");
        assert_works(&node, 2);
        node.close().unwrap();
    }
}

pub(crate) fn what_a_terminal_sends_to_all_ends_no_child() {
    let net = Worker::network(4).child(Worker::node().subs(1).callable(&count())).callable(&below());
    let net = net.start().unwrap();
    let all = || descendants().unwrap().into_iter().map(|it| (it.pid, it.name)).collect::<Vec<_>>();
    let before = all();
    assert_eq!(before.len(), 4, "{before:?}");
    // As with Ctrl-C, which this process, too, would be sent: it may close its tree in order.
    before.iter().for_each(|(pid, _)| process::kill(*pid, Signal::INT).unwrap());
    net.run(|orch| orch.submit(&below()).to("worker0").go().map(drop)).unwrap();
    net.close().unwrap();
    let node = Worker::node().subs(1).callable(&count()).start().unwrap();
    let number = node.processes()[0].unwrap();
    process::kill(pid(number), Signal::INT).unwrap();
    assert_works(&node, 3);
    assert_eq!(node.processes(), [Some(number)]);
    node.close().unwrap();
}

pub(crate) fn a_child_that_fails_again_and_again_is_given_up() {
    let fault = Fault::new("sub0", Act::Exit, Point::Taken).always();
    let tree = |subs| Worker::node().subs(subs).callable(&count()).fault(fault.clone()).replacements(2);
    let node = tree(1).start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    let run = || node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop));
    for _ in 0..3 {
        let Err(Error::Task(failure)) = run() else { panic!("it exits at every task") };
        assert!(matches!(failure.reason, Reason::Died(_)), "{failure}");
    }
    let Err(Error::Task(failure)) = run() else { panic!("it has been given up") };
    let text = failure.to_string();
    assert!(matches!(failure.reason, Reason::GivenUp(_)), "{text}");
    assert!(text.contains("ended 3 times") && text.contains("exited with code 7"), "{text}");
    node.close().unwrap();
    // A sibling does what it would have done.
    let node = tree(2).start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    let mut failed = 0;
    until("a child that is given up", || {
        failed += usize::from(node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop)).is_err());
        (failed == 3).then_some(())
    });
    assert_works(&node, 20);
    node.close().unwrap();
}

pub(crate) fn a_child_that_was_useful_is_replaced_for_ever() {
    let fault = Fault::new("sub0", Act::Kill, Point::Taken).nth(2).always();
    let tree = Worker::node().subs(1).callable(&count()).fault(fault).replacements(1);
    let node = tree.start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    for _ in 0..5 {
        assert_works(&node, 1);
        let error = node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop)).unwrap_err();
        assert!(error.to_string().contains("SIGKILL"), "{error}");
    }
    node.close().unwrap();
}

pub(crate) fn the_zygote_takes_its_children_along_and_says_so() {
    let before = Held::now();
    let node = Worker::node().subs(2).callable(&count()).start().unwrap();
    let children: Vec<_> =
        node.processes().into_iter().map(|it| PidFd::open(pid(it.unwrap())).unwrap()).collect();
    let zygote = named("prewire-zygote")[0].pid;
    process::kill(zygote, Signal::KILL).unwrap();
    children.iter().for_each(|child| assert_ends(child, "a child of the dead zygote"));
    let x = node.zeros::<f32>(&[4]).unwrap();
    // The children may be seen to be dead before or after they are given a task; either way they are not replaced.
    let error = until("a child that is given up", || {
        let error = node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop)).unwrap_err();
        let text = error.to_string();
        text.contains("given up").then_some(text)
    });
    assert!(
        error.contains(&format!("the process {zygote} that children are forked from was killed by SIGKILL")),
        "{error}"
    );
    assert_eq!(node.processes(), [None, None]);
    drop((children, x));
    node.close().unwrap();
    drop(node);
    before.assert_same();
}

/// One that is at work past its deadline is killed, and its replacement works.
fn overdue(node: &Worker, number: u32, task: &Callable) {
    let run = node.run(|orch| {
        orch.deadline(Duration::from_millis(300));
        orch.submit(task).go().map(drop)
    });
    let text = run.unwrap_err().to_string();
    assert!(text.contains("deadline of 300ms") && text.contains("node/sub0"), "{text}");
    replaced_by(node, 0, number);
    assert_works(node, 2);
}

pub(crate) fn a_child_that_hangs_is_killed_at_the_deadline() {
    let node = Worker::node().subs(1).callable(&hang()).callable(&count()).start().unwrap();
    let number = node.processes()[0].unwrap();
    let process = PidFd::open(pid(number)).unwrap();
    overdue(&node, number, &hang());
    assert!(process.has_exited().unwrap());
    node.close().unwrap();
}

pub(crate) fn a_stopped_child_is_killed_at_the_deadline() {
    let nothing = Callable::host_function("nothing", |_| Ok(()));
    let fault = Fault::new("sub0", Act::Stop, Point::Taken);
    let tree = Worker::node().subs(1).callable(&nothing).callable(&count()).fault(fault);
    let node = tree.start().unwrap();
    let number = node.processes()[0].unwrap();
    let process = PidFd::open(pid(number)).unwrap();
    overdue(&node, number, &nothing);
    assert!(process.has_exited().unwrap());
    node.close().unwrap();
}

pub(crate) fn a_worker_between_is_replaced_with_all_below_it() {
    let before = Held::now();
    let node = Worker::node().subs(2).callable(&count());
    let net = Worker::network(4).child(node).callable(&below()).start().unwrap();
    let run = || net.run(|orch| orch.submit(&below()).to("worker0").go().map(drop));
    run().unwrap();
    let during = Held::now();
    let old = net.processes()[0].unwrap();
    let subs: Vec<_> = named("prewire:sub0").iter().map(|sub| PidFd::open(sub.pid).unwrap()).collect();
    assert_eq!(subs.len(), 1);
    kill(old);
    assert_ends(&subs[0], "the child of a killed worker");
    drop(subs);
    replaced_by(&net, 0, old);
    run().unwrap();
    during.assert_same();
    net.close().unwrap();
    drop(net);
    before.assert_same();
}
