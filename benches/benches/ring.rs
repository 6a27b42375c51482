//! The rings alone: completion and release, the ready queue, the heap of outputs.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn ring(c: &mut Criterion) {
    common::bench(c, "ring");
}

criterion_group!(benches, ring);
criterion_main!(benches);
