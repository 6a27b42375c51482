//! A stack for a kernel that may block, in seeded mode: a thread that runs only while the driver waits for it.
//!
//! The baton is in one hand at a time: the driver gives it with an order and waits until it comes back, because the
//! kernel has returned or because it waits for a peer.

use crate::peers::PeerWait;
use alloc::sync::Arc;
use core::cell::RefCell;
use prewire_platform::{Host, LaneId, Work};
use prewire_runs::event;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Who has the baton, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The driver; the thread has nothing to do.
    Free,
    /// The thread: it is to run this.
    Run(LaneId, Work),
    /// The thread: its kernel runs.
    Running,
    /// The driver: the kernel waits for a peer.
    Blocked,
    /// The thread: its kernel is to look again.
    Look,
    /// The thread: its kernel is told that the simulator stops.
    Cancel,
    /// The driver: the kernel has returned.
    Returned,
    /// The thread: it is to end.
    End,
}

/// What the kernel did with the baton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Handed {
    /// It has returned.
    Returned,
    /// It waits for a peer. `moved`: it got further before it did.
    Blocked { moved: bool },
}

#[derive(Debug)]
struct State {
    turn: Turn,
    /// Looks of the kernel that came out well.
    passed: u64,
}

#[derive(Debug)]
struct Baton {
    state: Mutex<State>,
    handed: Condvar,
}

std::thread_local! {
    /// The baton of the stack that this thread is.
    static MINE: RefCell<Option<Arc<Baton>>> = const { RefCell::new(None) };
}

impl Baton {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, turn: Turn) {
        self.lock().turn = turn;
        self.handed.notify_all();
    }

    /// Waits until `mine` holds of the turn, and returns it.
    fn await_turn(&self, mine: impl Fn(Turn) -> bool) -> Turn {
        let not_mine = |s: &mut State| !mine(s.turn);
        let state = self.handed.wait_while(self.lock(), not_mine).unwrap_or_else(PoisonError::into_inner);
        state.turn
    }
}

/// The stack: owned by the driver.
#[derive(Debug)]
pub(crate) struct Stack {
    baton: Arc<Baton>,
    thread: JoinHandle<()>,
}

impl Stack {
    /// Starts stack `number`.
    pub(crate) fn new(number: usize, host: Arc<dyn Host>) -> io::Result<Self> {
        let state = Mutex::new(State { turn: Turn::Free, passed: 0 });
        let baton = Arc::new(Baton { state, handed: Condvar::new() });
        let mine = baton.clone();
        let name = format!("prewire-sim-{number}");
        let thread = thread::Builder::new().name(name).spawn(move || main(&mine, &*host))?;
        Ok(Self { baton, thread })
    }

    /// Runs a kernel on it until it returns or blocks.
    pub(crate) fn run(&self, lane: LaneId, work: Work) -> Handed {
        self.hand(Turn::Run(lane, work))
    }

    /// Lets the blocked kernel look again.
    pub(crate) fn look(&self) -> Handed {
        self.hand(Turn::Look)
    }

    /// Tells the blocked kernel that the simulator stops, until it has returned.
    pub(crate) fn cancel(&self) {
        while self.hand(Turn::Cancel) != Handed::Returned {}
    }

    fn hand(&self, turn: Turn) -> Handed {
        let passed = self.baton.lock().passed;
        self.baton.set(turn);
        match self.baton.await_turn(|t| matches!(t, Turn::Returned | Turn::Blocked)) {
            Turn::Blocked => Handed::Blocked { moved: self.baton.lock().passed != passed },
            _ => Handed::Returned,
        }
    }

    /// Ends the thread. No kernel may be on it.
    pub(crate) fn end(self) {
        self.baton.set(Turn::End);
        // It does not unwind: `main` ends the process if a kernel does.
        let _ = self.thread.join();
    }
}

fn main(baton: &Arc<Baton>, host: &dyn Host) {
    MINE.with(|mine| *mine.borrow_mut() = Some(baton.clone()));
    while let Turn::Run(lane, work) = baton.await_turn(|t| matches!(t, Turn::Run(..) | Turn::End)) {
        baton.set(Turn::Running);
        let run = core::panic::AssertUnwindSafe(|| host.execute(lane, work));
        if std::panic::catch_unwind(run).is_err() {
            event!(error, ?lane, "a host unwound into the simulator: the process ends");
            std::process::abort();
        }
        baton.set(Turn::Returned);
    }
}

/// Waits for a peer in a kernel in seeded mode.
pub(crate) fn wait(look: &mut dyn FnMut() -> bool) -> PeerWait {
    let mine = MINE.with(|mine| mine.borrow().clone());
    loop {
        if look() {
            if let Some(baton) = &mine {
                baton.lock().passed += 1;
            }
            return PeerWait::Ready;
        }
        let Some(baton) = &mine else { return PeerWait::CannotWait };
        baton.set(Turn::Blocked);
        let turn = baton.await_turn(|t| matches!(t, Turn::Look | Turn::Cancel));
        baton.set(Turn::Running);
        if turn == Turn::Cancel {
            return PeerWait::Stopped;
        }
    }
}
