//! Real programs for chips and for nodes that have some, each with an independent golden: what `cargo xtask sim-test` runs.
//!
//! A [`Scene`] is an orchestration, its kernels and a golden. The kernels do real arithmetic in `f32` on tensor
//! memory; the golden computes the same thing another way, in plain nested loops in `f64` on the host, and shares no
//! code with the kernels. A scene passes when the worst error of its results is within its tolerance.
//!
//! | part | what it is |
//! |---|---|
//! | [`list`], [`select`] | the scenes there are, and a choice among them |
//! | [`platforms`] | the platforms there are |
//! | [`run`] | runs one scene on one platform and says how it went, whatever happens in it |
//! | one module a scene | `mod.rs` is the program, `kernels.rs` or `callables.rs` what its tasks do, `golden.rs` what must come out |
//!
//! Children of a node are processes if this process is a single thread when the scene starts, else threads; the row
//! says which. `prewire-scenes` stays a single thread between scenes, so there they are processes.
//!
//! ```
//! use prewire_scenes::{Setup, Size, list, platforms, run};
//!
//! let setup = Setup::new(platforms()[0]).with_size(Size::Small);
//! let row = run(&list()[0], &setup);
//! assert!(row.ok, "{row:?}");
//! ```
#![forbid(unsafe_code)]

mod choose;
mod compare;
mod draw;
mod harness;
mod machine;
mod node;
mod scene;
mod spoil;
mod tile;
mod traces;

mod alternating;
mod decode_layer;
mod gemm;
mod network_three_levels;
mod network_two_nodes;
mod node_allreduce;
mod node_checks;
mod node_dependent;
mod node_ffn;
mod node_group;
mod node_independent;
mod node_loses_chip;
mod paged_attention;
mod ring_pressure;
mod scalar_data;
mod spmd;
mod vector;

pub use choose::{Unknown, platforms, select};
pub use harness::{Row, Used, run};
pub use scene::{Inside, Outcome, Platform, Scene, Setup, Size};

/// Every scene, in the order in which they are run.
#[must_use]
pub fn list() -> &'static [Scene] {
    const ALL: &[Scene] = &[
        vector::SCENE,
        gemm::SCENE,
        alternating::SCENE,
        paged_attention::AUTO,
        paged_attention::MANUAL,
        spmd::SCENE,
        scalar_data::SCENE,
        decode_layer::SCENE,
        ring_pressure::SCENE,
        node_independent::SCENE,
        node_dependent::SCENE,
        node_ffn::SCENE,
        node_allreduce::SCENE,
        node_group::SCENE,
        node_checks::SCENE,
        node_loses_chip::SCENE,
        network_two_nodes::SCENE,
        network_three_levels::SCENE,
    ];
    ALL
}
