//! The look-out: a thread that polls while tasks wait for counters and no core may have anything to report.
//!
//! It is started with the first task that waits, parked without a timeout while none does, and ends with the chip. While
//! some wait it looks at their counters at intervals that grow from some microseconds to half a millisecond: another
//! process that raises one can tell nobody. Where no thread can be started, the orchestrator looks while it waits.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use prewire_os::Event;
use prewire_platform::Host;
use prewire_runs::event;
use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::engine::Engine;

/// The first interval, and the longest.
const SHORT: Duration = Duration::from_micros(20);
const LONG: Duration = Duration::from_micros(500);

/// What the thread and those who start and end it share.
#[derive(Debug, Default)]
struct Post {
    event: Event,
    /// The thread is to end. Set once, by whoever ends it.
    closed: AtomicBool,
}

/// The longest interval between two looks of whoever looks in place of the look-out.
pub(crate) const GLANCE: Duration = LONG;

/// The look-out of a chip.
#[derive(Default)]
pub(crate) struct Lookout {
    /// Whom it looks out for. Set once, when the chip is made; none in seeded mode, in which nothing happens by itself.
    engine: OnceLock<Weak<Engine>>,
    post: Arc<Post>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The thread could not be started. Written under the lock of `thread`.
    missing: AtomicBool,
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").finish_non_exhaustive()
    }
}

impl Lookout {
    /// From now on `engine` is polled while tasks wait.
    pub(crate) fn begin(&self, engine: &Arc<Engine>) {
        let _ = self.engine.set(Arc::downgrade(engine));
    }

    /// A task waits.
    pub(crate) fn look(&self) {
        let Some(engine) = self.engine.get() else { return };
        self.start(engine);
        self.post.event.notify_all();
        if self.is_missing() {
            // Who waits for the run may be parked for long.
            if let Some(engine) = engine.upgrade() {
                engine.progress().notify_all();
            }
        }
    }

    /// Starts the thread, if there is none.
    fn start(&self, engine: &Weak<Engine>) {
        let mut running = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() || self.post.closed.load(Ordering::Relaxed) {
            return;
        }
        let (post, engine) = (Arc::clone(&self.post), Weak::clone(engine));
        match thread::Builder::new().name("prewire-lookout".into()).spawn(move || look_out(&post, &engine)) {
            Ok(thread) => {
                *running = Some(thread);
                self.missing.store(false, Ordering::Relaxed);
            }
            // The next task that waits tries again; meanwhile the orchestrator looks.
            Err(error) => {
                if !self.missing.swap(true, Ordering::Relaxed) {
                    event!(warn, %error, "no thread could be started to wait for counters; end other threads");
                }
            }
        }
    }

    /// Whether the thread could not be started.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    /// Ends the thread, and waits until it has ended.
    pub(crate) fn close(&self) {
        self.post.closed.store(true, Ordering::Relaxed);
        self.post.event.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn look_out(post: &Post, engine: &Weak<Engine>) {
    let closed = || post.closed.load(Ordering::Relaxed);
    let mut interval = SHORT;
    while !closed() {
        let Some(chip) = engine.upgrade() else { return };
        if chip.deferred().is_due(chip.rings()) {
            chip.poll(0);
            interval = SHORT;
        }
        let waits = chip.deferred().waiting() > 0;
        if waits {
            drop(chip);
            let _ = post.event.park_until(Some(interval), || closed().then_some(()));
            interval = (interval * 2).min(LONG);
        } else {
            interval = SHORT;
            let weak = Arc::downgrade(&chip);
            drop(chip);
            let woken = || closed() || weak.upgrade().is_none_or(|chip| chip.deferred().waiting() > 0);
            let _ = post.event.wait_until(None, || woken().then_some(()));
        }
    }
}
