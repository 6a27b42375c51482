//! The child's side of a mailbox: it waits for something to do, does it, and reports.

use crate::bytes::{copy_in, in_place};
use crate::control::Control;
use crate::error::{BeginError, FrameError};
use crate::layout::{BLOB_BYTES, Block, Call, Mailbox, TASK_FRAMES, TaskFrame};
use crate::life::{Life, Phase, write_reason};
use crate::news::Wake;
use crate::word::{FrameState, Generation, Seen, Tag};
use core::cell::Cell;
use core::num::NonZeroI32;
use core::time::Duration;
use prewire_abi::{BlobView, TaskArgsView};
use prewire_sync::atomic::{Ordering, fence};
use prewire_sync::{Spinning, mutant};

/// What a child and its parent share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<'a> {
    pub(crate) mailbox: &'a Mailbox,
    block: &'a Block,
    child: u32,
}

impl Ends<'_> {
    fn report(self) -> Wake {
        self.block.report(self.child)
    }
}

/// The child's side of its mailbox. There is one for each generation: a second [`begin`](ChildEnd::begin) is refused.
#[derive(Debug)]
pub struct ChildEnd<'a> {
    ends: Ends<'a>,
    generation: Generation,
    pid: u32,
    /// Whether to spin before the next wait.
    spinning: Cell<Spinning>,
}

/// What a child has to do next.
#[derive(Debug)]
#[must_use = "what was taken has to be done"]
pub enum Work<'a> {
    /// Leave.
    Shutdown,
    /// Answer a request.
    Control(Control<'a>),
    /// Run a task.
    Task(Task<'a>),
}

/// A task that the child has taken. It owes an outcome: one that is dropped is running for the parent until its deadline
/// or the child's life ends.
#[derive(Debug)]
#[must_use = "the parent waits for the outcome"]
pub struct Task<'a> {
    ends: Ends<'a>,
    frame: &'a TaskFrame,
    tag: Tag,
}

impl<'a> ChildEnd<'a> {
    /// Begins as child `child` of `generation`: from now on it is this process, or a thread of it, that serves.
    ///
    /// # Errors
    ///
    /// The parent expects another child there, or this one has begun before.
    pub fn begin(
        mailbox: &'a Mailbox,
        block: &'a Block,
        child: u32,
        generation: Generation,
    ) -> Result<Self, BeginError> {
        let header = &mailbox.header;
        let pid = std::process::id();
        let (expected, begun) =
            (Life::new(Phase::Starting, generation, 0), Life::new(Phase::Starting, generation, pid));
        if !expected.advance(header, begun) {
            return Err(BeginError::NotExpected { child, generation, life: Life::of(header) });
        }
        Ok(Self { ends: Ends { mailbox, block, child }, generation, pid, spinning: Cell::default() })
    }

    /// The number of the child.
    #[must_use]
    pub const fn child(&self) -> u32 {
        self.ends.child
    }

    fn advance(&self, from: Phase, to: Phase) -> Wake {
        let header = &self.ends.mailbox.header;
        let life = |phase| Life::new(phase, self.generation, self.pid);
        if !life(from).advance(header, life(to)) {
            return Wake::None;
        }
        header.answers.notify_all();
        self.ends.report()
    }

    /// The start was a success: from now on it is given work.
    pub fn ready(&self) -> Wake {
        self.advance(Phase::Starting, Phase::Up)
    }

    /// The start failed, for this reason, cut to what there is room for.
    pub fn fail(self, reason: &str) -> Wake {
        write_reason(&self.ends.mailbox.header, reason);
        self.advance(Phase::Starting, Phase::Failed)
    }

    /// Leaves. What it has not taken is the parent's to take back.
    pub fn leave(self) -> Wake {
        self.advance(Phase::Up, Phase::Left)
    }

