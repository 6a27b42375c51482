//! The engine on one thread, with lanes that finish at once: what a submit costs, and the whole life of a task. For
//! finding what a change of orchestrator, rings or scheduler costs; no core runs anything.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prewire_abi::{DataType, EdgeKind, TaskId, TensorArgType, ValidTensor};
use prewire_benches::Engine;
use prewire_orchestrator::{Arg, ScopeKey};
use prewire_ring::RingSizes;
use prewire_tensormap::Hazards;

const TASKS: u64 = 4096;

fn tensor(at: u64) -> ValidTensor {
    ValidTensor::contiguous(0x10_0000 + at * 4096, &[16, 16], DataType::F32).expect("a small tensor")
}

fn arg(at: u64, tag: TensorArgType) -> Arg {
    Arg::existing(tensor(at), tag, ScopeKey::NONE)
}

/// The whole life of tasks: submit, dispatch, complete, reclaim.
fn life(c: &mut Criterion) {
    let mut group = c.benchmark_group("life");
    group.throughput(Throughput::Elements(TASKS));
    for window in [256, 16384] {
        let mut engine =
            Engine::new(prewire::a2a3(), &RingSizes::default().with_window(window), Hazards::All);
        group.bench_function(format!("independent/{window}"), |b| {
            b.iter(|| {
                engine.run(|e| {
                    for _ in 0..TASKS {
                        e.args.clear();
                        e.submit();
                    }
                });
            });
        });
        group.bench_function(format!("chain/{window}"), |b| {
            b.iter(|| {
                engine.run(|e| {
                    let mut last: Option<TaskId> = None;
                    for _ in 0..TASKS {
                        e.args.clear();
                        last.iter().for_each(|&id| e.args.after(id, EdgeKind::WAIT));
                        last = Some(e.submit().0);
                    }
                });
            });
        });
        group.bench_function(format!("four producers/{window}"), |b| {
            b.iter(|| {
                engine.run(|e| {
                    let mut last = Vec::with_capacity(TASKS as usize);
                    for i in 0..TASKS as usize {
                        e.args.clear();
                        last.iter().rev().take(4).for_each(|&id| e.args.after(id, EdgeKind::WAIT));
                        let (id, _) = e.submit();
                        last.push(id);
                        debug_assert_eq!(last.len(), i + 1);
                    }
                });
            });
        });
        group.bench_function(format!("four inputs and an output/{window}"), |b| {
            b.iter(|| {
                engine.run(|e| {
                    for i in 0..TASKS {
                        if i % 128 == 0 {
                            if i > 0 {
                                e.close();
                            }
                            e.open();
                        }
                        e.args.clear();
                        (0..4).for_each(|k| e.args.push(&arg((i + k * 7) % 64, TensorArgType::Input)));
                        e.args.push(&Arg::output(&[16, 16], DataType::F32).expect("a small tensor"));
                        e.submit();
                    }
                    e.close();
                });
            });
        });
    }
    group.finish();
}

/// Closing a scope: one store, however many tasks it holds.
fn scope_end(c: &mut Criterion) {
    let mut group = c.benchmark_group("scope end");
    for tasks in [16, 1024] {
        let mut engine = Engine::new(prewire::a2a3(), &RingSizes::default(), Hazards::All);
        group.bench_function(format!("{tasks} tasks"), |b| {
            b.iter_custom(|rounds| {
                let mut spent = std::time::Duration::ZERO;
                engine.run(|e| {
                    for _ in 0..rounds {
                        e.open();
                        for _ in 0..tasks {
                            e.args.clear();
                            e.args.push(&Arg::output(&[8], DataType::F32).expect("a small tensor"));
                            e.submit();
                        }
                        let start = std::time::Instant::now();
                        e.close();
                        spent += start.elapsed();
                        e.poll();
                    }
                });
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, life, scope_end);
criterion_main!(benches);
