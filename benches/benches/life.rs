//! The engine on one thread, with lanes that finish at once: the whole life of a task.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn life(c: &mut Criterion) {
    common::bench(c, "life");
}

criterion_group!(benches, life);
criterion_main!(benches);
