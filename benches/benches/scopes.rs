//! The end of a scope, by what it holds.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn scopes(c: &mut Criterion) {
    common::bench(c, "scope end");
}

criterion_group!(benches, scopes);
criterion_main!(benches);
