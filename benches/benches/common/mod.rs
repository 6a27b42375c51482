//! A suite as criterion benches: the same cases as those of `cargo xtask bench`.

use criterion::{Criterion, Throughput};
use prewire_benches::{Clock, Unit, work};

/// Measures the cases of `suite` whose figure is made from time.
pub(crate) fn bench(c: &mut Criterion, suite: &str) {
    let cases = work::suite(suite);
    assert!(!cases.is_empty(), "there is no suite {suite}");
    let mut group = c.benchmark_group(suite);
    for case in cases.iter().filter(|case| case.unit != Unit::Kibibytes && !case.slow) {
        group.throughput(Throughput::Elements(case.items));
        group.bench_function(&case.name, |b| {
            let mut round = case.set_up();
            b.iter_custom(|rounds| {
                let mut clock = Clock::new();
                for _ in 0..rounds {
                    let _ = round(&mut clock);
                }
                clock.spent()
            });
        });
    }
    group.finish();
}
