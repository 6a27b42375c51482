//! A subscriber that panics at every event, as one does that prints where nobody reads.

use std::sync::{Mutex, PoisonError};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Panics whenever it is told of an event of this process, whatever its level.
#[derive(Debug)]
pub struct Throws(());

/// How often any has panicked. A lock, as in a model no atomic can be a static.
static THROWN: Mutex<u32> = Mutex::new(0);

impl Throws {
    /// Makes it the subscriber of all threads of this process, for good.
    ///
    /// # Panics
    ///
    /// If there is one.
    pub fn install() {
        tracing::subscriber::set_global_default(Self(())).expect("the only subscriber");
    }

    /// How often it has panicked.
    #[must_use]
    pub fn thrown() -> u32 {
        *THROWN.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Throws {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        *THROWN.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        panic!("the subscriber throws at {}", event.metadata().name());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
