//! A thread that hands on what children write, so that nothing else waits for whoever reads it.
//!
//! **Invariant: what waits to be handed on is bounded, and none of it is lost while somebody takes it.** Once [`FULL`] bytes
//! wait, pipes are not read until half of them are gone; what the dead leave is taken all the same, a pipe's worth each.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use prewire_runs::event;
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::output::{Line, Stream};
use crate::plan::Plan;

/// So many bytes of lines may wait before pipes are left unread.
const FULL: u64 = 256 << 10;

/// A line that waits to be handed on.
struct Waiting {
    worker: Arc<str>,
    pid: u32,
    stream: Stream,
    text: String,
}

impl Waiting {
    fn line(&self) -> Line<'_> {
        Line { worker: &self.worker, pid: self.pid, stream: self.stream, text: &self.text }
    }

    /// What it counts for: an empty line takes room too.
    fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.text.len()) as u64
    }
}

/// The queue to the thread.
struct Queue {
    lines: Sender<Waiting>,
    /// Hears the thread's end: nothing is sent, it is closed.
    ended: Receiver<()>,
}

/// Where lines go to be handed on. The thread is started for the first one.
pub(super) struct Writer {
    plan: Weak<Plan>,
    queue: Option<Queue>,
    /// Bytes that wait. Raised by the progress thread, lowered by the writing thread.
    waiting: Arc<AtomicU64>,
    /// The worker of the line before: most lines are of the same one.
    last: Arc<str>,
    /// A line of either stream was lost without the thread, and that was told.
    lost: [bool; 2],
}

impl Writer {
    /// For the output of `plan`, whose bell is rung when there is room again.
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: Arc::downgrade(plan),
            queue: None,
            waiting: Arc::default(),
            last: Arc::from(""),
            lost: [false; 2],
        }
    }

    /// Whether so much waits that no more should be read.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= FULL
    }

    /// Whether there is room again, after it was full.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < FULL / 2
    }

    /// Hands a line on, in the order of the calls. Does not wait.
    pub(super) fn say(&mut self, line: &Line<'_>) {
        if *self.last != *line.worker {
            self.last = Arc::from(line.worker);
        }
        let (worker, text) = (Arc::clone(&self.last), line.text.to_owned());
        let waiting = Waiting { worker, pid: line.pid, stream: line.stream, text };
        if self.queue.is_none() {
            self.queue = self.start();
        }
        let bytes = waiting.bytes();
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let sent = match &self.queue {
            Some(queue) => queue.lines.send(waiting).map_err(|unsent| unsent.0),
            None => Err(waiting),
        };
        if let Err(unsent) = sent {
            // No thread could be had: better late than never.
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            if let Some(plan) = self.plan.upgrade() {
                write(&plan, &unsent, &mut self.lost);
            }
        }
    }

    fn start(&self) -> Option<Queue> {
        let (lines, to_write) = mpsc::channel::<Waiting>();
        let (ends, ended) = mpsc::channel();
        let (plan, waiting) = (Weak::clone(&self.plan), Arc::clone(&self.waiting));
        let work = move || {
            let mut lost = [false; 2];
            for line in to_write {
                // It is there as long as the worker is not closed, which waits for this thread for a while.
                let Some(plan) = plan.upgrade() else { break };
                write(&plan, &line, &mut lost);
                let before = waiting.fetch_sub(line.bytes(), Ordering::Relaxed);
                if before >= FULL / 2 && before - line.bytes() < FULL / 2 {
                    plan.bell.ring();
                }
            }
            drop(ends);
        };
        let path = self.plan.upgrade()?.path.clone();
        let thread = thread::Builder::new().name(format!("prewire:{path}:output")).spawn(work);
        thread.is_ok().then_some(Queue { lines, ended })
    }

    /// Waits until everything is handed on, up to `limit`: false if something is not.
    pub(super) fn finish(&mut self, limit: Duration) -> bool {
        let Some(Queue { lines, ended }) = self.queue.take() else { return true };
        drop(lines);
        !matches!(ended.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout))
    }
}

/// Hands on one line. That one was `lost` is told once for each stream.
fn write(plan: &Plan, line: &Waiting, lost: &mut [bool; 2]) {
    let Err(error) = plan.output.write(&line.line()) else { return };
    if !std::mem::replace(&mut lost[line.stream as usize], true) {
        let (worker, stream) = (&plan.path, line.stream);
        event!(warn, %worker, ?stream, %error, "what children write is lost: this process cannot print it");
    }
}
