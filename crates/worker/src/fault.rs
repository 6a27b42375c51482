//! Faults on purpose: a child that ends, hangs or panics at a point of its life that is named.
//!
//! For tests of what contains them. The points are in the code of the child, so that a fault comes at a state of its
//! mailbox, not at a time.

use std::sync::Arc;

use prewire_os::process::{self, Signal};
use prewire_sync::atomic::{AtomicU32, Ordering};

/// Where in its life a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Point {
    /// It has been made, and has not said that it serves.
    Starting,
    /// It has just said that it serves.
    Ready,
    /// It has taken a task, and has not looked at it.
    Taken,
    /// It is about to call what the task runs.
    Calling,
    /// The callable has returned; nothing is told yet.
    Returned,
    /// The task is told as done in the mailbox; the parent has not been woken.
    Told,
    /// The parent has been woken.
    Reported,
    /// It has taken a request, and not answered.
    Asked,
    /// It has answered; the parent has not been woken.
    Answered,
    /// It was told to leave.
    Leaving,
}

impl Point {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::Starting,
        Self::Ready,
        Self::Taken,
        Self::Calling,
        Self::Returned,
        Self::Told,
        Self::Reported,
        Self::Asked,
        Self::Answered,
        Self::Leaving,
    ];
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Act {
    /// Its process is killed by SIGKILL.
    Kill,
    /// Its process dies of SIGSEGV.
    Crash,
    /// Its process is stopped by SIGSTOP.
    Stop,
    /// Its process ends with exit code 7.
    Exit,
    /// It panics.
    Panic,
}

/// A fault of one child: what happens, where, and at which time that it comes there. Only the first process of the child
/// has it, not its replacements, unless [`always`](Fault::always) says so.
///
/// ```
/// use prewire_worker::{Act, Fault, Point, Worker};
///
/// let tree = Worker::node().subs(2).fault(Fault::new("sub1", Act::Kill, Point::Taken).nth(3));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault is given to Builder::fault"]
pub struct Fault {
    child: String,
    act: Act,
    point: Point,
    nth: u32,
    always: bool,
    /// How often the child came there. Raised by the child's own thread.
    seen: Arc<AtomicU32>,
}

impl Fault {
    /// `act` at the first time that `child` comes to `point`.
    pub fn new(child: impl Into<String>, act: Act, point: Point) -> Self {
        Self { child: child.into(), act, point, nth: 1, always: false, seen: Arc::default() }
    }

    /// At the `nth` time instead, counted from 1.
    pub const fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// Replacements of the child have it too.
    pub const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Whose fault it is.
    #[must_use]
    pub fn child(&self) -> &str {
        &self.child
    }
}

/// The faults of one child, in the child.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Those of `child`, in its process of that number, counted from 0.
    pub(crate) fn of(faults: &[Fault], child: &str, life: u32) -> Self {
        let here = |fault: &&Fault| fault.child == child && (life == 0 || fault.always);
        let fresh = |fault: &Fault| Fault { seen: Arc::default(), ..fault.clone() };
        Self(faults.iter().filter(here).map(fresh).collect())
    }

    /// The child is at `point`.
    #[inline]
    pub(crate) fn at(&self, point: Point) {
        if !self.0.is_empty() {
            self.strike(point);
        }
    }

    #[cold]
    fn strike(&self, point: Point) {
        for fault in self.0.iter().filter(|fault| fault.point == point) {
            if fault.seen.fetch_add(1, Ordering::Relaxed) + 1 == fault.nth {
                let signal = match fault.act {
                    Act::Kill => Signal::KILL,
                    Act::Crash => Signal::SEGV,
                    Act::Stop => Signal::STOP,
                    Act::Exit => process::exit_now(7),
                    Act::Panic => panic!("a fault was set here ({point:?})"),
                };
                let sent = process::kill_self(signal);
                debug_assert!(sent.is_ok(), "a process may send itself a signal");
            }
        }
    }
}
