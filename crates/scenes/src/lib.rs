//! Real programs for the chips, each with an independent golden: what `cargo xtask sim-test` runs.
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
//! | one module a scene | `mod.rs` is the program, `kernels.rs` what its tasks do, `golden.rs` what must come out |
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
mod scene;
mod tile;
mod traces;

mod alternating;
mod decode_layer;
mod gemm;
mod paged_attention;
mod ring_pressure;
mod scalar_data;
mod spmd;
mod vector;

pub use choose::{Unknown, platforms, select};
pub use harness::{Row, Used, run};
pub use scene::{Outcome, Platform, Scene, Setup, Size};

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
    ];
    ALL
}
