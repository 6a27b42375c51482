//! Callables that children come to know after their start.

use prewire_os::process::{self, Signal};
use prewire_worker::{Act, Callable, Error, Fault, HostArgs, KernelError, Point, Worker};

use super::{count, pid, replaced_by};

fn triple(args: &HostArgs<'_>) -> Result<(), KernelError> {
    args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 3.0);
    Ok(())
}

/// Every process of this program knows it.
pub(crate) fn tripling() -> Callable {
    Callable::host_function("triple", triple)
}

prewire_worker::portable!(tripling);

/// Has a worker below run it.
fn tripling_below() -> Callable {
    Callable::orchestration("triple below", |orch, args| {
        let x = args.tensor(0)?;
        orch.submit(&tripling()).inout(&x).go().map(drop)
    })
}

prewire_worker::portable!(tripling_below);

#[track_caller]
fn assert_triples(node: &Worker) {
    let x = node.tensor(&[5.0f32], &[1]).unwrap();
    node.run(|orch| (0..4).try_for_each(|_| orch.submit(&tripling()).inout(&x).go().map(drop))).unwrap();
    assert_eq!(node.read::<f32>(&x).unwrap(), [405.0]);
}

fn registered_late(tree: prewire_worker::Builder) {
    let node = tree.start().unwrap();
    node.register(&tripling()).unwrap();
    assert_triples(&node);
    let old = node.processes()[0].unwrap();
    process::kill(pid(old), Signal::KILL).unwrap();
    replaced_by(&node, 0, old);
    assert_triples(&node);
    node.unregister(&tripling()).unwrap();
    let x = node.zeros::<f32>(&[1]).unwrap();
    node.run(|orch| orch.submit(&tripling()).inout(&x).go().map(drop)).unwrap_err();
    assert!(matches!(node.unregister(&tripling()), Err(Error::Callable { .. })));
    node.register(&tripling()).unwrap();
    assert_triples(&node);
    node.close().unwrap();
}

pub(crate) fn children_and_their_replacements_learn_what_is_portable() {
    registered_late(Worker::node().subs(1));
    // No more than the parent has to have registered it in the new instance.
    registered_late(super::exec::node());
}

pub(crate) fn what_is_not_portable_is_refused_and_leaves_no_trace() {
    let node = Worker::node().subs(2).start().unwrap();
    let error = node.register(&count()).unwrap_err();
    assert!(matches!(&error, Error::Control { path, .. } if path == "node/sub0"), "{error}");
    assert!(error.to_string().contains("portable"), "{error}");
    assert!(
        matches!(node.unregister(&count()), Err(Error::Callable { .. })),
        "it is not registered here either"
    );
    node.register(&tripling()).unwrap();
    assert_triples(&node);
    node.close().unwrap();
}

pub(crate) fn a_child_that_dies_over_a_request_is_replaced_by_one_that_knows() {
    for point in [Point::Asked, Point::Answered] {
        let node = Worker::node().subs(1).fault(Fault::new("sub0", Act::Kill, point)).start().unwrap();
        let old = node.processes()[0].unwrap();
        node.register(&tripling()).unwrap();
        replaced_by(&node, 0, old);
        assert_triples(&node);
        node.close().unwrap();
    }
}

pub(crate) fn a_replacement_does_not_know_what_was_forgotten() {
    let node = Worker::node().subs(1).callable(&count()).start().unwrap();
    node.unregister(&count()).unwrap();
    let old = node.processes()[0].unwrap();
    process::kill(pid(old), Signal::KILL).unwrap();
    replaced_by(&node, 0, old);
    // The zygote was forked with the first one; were it to know that still, its code would run in place of this.
    let other = Callable::host_function("count", |_| Ok(()));
    assert_eq!(other.digest(), count().digest());
    let error = node.register(&other).unwrap_err().to_string();
    assert!(error.contains("does not know the code of \"count\""), "{error}");
    node.close().unwrap();
}

pub(crate) fn workers_below_know_what_is_portable_and_so_do_their_replacements() {
    let node = Worker::node().subs(2);
    for tree in [Worker::network(4).child(node.clone()), Worker::network(4).child(node.threads()).threads()] {
        let net = tree.start().unwrap();
        let below = tripling_below();
        net.register(&below).unwrap();
        let x = net.tensor(&[5.0f32], &[1]).unwrap();
        let run = || net.run(|orch| orch.submit(&below).to("worker0").inout(&x).go().map(drop));
        run().unwrap();
        run().unwrap();
        if let Some(old) = net.processes()[0] {
            process::kill(pid(old), Signal::KILL).unwrap();
            replaced_by(&net, 0, old);
        }
        run().unwrap();
        assert_eq!(net.read::<f32>(&x).unwrap(), [135.0]);
        // Here it has not been registered, and could be.
        let error =
            net.run(|orch| orch.submit(&tripling()).inout(&x).go().map(drop)).unwrap_err().to_string();
        assert!(error.contains("not registered with network1"), "{error}");
        net.close().unwrap();
    }
}
