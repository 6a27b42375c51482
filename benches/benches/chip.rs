//! A simulated chip end to end with kernels that do nothing: what a task costs from submit to completion, and what a run
//! costs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prewire::prelude::*;

const TASKS: u64 = 4096;

fn end_to_end(c: &mut Criterion) {
    let mut group = c.benchmark_group("chip");
    for clusters in [8, 24] {
        let chip = Chip::sim(a2a3()).clusters(clusters).domains(1).build().expect("a chip");
        let nop = chip.kernel("nop", Core::Aiv, |_| Ok(())).expect("a kernel");
        let x = chip.zeros::<f32>(&[16]).expect("a buffer");
        let cores = clusters * 3;
        group.throughput(Throughput::Elements(TASKS));
        group.bench_function(format!("independent/{cores} cores"), |b| {
            b.iter(|| {
                chip.run(|orch| {
                    for _ in 0..TASKS {
                        orch.submit(&nop).go()?;
                    }
                    Ok(())
                })
                .expect("a run")
            });
        });
        group.bench_function(format!("chain/{cores} cores"), |b| {
            b.iter(|| {
                chip.run(|orch| {
                    for _ in 0..TASKS {
                        orch.submit(&nop).inout(&x).go()?;
                    }
                    Ok(())
                })
                .expect("a run")
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("run of one task/{cores} cores"), |b| {
            b.iter(|| {
                chip.run(|orch| {
                    orch.submit(&nop).go()?;
                    Ok(())
                })
                .expect("a run")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
