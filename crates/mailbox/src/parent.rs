//! The parent's side of a mailbox: tasks and their outcomes, and the life of the child.

use crate::bytes::copy_out;
use crate::error::{ArmError, Failure, PostError};
use crate::layout::{BLOB_BYTES, Call, Mailbox, TASK_FRAMES, TEXT_BYTES, TaskFrame};
use crate::life::{Life, Phase, read_reason};
use crate::word::{FrameState, Generation, Seen, Tag};
use core::num::NonZeroI32;
use core::time::Duration;
use prewire_abi::{BlobError, TaskArgsView};
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

/// How a task that was posted stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskStatus {
    /// Its frame does not hold it: never posted, taken back, or reaped.
    Absent,
    /// Posted; the child has not taken it.
    Ready,
    /// The child has it.
    Running,
    /// It has ended: reap it.
    Ended,
    /// The state word is none that anybody writes: the child, or a kernel in it, has overwritten the mailbox.
    Broken(u64),
}

/// The parent's side of the mailbox of one child. Any thread may use it: what must be one thread's is claimed.
///
/// A task goes by a token that the parent chooses; its lowest bit picks the frame, and of two tasks that wait the child
/// takes the one whose token is lower (they come around).
#[derive(Clone, Copy, Debug)]
pub struct ParentEnd<'a> {
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) child: u32,
}

impl<'a> ParentEnd<'a> {
    /// The parent's side of `mailbox`, which is that of child `child`.
    #[must_use]
    pub const fn new(mailbox: &'a Mailbox, child: u32) -> Self {
        Self { mailbox, child }
    }

    /// The number of the child.
    #[must_use]
    pub const fn child(&self) -> u32 {
        self.child
    }