    /// The next thing to do, if there is one: first a shutdown, then a request, then the task that was posted first, if
    /// tasks are posted in the order of their tokens. What is not for this generation is not looked at; one whose time is over is told to leave.
    ///
    /// What is taken is done before the child leaves: it borrows this end.
    ///
    /// ```compile_fail,E0505
    /// # use prewire_mailbox::{ChildEnd, Work};
    /// fn leaves_with_a_task_in_hand(child: ChildEnd<'_>) {
    ///     let Some(Work::Task(task)) = child.look() else { return };
    ///     let _ = child.leave();
    ///     // From here on the frame may be given to the next child.
    ///     let _ = task.call();
    /// }
    /// ```
    pub fn look(&self) -> Option<Work<'_>> {
        let mailbox = self.ends.mailbox;
        let over = Life::glance(&mailbox.header).generation != self.generation;
        if over || mailbox.header.shutdown.load(Ordering::Relaxed) != 0 {
            return Some(Work::Shutdown);
        }
        let ready = |seen| match seen {
            Seen::State(FrameState::Ready, tag) if tag.generation == self.generation => Some(tag),
            _ => None,
        };
        if let Some(tag) = ready(mailbox.control.word.look())
            && mailbox.control.word.take(tag)
        {
            return Some(Work::Control(Control { ends: self.ends, tag }));
        }
        let look = || mailbox.tasks.each_ref().map(|frame| ready(frame.word.look()));
        let mut found = look();
        // MUTANT "child-one-look": a task that was posted between the looks at the two frames is taken for the older one.
        if found != [None; TASK_FRAMES] && !mutant::skips("child-one-look") {
            // ORDERING: Acquire, "frame-ready"; pairs with the store in publish: what was posted before the task that was
            // found is seen by the second look.
            // MUTANT "child-order-fence": the second look may be older than the first.
            if !mutant::skips("child-order-fence") {
                fence(Ordering::Acquire);
            }
            found = look();
        }
        let [mut first, mut second] = [(0, found[0]), (1, found[1])];
        const { assert!(TASK_FRAMES == 2) };
        if let ((_, Some(a)), (_, Some(b))) = (first, second)
            && (b.number.wrapping_sub(a.number)).cast_signed() < 0
        {
            core::mem::swap(&mut first, &mut second);
        }
        [first, second].into_iter().find_map(|(i, tag)| {
            let (frame, tag): (&TaskFrame, Tag) = (&mailbox.tasks[i], tag?);
            frame.word.take(tag).then_some(Work::Task(Task { ends: self.ends, frame, tag }))
        })
    }

    /// Waits for the next thing to do: spins for some microseconds where that pays, then parks. `None` when `timeout` has
    /// passed.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Work<'_>> {
        let mut found = None;
        let mut spinning = self.spinning.get();
        let spun = spinning.spin(|| {
            found = self.look();
            found.is_some()
        });
        self.spinning.set(spinning);
        if spun { found } else { self.ends.mailbox.header.doorbell.park_until(timeout, || self.look()) }
    }
}

impl Task<'_> {
    /// What the task is.
    #[must_use]
    pub fn call(&self) -> &Call {
        // SAFETY: this child has taken the frame and owns it until it finishes, which takes `self`.
        unsafe { in_place(&self.frame.call) }
    }

    /// The token that it was posted under.
    #[must_use]
    pub const fn token(&self) -> u32 {
        self.tag.number
    }

    /// The bytes of its arguments, where they are.
    ///
    /// # Errors
    ///
    /// The frame says that there are more than can be.
    pub fn bytes(&self) -> Result<&[u8], FrameError> {
        let bytes = self.call().blob_bytes as usize;
        // SAFETY: this child has taken the frame and owns it until it finishes, which takes `self`.
        let all = unsafe { in_place(&self.frame.blob) };
        all.get(..bytes).ok_or(FrameError::Length { bytes, capacity: BLOB_BYTES })
    }

    /// Its arguments, where they are. The tensors are checked when they are asked for.
    ///
    /// # Errors
    ///
    /// The frame does not hold what a blob is.
    pub fn args(&self) -> Result<TaskArgsView<'_>, FrameError> {
        BlobView::parse(self.bytes()?).map(|blob| blob.args()).map_err(FrameError::Blob)
    }

    /// Says how far it is, in a measure of its own: what [`ParentEnd::progress`](crate::ParentEnd::progress) shows.
    pub fn set_progress(&self, progress: u64) {
        self.frame.progress.store(progress, Ordering::Relaxed);
    }

    /// It has ended well. What the child wrote before is visible to the parent.
    pub fn finish(self) -> Wake {
        self.finish_then(|| ())
    }

    /// As [`finish`](Task::finish), and calls `between` when the outcome is there and nobody has been woken for it.
    pub fn finish_then(self, between: impl FnOnce()) -> Wake {
        self.end(true, between)
    }

    /// It failed, with this code and text; of the text what there is room for.
    pub fn fail(self, code: NonZeroI32, text: &str) -> Wake {
        self.fail_then(code, text, || ())
    }

    /// As [`fail`](Task::fail), and calls `between` when the outcome is there and nobody has been woken for it.
    pub fn fail_then(self, code: NonZeroI32, text: &str, between: impl FnOnce()) -> Wake {
        let text = &text.as_bytes()[..text.floor_char_boundary(crate::layout::TEXT_BYTES)];
        self.frame.code.store(code.get().cast_unsigned(), Ordering::Relaxed);
        // SAFETY: this child has taken the frame and finishes it below; `text` is not part of the cell, which is never
        // given out.
        let written = unsafe { copy_in(&self.frame.text, text) };
        self.frame.text_bytes.store(written as u32, Ordering::Relaxed);
        self.end(false, between)
    }

    fn end(self, well: bool, between: impl FnOnce()) -> Wake {
        // MUTANT "mailbox-early-report": the parent is told before the task has ended.
        if mutant::skips("mailbox-early-report") {
            let wake = self.ends.report();
            self.frame.word.finish(self.tag, well);
            return wake;
        }
        // If the frame is not this task's any more, somebody has overwritten it, and the parent finds that out.
        self.frame.word.finish(self.tag, well);
        between();
        self.ends.report()
    }
}
