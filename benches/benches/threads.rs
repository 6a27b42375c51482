//! The engine on two threads: one submits, the other polls.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn threads(c: &mut Criterion) {
    common::bench(c, "threads");
}

criterion_group!(benches, threads);
criterion_main!(benches);