    fn frame(&self, token: u32) -> &'a TaskFrame {
        &self.mailbox.tasks[token as usize % TASK_FRAMES]
    }

    /// Posts a task: its arguments are written into the frame, and the child is woken if it is parked. Whether it was: then
    /// it takes its time.
    ///
    /// # Errors
    ///
    /// The frame of `token` is in use, the child does not serve, or the arguments do not fit. Nothing is posted then.
    pub fn post(&self, token: u32, call: &Call, args: TaskArgsView<'_>) -> Result<bool, PostError> {
        let bytes = args.blob_len();
        if bytes > BLOB_BYTES {
            return Err(PostError::TooLarge { child: self.child, bytes, capacity: BLOB_BYTES });
        }
        self.post_with(token, call, |room| args.write_blob(room))
    }

    /// As [`post`](ParentEnd::post), with arguments that `write` writes to the start of what it is given; it returns how
    /// many bytes they have. What it is given holds what was there before. For arguments that are not together anywhere
    /// there is [`BlobWriter`](prewire_abi::BlobWriter).
    ///
    /// # Errors
    ///
    /// As `post`, or that of `write`.
    pub fn post_with(
        &self,
        token: u32,
        call: &Call,
        write: impl FnOnce(&mut [u8]) -> Result<usize, BlobError>,
    ) -> Result<bool, PostError> {
        let child = self.child;
        let life = Life::glance(&self.mailbox.header);
        if life.phase != Some(Phase::Up) {
            return Err(PostError::NotUp { child, life });
        }
        let frame = self.frame(token);
        let Some(filling) = frame.word.claim() else {
            let state = match frame.word.look() {
                Seen::State(state, _) => Some(state),
                Seen::Broken(_) => None,
            };
            return Err(PostError::Busy { child, token, state });
        };
        let written = frame.blob.with_mut(|blob| {
            // SAFETY: the frame was claimed, so no one else reaches its cells until it is published, and the reference
            // ends before that.
            write(unsafe { &mut *blob })
        });
        let bytes = written.map_err(|error| PostError::Blob { child, error })?;
        if bytes > BLOB_BYTES {
            return Err(PostError::TooLarge { child, bytes, capacity: BLOB_BYTES });
        }
        let call = Call { blob_bytes: bytes as u32, ..*call };
        // SAFETY: as above.
        frame.call.with_mut(|to| unsafe { to.write(call) });
        frame.progress.store(0, Ordering::Relaxed);
        filling.publish(Tag { generation: life.generation, number: token });
        Ok(self.ring())
    }

    /// Rings the child's doorbell: whether it was parked.
    pub(crate) fn ring(&self) -> bool {
        // MUTANT "mailbox-no-ring": the child is not told.
        !mutant::skips("mailbox-no-ring") && self.mailbox.header.doorbell.notify_one()
    }

    /// What the frame of `token` says, if it holds that task.
    fn seen(&self, token: u32) -> Result<(FrameState, Tag), TaskStatus> {
        match self.frame(token).word.look() {
            Seen::Broken(word) => Err(TaskStatus::Broken(word)),
            Seen::State(state, tag) if tag.number == token && state != FrameState::Idle => Ok((state, tag)),
            Seen::State(..) => Err(TaskStatus::Absent),
        }
    }

    /// How the task stands.
    #[inline]
    #[must_use]
    pub fn status(&self, token: u32) -> TaskStatus {
        match self.seen(token) {
            Err(status) => status,
            Ok((FrameState::Ready, _)) => TaskStatus::Ready,
            Ok((FrameState::Running | FrameState::Abandoned, _)) => TaskStatus::Running,
            Ok((FrameState::Done | FrameState::Failed, _)) => TaskStatus::Ended,
            Ok(_) => TaskStatus::Absent,
        }
    }

    /// Takes the outcome of a task that has ended, and frees its frame: what the child wrote before it ended is visible.
    /// `None` if it has not ended, or another thread has its outcome.
    pub fn reap(&self, token: u32) -> Option<Result<(), Failure>> {
        let (state, tag) = self.seen(token).ok()?;
        let frame = self.frame(token);
        match state {
            FrameState::Done => frame.word.reap(tag).then_some(Ok(())),
            FrameState::Failed => {
                let reading = frame.word.read(FrameState::Failed, tag)?;
                let code = frame.code.load(Ordering::Relaxed).cast_signed();
                let len = (frame.text_bytes.load(Ordering::Relaxed) as usize).min(TEXT_BYTES);
                // SAFETY: the frame is being read by this thread, which owns it until `reading` is dropped.
                let text = unsafe { copy_out(&frame.text, len) };
                drop(reading);
                Some(Err(failure(code, &text)))
            }
            _ => None,
        }
    }

    /// Takes a task back that the child has not taken. True: it will never run, and its frame is free. False: the child
    /// has taken it, or it is not there.
    #[must_use = "a task that the child has taken runs"]
    pub fn retract(&self, token: u32) -> bool {
        match self.seen(token) {
            Ok((FrameState::Ready, tag)) => self.frame(token).word.retract(tag),
            _ => false,
        }
    }

    /// How far the child says it is with a task, in its own measure; `None` if it is not running it.
    #[must_use]
    pub fn progress(&self, token: u32) -> Option<u64> {
        let progress = self.frame(token).progress.load(Ordering::Relaxed);
        (self.status(token) == TaskStatus::Running).then_some(progress)
    }

    /// What is known of the child.
    #[must_use]
    pub fn life(&self) -> Life {
        Life::of(&self.mailbox.header)
    }

    /// Why the child's start failed, in its own words; `None` if it did not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        (self.life().phase == Some(Phase::Failed)).then(|| read_reason(&self.mailbox.header))
    }

    /// Makes the place ready for the child of `generation`: every frame is free, nothing is asked for. Before its start,
    /// by the thread that starts children, and not while another thread posts.
    ///
    /// # Errors
    ///
    /// There is a child that is not known to be dead.
    pub fn arm(&self, generation: Generation) -> Result<(), ArmError> {
        let header = &self.mailbox.header;
        let life = Life::of(header);
        let refused = ArmError::Alive { child: self.child, life };
        if life.phase.is_some_and(|phase| !phase.is_over()) {
            return Err(refused);
        }
        // MUTANT "life-arm-early": the child is expected before its place is ready.
        let early = mutant::skips("life-arm-early")
            && life.advance(header, Life::new(Phase::Starting, generation, 0));
        // The one that waited there is gone.
        header.doorbell.forget_waiters();
        header.shutdown.store(0, Ordering::Relaxed);
        header.reason_bytes.store(0, Ordering::Relaxed);
        self.mailbox.control.word.clear();
        self.mailbox.tasks.iter().for_each(|frame| frame.word.clear());
        let armed = early || life.advance(header, Life::new(Phase::Starting, generation, 0));
        armed.then_some(()).ok_or(refused)
    }

    /// The child is dead: nothing is posted to it any more, and who waits for its answer is told. What it had is still
    /// in the frames: reap what has ended, retract what it never took; what is running is lost with it.
    ///
    /// Call it once the kernel has said so. A child that is a thread of this process cannot be dead unless it has left.
    ///
    /// # Errors
    ///
    /// The child is a thread of this process that has not left.
    pub fn bury(&self) -> Result<(), ArmError> {
        let header = &self.mailbox.header;
        loop {
            let life = Life::of(header);
            if life.phase.is_some_and(Phase::is_over) {
                return Ok(());
            }
            if life.phase.is_some() && life.pid == std::process::id() {
                return Err(ArmError::Alive { child: self.child, life });
            }
            let gone = Life::new(Phase::Gone, life.generation, life.pid);
            if life.phase.is_none() {
                // No exchange compares with a word that nobody writes; and nobody else is there to write it.
                header.life.store(gone.word(), Ordering::Relaxed);
            } else if !life.advance(header, gone) {
                continue;
            }
            header.answers.notify_all();
            return Ok(());
        }
    }

    /// Asks the child to leave, for good: it does so before it takes anything else.
    pub fn shut_down(&self) {
        self.mailbox.header.shutdown.store(1, Ordering::Relaxed);
        self.ring();
    }

    /// Waits until the child's start has come to an end, well or not, or `timeout` has passed; what is known then.
    #[must_use]
    pub fn wait_started(&self, timeout: Option<Duration>) -> Life {
        let header = &self.mailbox.header;
        let started = header.answers.wait_until(timeout, || {
            let life = Life::of(header);
            (life.phase != Some(Phase::Starting)).then_some(life)
        });
        started.unwrap_or_else(|| Life::of(header))
    }
}

/// What a child says of its failure. It owes a code; a missing one is not taken for success.
pub(crate) fn failure(code: i32, text: &[u8]) -> Failure {
    let code = NonZeroI32::new(code).unwrap_or(NonZeroI32::MIN);
    Failure { code, text: String::from_utf8_lossy(text).into_owned() }
}
