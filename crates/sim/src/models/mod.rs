//! Models of the simulator: the product's own pool and cores, with loom's threads in the place of its own.
//!
//! The chip has one cluster, so three cores, or two. A kernel is a word that it writes; the last one to be run ends the pool,
//! so a wake-up that was lost shows as threads that are parked for ever, which loom reports as a deadlock.

mod core;
mod host;
mod left;
mod pool;

use prewire_platform::{ChipSpec, Limits, Registers, Tokens};

#[cfg(not(debug_assertions))]
compile_error!("the models rely on debug assertions: run them with the profile `loom`");

/// A chip of one cluster.
fn spec() -> ChipSpec {
    spec_of(1, 1)
}

/// A chip of so many clusters and domains.
fn spec_of(clusters: u16, domains: u16) -> ChipSpec {
    ChipSpec {
        name: "model",
        clusters,
        domains,
        limits: Limits { task_tensors: 32, task_scalars: 16, blocks: 1024 },
        registers: Registers { block_bytes: 64, dispatch: 0, condition: 4, fast_path: None },
        tokens: Tokens {
            finished_bit: 1 << 31,
            exit: 0x7FFF_FFF0,
            dispatch_idle: 0x7FFF_FFFD,
            core_idle: 0x7FFF_FFFF,
            core_exited: 0x7FFF_FFFE,
        },
        counter_hz: 1,
    }
}

/// Explores every interleaving of `body` within the bound on preemptions that the environment sets.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // A worker makes more atomic accesses than loom expects of a model.
    builder.max_branches = 20_000;
    builder.check(body);
}
