//! The mailbox alone, on one thread and on two.

use criterion::{Criterion, criterion_group, criterion_main};

mod common;

fn mailbox(c: &mut Criterion) {
    common::bench(c, "mailbox");
}

criterion_group!(benches, mailbox);
criterion_main!(benches);
