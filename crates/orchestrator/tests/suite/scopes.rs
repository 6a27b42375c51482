//! Lifetimes: outputs live as long as their scope, and as long as somebody retains them.

use prewire_abi::{ErrorCode, ScopeMode, TensorArgType};
use prewire_orchestrator::SubmitError;
use prewire_ring::RingSizes;

use crate::rig::{Rig, nothing, outputs, tensors};

#[test]
fn each_depth_has_its_ring_and_the_last_one_is_shared() {
    let mut rig = Rig::new(&RingSizes::default());
    let rings: Vec<u32> = (0..7)
        .map(|_| {
            rig.open();
            rig.submit(&mut nothing()).id.ring()
        })
        .collect();
    assert_eq!(rings, [0, 1, 2, 3, 3, 3, 3]);
}

#[test]
fn outputs_are_held_until_the_scope_closes() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    rig.submit(&mut nothing());
    for _ in 0..5 {
        rig.submit(&mut outputs(&[100, 2000]));
    }
    assert_eq!(rig.runner.run_all(), 6);
    assert_eq!(rig.runner.rings.watermark(0), 1, "what has no output is not held");
    rig.close();
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

#[test]
fn an_inner_scope_of_a_shared_ring_does_not_let_go_of_what_an_outer_one_holds() {
    let mut rig = Rig::new(&RingSizes::default());
    (0..4).for_each(|_| rig.open());
    rig.submit(&mut outputs(&[64]));
    rig.open();
    rig.submit(&mut outputs(&[64]));
    assert_eq!(rig.runner.run_all(), 2);
    rig.close();
    assert_eq!(rig.runner.rings.watermark(3), 0, "the outer scope is open");
    rig.close();
    assert_eq!(rig.runner.rings.watermark(3), 2);
}

#[test]
fn a_consumer_keeps_an_output_alive_after_its_scope() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    rig.open();
    let creator = rig.submit(&mut outputs(&[64]));
    let user = rig.submit(&mut tensors(&[creator.output(TensorArgType::Input)]));
    assert!(rig.runner.step().is_some(), "the creator");
    rig.close();
    assert_eq!(rig.runner.rings.watermark(1), 0, "its bytes are still to be read by {user:?}");
    assert!(rig.runner.step().is_some(), "the consumer");
    assert_eq!(rig.runner.rings.watermark(1), 2);
}

#[test]
fn a_tensor_of_a_closed_scope_is_stale() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    rig.open();
    let creator = rig.submit(&mut outputs(&[64]));
    rig.close();
    // Another scope of the same depth is not the same scope.
    rig.open();
    let mut args = tensors(&[creator.output(TensorArgType::Input)]);
    let error = rig.try_submit(&mut args).unwrap_err();
    let SubmitError::StaleTensor { arg: 0, owner, scope: Some(site) } = error else { panic!("{error:?}") };
    assert_eq!((owner, site.file()), (creator.id, file!()));
    assert_eq!(error.code(), Some(ErrorCode::InvalidArgs));
    let text = error.to_string();
    assert!(text.contains(&creator.id.to_string()) && text.contains(file!()), "{text}");
    assert_eq!(rig.orch.tasks(), 1);
}

#[test]
fn a_tensor_is_stale_too_where_another_one_has_its_memory_now() {
    let mut rig = Rig::new(&RingSizes::default().with_heap(4096));
    rig.open();
    let old = rig.submit(&mut outputs(&[2048]));
    rig.close();
    rig.runner.run_all();
    let mut reused = 0;
    for _ in 0..4 {
        rig.open();
        let new = rig.submit(&mut outputs(&[2048]));
        let same = new.outputs[0].buffer_addr() == old.outputs[0].buffer_addr();
        reused += usize::from(same);
        let tags = (TensorArgType::Input, TensorArgType::InOut);
        let mut args = tensors(&[old.output(tags.0), new.output(tags.1)]);
        let error = rig.try_submit(&mut args).unwrap_err();
        assert!(
            matches!(error, SubmitError::StaleTensor { arg: 0, owner, .. } if owner == old.id),
            "{error:?}"
        );
        // A stale one that is read beside, next to arguments that do overlap.
        let mut args = tensors(&[new.output(tags.0), new.output(tags.1)]);
        let error = rig.try_submit(&mut args).unwrap_err();
        assert_eq!(error, SubmitError::ArgsOverlap { first: 0, second: 1 });
        args.read(&old.outputs[0], old.scope);
        let error = rig.try_submit(&mut args).unwrap_err();
        assert!(
            matches!(error, SubmitError::StaleTensor { arg: 2, owner, .. } if owner == old.id),
            "{error:?}"
        );
        rig.close();
        rig.runner.run_all();
    }
    assert!(reused > 0, "the memory was given again");
}

#[test]
fn outputs_get_their_own_bytes_at_multiples_of_1024() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    let made = [rig.submit(&mut outputs(&[1, 1024, 1025])), rig.submit(&mut outputs(&[5]))];
    let addrs: Vec<u64> = made.iter().flat_map(|m| m.outputs.iter().map(|t| t.buffer_addr())).collect();
    assert_eq!(addrs, [0, 1024, 2048, 4096].map(|at| 0x10_0000_0000 + at));
    assert!(made.iter().all(|m| m.outputs.iter().all(|t| t.owner_task_id() == m.id)));
}

#[test]
fn scopes_nest_to_a_limit_and_close_in_pairs() {
    let mut rig = Rig::new(&RingSizes::default());
    assert_eq!(rig.orch.close_scope(), Err(SubmitError::NoScope));
    (0..64).for_each(|_| rig.open());
    assert_eq!(rig.try_open(ScopeMode::Auto), Err(SubmitError::ScopeTooDeep { allowed: 64 }));
    (0..64).for_each(|_| rig.close());
    assert_eq!(rig.orch.depth(), 0);
}
