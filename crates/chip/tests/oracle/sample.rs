//! One program written by hand, with most calls that there are. Invariant: it never changes, so that what is printed of
//! it can be kept as source, compiled and run.

use crate::oracle::raw::{RawArg, RawCase, RawExternal, RawOp, RawTask, RawView};

fn view(tensor: u8, steps: &[(u8, u8, u8)]) -> RawView {
    RawView { tensor, steps: steps.to_vec() }
}

fn arg(how: u8, view: RawView) -> RawArg {
    RawArg { how, view }
}

/// A task on cores of this code; see the lowering for what the numbers mean.
fn task(cores: u8, blocks: u8, flags: u8, args: Vec<RawArg>) -> RawTask {
    RawTask { cores, blocks, flags, args, after: Vec::new(), predicate: None, fault: (0, 0) }
}

/// The program.
pub(crate) fn sample() -> RawCase {
    let (read, update, overwrite, peek, create) = (0, 5, 9, 11, 15);
    let external = |kind, dims, rank| RawExternal { kind, dims, rank, seed: 5 };
    let ops = vec![
        RawOp::Task(task(0, 0, 0, vec![arg(update, view(0, &[(0, 1, 2), (6, 0, 1)]))])),
        RawOp::Open(1),
        RawOp::Task(task(5, 0, 0, vec![arg(read, view(1, &[])), arg(create, view(0, &[]))])),
        RawOp::Alloc(external(2, [3, 2, 0], 1)),
        RawOp::Task(task(0, 131, 0, vec![arg(overwrite, view(0, &[])), arg(read, view(1, &[]))])),
        RawOp::Read(view(0, &[(3, 1, 1)]), 3),
        RawOp::Write(view(2, &[]), 1, 9),
        RawOp::Task(RawTask {
            after: vec![(0, 0), (1, 1), (2, 2)],
            ..task(12, 0, 32, vec![arg(update, view(0, &[(7, 1, 1)])), arg(read, view(1, &[]))])
        }),
        RawOp::Close,
        RawOp::Task(RawTask {
            predicate: Some((view(0, &[]), 4, 1)),
            ..task(0, 0, 0, vec![arg(update, view(0, &[]))])
        }),
        RawOp::Task(RawTask {
            predicate: Some((view(0, &[]), 4, 17)),
            ..task(0, 0, 0, vec![arg(update, view(0, &[]))])
        }),
        RawOp::Task(task(14, 0, 0, vec![arg(update, view(1, &[]))])),
        RawOp::Open(0),
        RawOp::Task(task(0, 129, 96, vec![arg(update, view(0, &[(4, 1, 3)])), arg(peek, view(1, &[]))])),
        RawOp::Task(RawTask { fault: (15, 1), ..task(0, 132, 0, vec![arg(update, view(0, &[]))]) }),
        RawOp::Close,
        RawOp::Task(task(0, 0, 0, vec![arg(update, view(1, &[(255, 0, 0)]))])),
    ];
    let externals = vec![external(1, [4, 0, 0], 1), external(0, [3, 5, 0], 1)];
    RawCase { externals, ops, window: 0, clusters: 1, domains: 1, threads: 1, seed: 0, rings: 2, rounds: 1 }
}
