//! What proptest draws: bytes in the form of a program. Invariant: any bytes make a program, and fewer or smaller ones
//! make a smaller program, so that shrinking ends at something short.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;

/// A buffer: its kind, three lengths, how many of them count, and where its data starts.
#[derive(Clone, Debug)]
pub(crate) struct RawExternal {
    pub(crate) kind: u8,
    pub(crate) dims: [u8; 3],
    pub(crate) rank: u8,
    pub(crate) seed: u8,
}

/// A view: which tensor, and steps.
#[derive(Clone, Debug)]
pub(crate) struct RawView {
    pub(crate) tensor: u8,
    pub(crate) steps: Vec<(u8, u8, u8)>,
}

#[derive(Clone, Debug)]
pub(crate) struct RawArg {
    pub(crate) how: u8,
    pub(crate) view: RawView,
}

#[derive(Clone, Debug)]
pub(crate) struct RawTask {
    pub(crate) cores: u8,
    pub(crate) blocks: u8,
    pub(crate) flags: u8,
    pub(crate) args: Vec<RawArg>,
    pub(crate) after: Vec<(u8, u8)>,
    pub(crate) predicate: Option<(RawView, u8, u8)>,
    pub(crate) fault: (u8, u8),
}

#[derive(Clone, Debug)]
pub(crate) enum RawOp {
    Task(RawTask),
    /// Several tasks that only read.
    Crowd(RawTask, u8),
    Alloc(RawExternal),
    Open(u8),
    Close,
    Read(RawView, u8),
    Write(RawView, u8, u8),
}

/// A program, and the chip to run it on.
#[derive(Clone, Debug)]
pub(crate) struct RawCase {
    pub(crate) externals: Vec<RawExternal>,
    pub(crate) ops: Vec<RawOp>,
    pub(crate) window: u8,
    pub(crate) clusters: u8,
    pub(crate) domains: u8,
    pub(crate) threads: u8,
    pub(crate) seed: u8,
    pub(crate) rings: u8,
    pub(crate) rounds: u8,
}

fn external() -> impl Strategy<Value = RawExternal> {
    (0u8..3, any::<[u8; 3]>(), 0u8..3, any::<u8>()).prop_map(|(kind, dims, rank, seed)| RawExternal {
        kind,
        dims,
        rank,
        seed,
    })
}

fn view() -> impl Strategy<Value = RawView> {
    (any::<u8>(), vec(any::<(u8, u8, u8)>(), 0..3)).prop_map(|(tensor, steps)| RawView { tensor, steps })
}

fn task() -> impl Strategy<Value = RawTask> {
    let arg = (any::<u8>(), view()).prop_map(|(how, view)| RawArg { how, view });
    let predicate = prop_oneof![
        5 => Just(None),
        1 => (view(), any::<u8>(), any::<u8>()).prop_map(Some),
    ];
    let after = vec(any::<(u8, u8)>(), 0..3);
    (any::<(u8, u8, u8)>(), vec(arg, 0..5), after, predicate, any::<(u8, u8)>()).prop_map(
        |((cores, blocks, flags), args, after, predicate, fault)| RawTask {
            cores,
            blocks,
            flags,
            args,
            after,
            predicate,
            fault,
        },
    )
}

/// A program of up to `ops` calls; `scopes` says how often one opens or closes a scope.
pub(crate) fn case(ops: usize, scopes: u32) -> impl Strategy<Value = RawCase> {
    let op = prop_oneof![
        28 => task().prop_map(RawOp::Task),
        1 => (task(), 2u8..24).prop_map(|(task, count)| RawOp::Crowd(task, count)),
        2 => external().prop_map(RawOp::Alloc),
        2 * scopes => any::<u8>().prop_map(RawOp::Open),
        scopes => Just(RawOp::Close),
        2 => (view(), any::<u8>()).prop_map(|(view, at)| RawOp::Read(view, at)),
        2 => (view(), any::<u8>(), any::<u8>()).prop_map(|(view, at, value)| RawOp::Write(view, at, value)),
    ];
    let chip = (any::<(u8, u8, u8, u8)>(), any::<(u8, u8, u8)>());
    (vec(external(), 1..4), vec(op, 1..ops), chip).prop_map(
        |(externals, ops, ((window, clusters, domains, threads), (seed, rings, rounds)))| RawCase {
            externals,
            ops,
            window,
            clusters,
            domains,
            threads,
            seed,
            rings,
            rounds,
        },
    )
}
