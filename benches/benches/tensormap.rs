//! The tensor map alone, by buffers and by tiles of one buffer.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn tensormap(c: &mut Criterion) {
    common::bench(c, "tensor map");
}

criterion_group!(benches, tensormap);
criterion_main!(benches);
