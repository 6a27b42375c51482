//! What the chip and the simulator tell, in the log of the front end. Invariant: an event is one line of the log, at the
//! level that the front end knows it by; spans are not followed.

use std::fmt::{self, Write};

use prewire_sync::atomic::{AtomicBool, Ordering};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::log::{self, Level};

/// Hands events to the log from here on, unless the process hands them to somebody else.
pub(crate) fn listen() {
    /// Whether somebody has begun to. Set by whoever comes first, for whom nobody waits: a fork may come meanwhile.
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.swap(true, Ordering::Relaxed) {
        // Who has come before may well be the one who wants them.
        let _ = tracing::subscriber::set_global_default(Listener);
    }
}

/// Writes events to the log.
struct Listener;

fn level(of: &tracing::Level) -> Level {
    match *of {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && log::enabled(level(metadata.level()))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Spans are not enabled, so nobody asks.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let metadata = event.metadata();
        log::emit(level(metadata.level()), metadata.target(), format_args!("{}", line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message, then the other fields by name.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => {
                let rest = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{rest}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_before_its_fields() {
        use std::sync::Mutex;
        static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
        struct Keep;
        impl Subscriber for Keep {
            fn enabled(&self, metadata: &Metadata<'_>) -> bool {
                metadata.is_event()
            }
            fn new_span(&self, attributes: &Attributes<'_>) -> Id {
                Listener.new_span(attributes)
            }
            fn record(&self, _: &Id, _: &Record<'_>) {}
            fn record_follows_from(&self, _: &Id, _: &Id) {}
            fn event(&self, event: &Event<'_>) {
                let mut line = Line(String::new());
                event.record(&mut line);
                SEEN.lock().unwrap().push(line.0);
            }
            fn enter(&self, _: &Id) {}
            fn exit(&self, _: &Id) {}
        }
        tracing::subscriber::with_default(Keep, || {
            tracing::warn!(ring = 2, "a ring is {} % full", 90);
            let _entered = tracing::error_span!("not followed").entered();
        });
        assert_eq!(*SEEN.lock().unwrap(), ["a ring is 90 % full ring=2"]);
    }
}
