//! The body of a child, in a process or a thread of its own: it begins, becomes what it is, and serves until it is told to
//! leave.
//!
//! **Invariant: whatever it is asked comes to an outcome, or the child comes to its end.** An error or a panic of what a
//! task runs is the outcome of the task; the child goes on.

mod below;
mod chip;
pub(crate) mod control;
mod device;
mod events;
mod outcome;
mod sub;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use prewire_abi::TaskArgsView;
use prewire_mailbox::{Call, ChildEnd, Control, Generation, Task, Wake, Work};
use prewire_os::clock;

use crate::callable::{Callable, Catalog, Digest};
use crate::fault::{Faults, Point};
use crate::inner::Inside;
use crate::output::say;
use crate::plan::Plan;
use crate::tree::{Mode, Role};

use below::Below;
use chip::ChipSeat;
use outcome::{Refused, contained, refuse};

/// How long before the deadline of its task a run of a child ends, at most.
const MARGIN: Duration = Duration::from_millis(50);

/// How a child has come to its end by itself.
#[derive(Debug)]
pub(crate) enum Served {
    /// It was told to leave, and did.
    Left,
    /// It could not become what it is to be, and has said why.
    Unfit,
    /// Nobody expected it.
    Stranger,
    /// What it is cannot be used any more; it has said so of its last task.
    Lost,
}

impl Served {
    /// The exit code of its process.
    pub(crate) const fn code(&self) -> i32 {
        match self {
            Self::Left => 0,
            Self::Unfit => 70,
            Self::Stranger => 71,
            Self::Lost => 72,
        }
    }
}

/// What a child is.
enum Trade {
    Chip(ChipSeat),
    Sub,
    Worker(Below),
}

impl Trade {
    /// Becomes what child `child` of `plan` is to be.
    fn new(plan: &Plan, child: usize, generation: Generation) -> Result<Self, String> {
        match &plan.children[child].role {
            Role::Chip(builder) => ChipSeat::new(plan, child, builder, generation.get()).map(Self::Chip),
            Role::Sub => Ok(Self::Sub),
            Role::Worker(builder) => Below::new(plan, child, builder).map(Self::Worker),
        }
    }

    fn run(&mut self, plan: &Plan, task: &Assigned<'_>) -> Result<(), Refused> {
        match self {
            Self::Chip(chip) => chip.run(plan, task),
            Self::Sub => sub::run(plan, task),
            Self::Worker(below) => below.run(plan, task),
        }
    }

    /// Whether it cannot be used any more.
    fn is_lost(&self) -> bool {
        match self {
            Self::Chip(chip) => chip.is_lost(),
            Self::Sub => false,
            Self::Worker(below) => below.is_lost(),
        }
    }
}

/// A task, and what it calls.
struct Assigned<'t> {
    callable: Callable,
    call: &'t Call,
    args: TaskArgsView<'t>,
}

impl Assigned<'_> {
    /// How long it may still take; none: for ever. At its deadline the parent kills the child, so a run here is to end
    /// a little before: then it says itself what took so long, and everything else here lives on.
    fn time_left(&self) -> Option<Duration> {
        let deadline = Some(self.call.deadline).filter(|deadline| *deadline != 0)?;
        let left = Duration::from_nanos(deadline).saturating_sub(clock::monotonic());
        Some(left.saturating_sub(MARGIN.min(left / 4)))
    }
}

/// A child that serves.
struct Server<'s> {
    plan: &'s Plan,
    faults: Faults,
    trade: Trade,
}

/// Has a process in which no child runs learn what [`control::learn`] wrote for children. Whether it can, they say.
pub(crate) fn learn(catalog: &Catalog, request: &[u8]) {
    let _ = control::learnt(catalog, request);
}

/// Has a process in which no child runs forget the callable with that digest.
pub(crate) fn forget(catalog: &Catalog, digest: &[u8]) {
    let _ = control::unlearnt(catalog, digest);
}

fn wake(plan: &Plan, wake: Wake) {
    if wake == Wake::Progress {
        plan.bell.ring();
    }
}

/// The life of child `child`, up to its end.
pub(crate) fn serve(plan: &Arc<Plan>, child: usize, generation: Generation) -> Served {
    let end = match plan.area.child(child as u32, generation) {
        Ok(end) => end,
        Err(error) => {
            say(format_args!("{} does not begin: {error}", plan.child_path(child)));
            return Served::Stranger;
        }
    };
    if plan.children[child].mode == Mode::Process {
        events::write(plan.settings.events);
    }
    let faults = Faults::of(&plan.faults, &plan.children[child].name, generation.get().wrapping_sub(1));
    let begun = catch_unwind(AssertUnwindSafe(|| {
        faults.at(Point::Starting);
        Trade::new(plan, child, generation)
    }));
    let trade = match begun {
        Ok(Ok(trade)) => trade,
        Ok(Err(reason)) => {
            wake(plan, end.fail(&reason));
            return Served::Unfit;
        }
        Err(panic) => {
            wake(plan, end.fail(&format!("it panicked as it began: {}", prewire_runs::message(&*panic))));
            resume_unwind(panic);
        }
    };
    let server = Server { plan, faults, trade };
    let served = catch_unwind(AssertUnwindSafe(|| {
        // Whoever attends takes the news, and it is the progress thread that has to hear of this.
        let _ = end.ready();
        plan.bell.ring();
        server.faults.at(Point::Ready);
        server.run(&end)
    }));
    // By now all that it was is gone. A thread that panicked must not be taken for one that is still there.
    wake(plan, end.leave());
    served.unwrap_or_else(|panic| resume_unwind(panic))
}

impl Server<'_> {
    fn run(mut self, end: &ChildEnd<'_>) -> Served {
        // What runs here must not wait for the worker that waits for it.
        let _inside = Inside::enter();
        loop {
            match end.wait(None) {
                None => {}
                Some(Work::Task(task)) => {
                    self.task(task);
                    if self.trade.is_lost() {
                        return Served::Lost;
                    }
                }
                Some(Work::Control(control)) => self.answer(control),
                Some(Work::Shutdown) => {
                    self.faults.at(Point::Leaving);
                    return Served::Left;
                }
            }
        }
    }

    fn task(&mut self, task: Task<'_>) {
        self.faults.at(Point::Taken);
        let outcome = self.outcome(&task);
        self.faults.at(Point::Returned);
        let woken = match outcome {
            Ok(()) => task.finish_then(|| self.faults.at(Point::Told)),
            Err(refused) => task.fail_then(refused.code, &refused.text, || self.faults.at(Point::Told)),
        };
        wake(self.plan, woken);
        self.faults.at(Point::Reported);
    }

    fn outcome(&mut self, task: &Task<'_>) -> Result<(), Refused> {
        let args = task.args().map_err(|error| refuse(outcome::BROKEN, &error))?;
        let call = task.call();
        let digest = Digest(call.callable);
        let Some(callable) = self.plan.catalog.find(&digest) else {
            return Err(outcome::unknown(&digest));
        };
        contained(|| {
            self.faults.at(Point::Calling);
            self.trade.run(self.plan, &Assigned { callable, call, args })
        })
    }

    fn answer(&mut self, control: Control<'_>) {
        self.faults.at(Point::Asked);
        let answer = contained(|| control::serve(self.plan, &self.trade, &control));
        match answer {
            Ok(answer) => {
                control.answer_then(answer.results, &answer.bytes, || self.faults.at(Point::Answered));
            }
            Err(refused) => {
                control.refuse_then(refused.code, &refused.text, || self.faults.at(Point::Answered));
            }
        }
    }
}
