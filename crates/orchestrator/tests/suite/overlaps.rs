//! Which arguments may be side by side, against the definition: two of one buffer that share bytes, one of them written.

use crate::draw::Draw;
use crate::rig::{Rig, existing, memory, tensors};
use prewire_abi::{ScopeMode, TensorArgType, ValidTensor};
use prewire_orchestrator::{Arg, SubmitError};
use prewire_ring::RingSizes;

/// The elements of `tensor`, which is a row of its buffer: from which on, and before which.
fn row(tensor: &ValidTensor) -> (u64, u64) {
    (tensor.start_offset(), tensor.start_offset() + tensor.numel())
}

/// The first two that overlap, by the second of them.
fn overlap(args: &[Arg]) -> Option<(usize, usize)> {
    let meet = |a: &Arg, b: &Arg| {
        let (x, y) = (row(a.tensor()), row(b.tensor()));
        a.tensor().buffer_addr() == b.tensor().buffer_addr()
            && (a.tag().writes() || b.tag().writes())
            && x.0 < y.1
            && y.0 < x.1
    };
    (0..args.len())
        .flat_map(|second| (0..second).map(move |first| (first, second)))
        .find(|&(first, second)| meet(&args[first], &args[second]))
}

#[test]
fn what_overlaps_is_refused_and_nothing_else() {
    use TensorArgType as T;
    let mut draw = Draw(7);
    let (mut refused, mut accepted) = (0, 0);
    for round in 0..400 {
        let sizes =
            RingSizes::default().with_window(64).with_tensor_map(if round % 3 == 0 { 64 } else { 4096 });
        let mut rig = Rig::new(&sizes);
        if round % 5 == 4 {
            rig.try_open(ScopeMode::Manual).unwrap();
        }
        for _ in 0..40 {
            let args: Vec<Arg> = (0..1 + draw.below(5))
                .map(|_| {
                    let whole = memory(draw.below(5));
                    let part = match draw.below(6) {
                        0 => whole.slice(0, 0, 512, 1).unwrap(),
                        1 => whole.slice(0, 512, 1024, 1).unwrap(),
                        _ => whole,
                    };
                    let manual = draw.below(12) == 0;
                    let reads = draw.below(3) > 0;
                    let tag = match draw.below(5) {
                        _ if reads => T::Input,
                        0 => T::InOut,
                        1 => T::NoDep,
                        _ => T::OutputExisting,
                    };
                    existing(part.with_manual_dep(manual), tag)
                })
                .collect();
            let expected = overlap(&args).map(|(first, second)| SubmitError::ArgsOverlap { first, second });
            let error = rig.try_submit(&mut tensors(&args)).err();
            assert_eq!(error, expected, "{args:#?}");
            refused += u32::from(error.is_some());
            accepted += u32::from(error.is_none());
            while draw.below(2) == 0 && rig.runner.step().is_some() {}
        }
    }
    assert!(refused > 1000 && accepted > 1000, "{refused} were refused, {accepted} accepted");
}
