//! Random programs on a network of nodes, compared with doing the same things one by one: host functions, tasks for a named
//! worker, groups, views that overlap in all ways, scopes with outputs, host reads and writes, rings of a few slots.

use std::time::Duration;

use prewire_chip::{Buffer, DataType, RingSizes, Tensor};
use prewire_test_support::Watchdog;
use prewire_worker::{Callable, Orch, Result, Worker};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const BUFFERS: usize = 3;
const LEN: usize = 24;
const WORKERS: [&str; 2] = ["left", "right"];

/// A part of a buffer.
#[derive(Clone, Copy, Debug)]
struct Part {
    buffer: usize,
    start: usize,
    len: usize,
}

/// One thing that a program does.
#[derive(Clone, Debug)]
enum Op {
    /// Mixes what it reads into what it writes, on any SUB worker, or on the worker of that number.
    Mix { to: Option<usize>, reads: Part, writes: Part, by: u32 },
    /// The same on both workers at once, each with a part of its own.
    Group { reads: [Part; 2], writes: [Part; 2], by: u32 },
    /// In a scope: an output is made of a part, another one of that, and mixed into a part.
    Scope { reads: Part, writes: Part, by: u32, before: Vec<Op> },
    /// The host adds to an element.
    Host { buffer: usize, at: usize, by: u32 },
}

fn mixed(x: u32, y: u32, by: u32) -> u32 {
    y.wrapping_mul(3).wrapping_add(x).wrapping_add(by)
}

fn host() -> Callable {
    Callable::host_function("mix", |args| {
        let (x, by) = (args.input::<u32>(0)?, args.scalar::<u32>(0)?);
        let mut y = args.inout::<u32>(1)?;
        let x: Vec<u32> = x.iter().collect();
        for (at, y) in y.as_mut_slice()?.iter_mut().enumerate() {
            *y = mixed(x[at % x.len()], *y, by);
        }
        Ok(())
    })
}

/// Makes an output of the same length: each element mixed with nothing.
fn fresh() -> Callable {
    Callable::host_function("fresh", |args| {
        let (x, mut y) = (args.input::<u32>(0)?, args.output::<u32>(1)?);
        y.as_mut_slice()?.iter_mut().zip(x.iter()).for_each(|(y, x)| *y = mixed(x, 1, 0));
        Ok(())
    })
}

fn below() -> Callable {
    Callable::orchestration("mix below", |orch, args| {
        let (x, y, by) = (args.tensor(0)?, args.tensor(1)?, args.scalar::<u32>(0)?);
        orch.submit(&host()).input(&x).inout(&y).scalar(by).go().map(drop)
    })
}

fn network() -> Worker {
    let rings = RingSizes::default().with_window(16).with_heap(16 << 10).with_deps(64);
    let node = |name| Worker::node().name(name).subs(1).rings(rings).callable(&host()).threads();
    let tree = Worker::network(4).child(node(WORKERS[0])).child(node(WORKERS[1])).subs(2).rings(rings);
    tree.callable(&host()).callable(&fresh()).callable(&below()).threads().start().unwrap()
}

fn part(buffers: &[Buffer], part: Part) -> Tensor {
    buffers[part.buffer].view(&[part.start as u32], &[part.len as u32]).unwrap()
}

fn perform(orch: &mut Orch<'_>, buffers: &[Buffer], ops: &[Op]) -> Result<()> {
    for op in ops {
        match op {
            Op::Mix { to: None, reads, writes, by } => {
                let (x, y) = (part(buffers, *reads), part(buffers, *writes));
                orch.submit(&host()).input(&x).inout(&y).scalar(*by).go()?;
            }
            Op::Mix { to: Some(to), reads, writes, by } => {
                let (x, y) = (part(buffers, *reads), part(buffers, *writes));
                orch.submit(&below()).to(WORKERS[*to]).input(&x).inout(&y).scalar(*by).go()?;
            }
            Op::Group { reads, writes, by } => {
                let program = below();
                let mut group = orch.group(&program);
                for (at, name) in WORKERS.iter().enumerate() {
                    let (x, y) = (part(buffers, reads[at]), part(buffers, writes[at]));
                    group = group.member(name).input(&x).inout(&y).scalar(*by);
                }
                group.go()?;
            }
            Op::Scope { reads, writes, by, before } => orch.scope(|orch| {
                let (x, y) = (part(buffers, *reads), part(buffers, *writes));
                let shape = [reads.len as u32];
                let one = orch.submit(&fresh()).input(&x).output(&shape, DataType::U32).go()?;
                perform(orch, buffers, before)?;
                let two = orch.submit(&fresh()).input(&one).output(&shape, DataType::U32).go()?;
                orch.submit(&host()).input(&two).inout(&y).scalar(*by).go().map(drop)
            })?,
            Op::Host { buffer, at, by } => {
                let value = orch.read::<u32>(&buffers[*buffer], &[*at as u32])?;
                orch.write(&buffers[*buffer], &[*at as u32], value.wrapping_add(*by))?;
            }
        }
    }
    Ok(())
}

