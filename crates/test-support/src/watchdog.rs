//! A watchdog: a test that hangs ends the process and says which one it was, instead of hanging the whole run.

use alloc::sync::Arc;
use core::time::Duration;
use prewire_os::Event;
use prewire_sync::atomic::{AtomicBool, Ordering};
use std::fs;
use std::io::Write as _;
use std::thread::{self, JoinHandle};

#[derive(Debug)]
struct Shared {
    event: Event,
    /// The test has ended. Written by the guard.
    done: AtomicBool,
}

/// Ends the process with a message if it is not dropped in time.
#[derive(Debug)]
#[must_use = "a watchdog that is dropped at once watches nothing"]
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches the calling test, which is named as its thread is. `PREWIRE_PATIENCE` in the environment makes the limit
    /// that many times longer, for builds that are slow on purpose.
    ///
    /// # Panics
    ///
    /// If the system gives no thread.
    #[track_caller]
    pub fn new(limit: Duration) -> Self {
        let limit = limit.saturating_mul(patience());
        let test = thread::current().name().unwrap_or("a test without a name").to_owned();
        let at = core::panic::Location::caller();
        let shared = Arc::new(Shared { event: Event::new(), done: AtomicBool::new(false) });
        let watched = shared.clone();
        let watch = move || {
            // ORDERING: Acquire, "watchdog-done"; pairs with the store in drop.
            let done = || watched.done.load(Ordering::Acquire).then_some(());
            if watched.event.wait_until(Some(limit), done).is_none() {
                // Not by a macro that prints: what a test prints is kept, and lost when the process is aborted.
                let mut out = std::io::stderr().lock();
                let _ = writeln!(
                    out,
                    "watchdog: {test} ({at}) has not ended after {limit:?}: it hangs; the process is aborted"
                );
                threads().iter().for_each(|thread| drop(writeln!(out, "watchdog: {thread}")));
                std::process::abort();
            }
        };
        let thread = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(watch)
            .expect("a thread for the watchdog");
        Self { shared, thread: Some(thread) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // ORDERING: Release, "watchdog-done"; pairs with the load in the watching thread.
        self.shared.done.store(true, Ordering::Release);
        self.shared.event.notify_all();
        if let Some(thread) = self.thread.take() {
            // It does nothing that panics.
            let _ = thread.join();
        }
    }
}

/// The threads of this process: their names, whether they run, and where in the kernel they wait.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let read = |task: &fs::DirEntry, what| fs::read_to_string(task.path().join(what)).unwrap_or_default();
    tasks
        .map(|task| {
            let (name, wait, status) = (read(&task, "comm"), read(&task, "wchan"), read(&task, "status"));
            let state = status.lines().find(|line| line.starts_with("State")).unwrap_or_default();
            format!("thread {}: {}, at {wait}", name.trim_end(), state.trim_start_matches("State:").trim())
        })
        .collect()
}

/// How many times longer than usual tests may take.
pub(crate) fn patience() -> u32 {
    std::env::var("PREWIRE_PATIENCE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}
