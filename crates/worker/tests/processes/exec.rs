//! Children that come from a new instance of this program.

use std::sync::{Arc, Barrier};

use prewire_os::process::{self, Signal};
use prewire_test_support::Held;
use prewire_worker::{Builder, Error, Worker};

use super::{assert_works, below, count, named, pid, replaced_by};

/// The trees that new instances of this program describe again.
pub(crate) fn describe(name: &str) -> Option<Builder> {
    match name {
        "node" => Some(node()),
        "other" => Some(node().subs(1).exec("other")),
        "net" => Some(net()),
        _ => None,
    }
}

pub(crate) fn node() -> Builder {
    Worker::node().subs(2).callable(&count()).exec("node")
}

pub(crate) fn net() -> Builder {
    let node = || Worker::node().subs(1).callable(&count());
    Worker::network(4).child(node()).child(node()).subs(1).callable(&below()).exec("net")
}

pub(crate) fn threads_may_run_when_a_tree_is_executed() {
    let before = Held::now();
    let (begun, done) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (there, end) = (Arc::clone(&begun), Arc::clone(&done));
    let thread = std::thread::spawn(move || {
        there.wait();
        // Another thread than the main one starts a tree: what it has started goes when the process does.
        let net = net().start().unwrap();
        net.run(|orch| orch.submit(&below()).to("worker1").go().map(drop)).unwrap();
        net.close().unwrap();
        end.wait();
    });
    begun.wait();
    let node = node().start().unwrap();
    assert_works(&node, 3);
    assert_works(&node, 3);
    done.wait();
    thread.join().unwrap();
    node.close().unwrap();
    drop(node);
    before.assert_same();
}

pub(crate) fn a_child_of_an_executed_tree_is_replaced() {
    let before = Held::now();
    let node = node().start().unwrap();
    let old = node.processes()[1].unwrap();
    process::kill(pid(old), Signal::KILL).unwrap();
    replaced_by(&node, 1, old);
    assert_works(&node, 3);
    assert_eq!(named("prewire-zygote").len(), 1);
    node.close().unwrap();
    drop(node);
    before.assert_same();
}

pub(crate) fn another_tree_is_refused() {
    let before = Held::now();
    let Err(error) = Worker::node().subs(2).callable(&count()).exec("other").start() else {
        panic!("they differ")
    };
    assert!(matches!(&error, Error::Start { path, .. } if path == "node"), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("another tree") && text.contains("\"other\"") && text.contains("callables"),
        "{text}"
    );
    before.assert_same();
}

pub(crate) fn a_program_without_the_tree_says_so() {
    let before = Held::now();
    let error = Worker::node().subs(1).exec("nobody knows it").start().unwrap_err().to_string();
    assert!(error.contains("no tree called \"nobody knows it\""), "{error}");
    before.assert_same();
}