/// The same, one by one.
fn expected(memory: &mut [Vec<u32>], ops: &[Op]) {
    let read = |memory: &[Vec<u32>], part: &Part| memory[part.buffer][part.start..][..part.len].to_vec();
    let mix = |memory: &mut [Vec<u32>], x: &[u32], part: &Part, by: u32| {
        for (at, y) in memory[part.buffer][part.start..][..part.len].iter_mut().enumerate() {
            *y = mixed(x[at % x.len()], *y, by);
        }
    };
    for op in ops {
        match op {
            Op::Mix { reads, writes, by, .. } => {
                let x = read(memory, reads);
                mix(memory, &x, writes, *by);
            }
            Op::Group { reads, writes, by } => {
                for at in 0..2 {
                    let x = read(memory, &reads[at]);
                    mix(memory, &x, &writes[at], *by);
                }
            }
            Op::Scope { reads, writes, by, before } => {
                let once = |x: &u32| mixed(*x, 1, 0);
                let one: Vec<u32> = read(memory, reads).iter().map(once).collect();
                expected(memory, before);
                let two: Vec<u32> = one.iter().map(once).collect();
                mix(memory, &two, writes, *by);
            }
            Op::Host { buffer, at, by } => {
                let element = &mut memory[*buffer][*at];
                *element = element.wrapping_add(*by);
            }
        }
    }
}

fn parts() -> impl Strategy<Value = Part> {
    (0..BUFFERS, 0..LEN, 1..=LEN).prop_map(|(buffer, start, len)| Part {
        buffer,
        start,
        len: len.min(LEN - start),
    })
}

/// What is read, and what is written, in another buffer: a task may not read what it writes.
fn pair() -> impl Strategy<Value = (Part, Part)> {
    (parts(), parts(), 1..BUFFERS).prop_map(|(reads, writes, shift)| {
        let buffer = (reads.buffer + shift) % BUFFERS;
        (reads, Part { buffer, ..writes })
    })
}

/// Members of a group run at the same time: what they write is in two halves of one buffer, what they read in another.
fn halves() -> impl Strategy<Value = ([Part; 2], [Part; 2])> {
    let half = || (0..LEN / 2, 1..=LEN / 2);
    (parts(), parts(), half(), half(), 0..BUFFERS, 1..BUFFERS).prop_map(
        |(a, b, left, right, buffer, shift)| {
            let reads = [a, b].map(|part| Part { buffer: (buffer + shift) % BUFFERS, ..part });
            let writes = [(left, 0), (right, LEN / 2)].map(|((start, len), from)| Part {
                buffer,
                start: from + start,
                len: len.min(LEN / 2 - start),
            });
            (reads, writes)
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let to = prop_oneof![3 => Just(None), 1 => (0..2usize).prop_map(Some)];
    let simple = prop_oneof![
        6 => (to, pair(), any::<u32>()).prop_map(|(to, (reads, writes), by)| Op::Mix { to, reads, writes, by }),
        2 => (halves(), any::<u32>()).prop_map(|((reads, writes), by)| Op::Group { reads, writes, by }),
        1 => (0..BUFFERS, 0..LEN, any::<u32>()).prop_map(|(buffer, at, by)| Op::Host { buffer, at, by }),
    ];
    simple.prop_recursive(2, 16, 6, |inner| {
        (pair(), any::<u32>(), prop::collection::vec(inner, 0..6))
            .prop_map(|((reads, writes), by, before)| Op::Scope { reads, writes, by, before })
    })
}

#[test]
fn random_programs_leave_what_doing_them_one_by_one_leaves() {
    let _watchdog = Watchdog::new(Duration::from_secs(120));
    let network = network();
    let buffers: Vec<Buffer> = (0..BUFFERS).map(|_| network.zeros::<u32>(&[LEN as u32]).unwrap()).collect();
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let programs = prop::collection::vec(op(), 1..40);
    runner
        .run(&programs, |ops| {
            let mut memory: Vec<Vec<u32>> =
                (0..BUFFERS).map(|buffer| (0..LEN).map(|at| (100 * buffer + at) as u32).collect()).collect();
            for (buffer, values) in buffers.iter().zip(&memory) {
                network.write(buffer, values).unwrap();
            }
            network.run(|orch| perform(orch, &buffers, &ops)).unwrap();
            expected(&mut memory, &ops);
            for (buffer, values) in buffers.iter().zip(&memory) {
                prop_assert_eq!(&network.read::<u32>(buffer).unwrap(), values);
            }
            Ok(())
        })
        .unwrap();
}
