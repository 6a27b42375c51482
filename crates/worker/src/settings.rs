//! What is set for a worker as a whole, and what it is unless said.

use std::time::Duration;

use prewire_chip::{Hazards, RingSizes};
use tracing::Level;

/// What is set for a worker as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) rings: RingSizes,
    pub(crate) hazards: Hazards,
    /// Bytes for buffers.
    pub(crate) memory: u64,
    /// Bytes of device memory for buffers on each chip; none: what the chip has.
    pub(crate) device_quota: Option<u64>,
    /// What children write of what they log, where the program has not set up anything.
    pub(crate) events: Level,
    /// A run, from its start.
    pub(crate) deadline: Option<Duration>,
    /// How long a child may take to come to serve.
    pub(crate) start_limit: Duration,
    /// How long children may take to leave.
    pub(crate) close_limit: Duration,
    /// How long the members of a group may go on once one of them has failed.
    pub(crate) group_limit: Duration,
    /// How often in a row a child is replaced that has completed nothing in between.
    pub(crate) replacements: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rings: RingSizes::default(),
            hazards: Hazards::All,
            memory: 64 << 30,
            device_quota: None,
            events: Level::WARN,
            deadline: None,
            start_limit: Duration::from_secs(60),
            close_limit: Duration::from_secs(5),
            group_limit: Duration::from_secs(10),
            replacements: 3,
        }
    }
}
