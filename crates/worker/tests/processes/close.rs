//! Ends in order: nothing is left, whoever hangs is killed and named.

use std::time::Duration;

use prewire_chip::RingSizes;
use prewire_os::process::{self, Signal, cpu_of, descendants};
use prewire_test_support::{Held, idle_for};
use prewire_worker::{Act, Callable, Fault, Point, Worker};

use super::{Heard, assert_works, below, count, hang, pid};

/// Rings so small that their tables come from the heap of the process: what the allocator maps for larger ones, it gives back
/// or keeps as it likes.
fn small() -> RingSizes {
    RingSizes::default().with_window(64).with_heap(64 << 10)
}

/// Starts, uses and closes one, some times: it holds as much afterwards as before.
fn given_back(round: impl Fn()) {
    // The allocator comes to keep what it is asked for again and again.
    (0..8).for_each(|_| round());
    let before = Held::now();
    for _ in 0..8 {
        round();
        before.assert_same();
    }
    before.assert_grew_at_most(2, 1 << 20);
    assert_eq!(descendants().unwrap(), []);
}

pub(crate) fn everything_is_given_back() {
    given_back(|| {
        let node = Worker::node().subs(3).rings(small()).callable(&count()).start().unwrap();
        let during = Held::now().counts();
        assert_eq!(during.children, 4, "three children and the zygote");
        assert_eq!(during.threads, 2, "one progress thread");
        assert_works(&node, 2);
        node.close().unwrap();
    });
}

pub(crate) fn a_tree_of_three_levels_is_given_back() {
    given_back(|| {
        let node = || Worker::node().subs(1).rings(small()).callable(&count());
        let middle = Worker::network(4).rings(small()).child(node()).child(node()).callable(&below());
        let deep = Callable::orchestration("deep", |orch, _| {
            orch.submit(&below()).to("worker1").go()?;
            Ok(())
        });
        let top = Worker::network(5).rings(small()).child(middle).callable(&deep).start().unwrap();
        assert_eq!(Held::now().counts().children, 1 + 1 + 1 + 2 + 2 + 2, "each worker has a zygote");
        top.run(|orch| orch.submit(&deep).to("worker0").go().map(drop)).unwrap();
        top.close().unwrap();
    });
}

pub(crate) fn a_worker_that_was_never_started_leaves_nothing() {
    let before = Held::now();
    drop(Worker::node().subs(2));
    // Refused after its children were described, and before anything of it was there.
    Worker::node().subs(1).memory_limit(u64::MAX).start().unwrap_err();
    before.assert_same();
    // Refused when a worker below it has a zygote already.
    let left = Worker::node().name("left").subs(1);
    let right = Worker::node().name("right").subs(1).memory_limit(u64::MAX);
    Worker::network(4).child(left).child(right).threads().start().unwrap_err();
    before.assert_same();
}

pub(crate) fn a_child_that_does_not_leave_is_killed_and_named() {
    let heard = Heard::default();
    let before = Held::now();
    let limit = Duration::from_millis(200);
    let tree = Worker::node().subs(2).callable(&hang()).output(heard.output()).close_limit(limit);
    let node = tree.start().unwrap();
    let run = node.launch(|orch| orch.submit(&hang()).go().map(drop)).unwrap();
    let (worker, ..) = heard.wait_for("it hangs");
    let error = node.close().unwrap_err().to_string();
    assert!(error.contains(&worker) && error.matches("node/sub").count() == 1, "{error}");
    assert!(run.wait().is_err());
    drop(node);
    before.assert_same();
}

pub(crate) fn a_child_that_was_stopped_is_killed_and_named() {
    let before = Held::now();
    let node = Worker::node().subs(2).close_limit(Duration::from_millis(200)).start().unwrap();
    process::kill(pid(node.processes()[0].unwrap()), Signal::STOP).unwrap();
    let error = node.close().unwrap_err().to_string();
    assert!(error.contains("node/sub0 did not leave within 200ms") && !error.contains("sub1"), "{error}");
    drop(node);
    before.assert_same();
}

pub(crate) fn closing_twice_and_dropping_is_closing_once() {
    let before = Held::now();
    let fault = Fault::new("sub0", Act::Kill, Point::Leaving);
    let node = Worker::node().subs(2).fault(fault).start().unwrap();
    node.close().unwrap();
    node.close().unwrap();
    // What is left is memory, for results to be read from.
    assert_eq!(descendants().unwrap(), []);
    drop(node);
    before.assert_same();
    let node = Worker::node().subs(2).start().unwrap();
    drop(node);
    before.assert_same();
}

pub(crate) fn a_tree_that_idles_costs_no_processor_time() {
    let tree = Worker::network(4).child(Worker::node().subs(6)).child(Worker::node().subs(6)).subs(4);
    let net = tree.start().unwrap();
    let pids: Vec<_> = descendants().unwrap().into_iter().map(|process| process.pid).collect();
    assert_eq!(pids.len(), 1 + 2 + 2 + 12 + 4);
    let used = || pids.iter().map(|pid| cpu_of(*pid).unwrap()).sum::<Duration>();
    let before = used();
    let here = idle_for(Duration::from_secs(2));
    assert!(here.processors() < 0.005, "{here:?}");
    // In steps of a hundredth of a second.
    assert!(used() - before <= Duration::from_millis(10), "{:?}", used() - before);
    net.close().unwrap();
}

pub(crate) fn sixteen_chips_and_sixteen_subs_that_idle_cost_no_processor_time() {
    let chip = prewire_chip::Chip::sim(prewire_a2a3::a2a3());
    let node = Worker::node().chips(16, chip).subs(16).start().unwrap();
    let pids: Vec<_> = descendants().unwrap().into_iter().map(|process| process.pid).collect();
    assert_eq!(pids.len(), 1 + 16 + 16);
    let used = || pids.iter().map(|pid| cpu_of(*pid).unwrap()).sum::<Duration>();
    // Threads of the chips that have just been started park by themselves.
    let _ = idle_for(Duration::from_millis(500));
    let before = used();
    let here = idle_for(Duration::from_secs(5));
    assert!(here.processors() < 0.005, "{here:?}");
    assert!(used() - before <= Duration::from_millis(10), "{:?}", used() - before);
    node.close().unwrap();
}
