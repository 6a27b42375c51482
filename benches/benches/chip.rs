//! A simulated chip end to end with kernels that do nothing.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn chip(c: &mut Criterion) {
    common::bench(c, "chip");
}

criterion_group!(benches, chip);
criterion_main!(benches);
