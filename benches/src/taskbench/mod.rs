//! Task Bench: graphs of tasks with known dependences, run on prewire and on its peers, every task checking that its
//! inputs are the right ones.
//!
//! A graph has up to `width` points at each of `steps` timesteps. The task of a point reads what some points of the
//! timestep before have left, as its [`Pattern`] says, and leaves its own [`Stamp`]. Each point has some *fields*: slots
//! that its outputs take turns in, so that a timestep writes where `fields` timesteps before it was written.
//!
//! ```
//! use prewire_benches::taskbench::{Fault, Graph, Kernel, Layout, OnChip, Pattern};
//! use std::sync::Arc;
//!
//! let graph = Arc::new(Graph::new(Pattern::Stencil1d, 4, 10));
//! let builder = prewire::Chip::sim(prewire::a2a3()).clusters(2);
//! let mut chip = OnChip::new(builder, Layout::Buffers, 4, 2)?;
//! let took = chip.run(&graph, Kernel::Empty, 0, Fault::None)?;
//! assert_eq!(graph.tasks(), 40);
//! // A task whose input is not passed on ends the run.
//! let missing = Fault::LeftOut { timestep: 3, point: 1 };
//! assert!(chip.run(&graph, Kernel::Empty, 0, missing).is_err());
//! # let _ = took;
//! # Ok::<(), prewire::Error>(())
//! ```

mod graph;
mod kernel;
mod on_chip;
mod on_rayon;
mod pattern;
mod protocol;

pub use graph::{Graph, Stamp, Wrong};
pub use kernel::Kernel;
pub use on_chip::{Fault, Layout, OnChip};
pub use on_rayon::{OnRayon, Way};
pub use pattern::{PERIOD, Pattern, RADIX};
pub use protocol::{Asked, Measured, Size};
