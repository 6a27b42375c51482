//! Submit alone, by edges, inputs, hazard modes and windows.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn submit(c: &mut Criterion) {
    common::bench(c, "submit");
}

criterion_group!(benches, submit);
criterion_main!(benches);
