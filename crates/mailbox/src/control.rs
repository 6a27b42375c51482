//! Requests of the parent that are no tasks (memory, callables): one at a time, each with an answer or a reason why not.

use crate::bytes::{copy_in, copy_out, in_place};
use crate::child::Ends;
use crate::error::ControlError;
use crate::layout::{ANSWER_BYTES, ControlFrame, REQUEST_BYTES};
use crate::life::{Life, Phase};
use crate::parent::{ParentEnd, failure};
use crate::word::{FrameState, Seen, Tag};
use core::num::NonZeroI32;
use core::time::Duration;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

/// What a child answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its words.
    pub results: [u64; 4],
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A request on its way. Dropped without an answer it is taken back, or abandoned if the child has begun on it.
#[derive(Debug)]
#[must_use = "a request that is dropped is taken back"]
pub struct Request<'a> {
    end: ParentEnd<'a>,
    tag: Tag,
}

impl<'a> ParentEnd<'a> {
    /// Asks the child for something: `code`, four words and some bytes, whose meaning both agree on.
    ///
    /// # Errors
    ///
    /// The child does not serve, another request is on its way, or the bytes do not fit.
    pub fn request(&self, code: u32, args: [u64; 4], bytes: &[u8]) -> Result<Request<'a>, ControlError> {
        let (child, header, frame) = (self.child, &self.mailbox.header, &self.mailbox.control);
        let life = Life::glance(header);
        if life.phase != Some(Phase::Up) {
            return Err(ControlError::NotUp { child, life });
        }
        if bytes.len() > REQUEST_BYTES {
            return Err(ControlError::TooLarge { child, bytes: bytes.len(), capacity: REQUEST_BYTES });
        }
        let Some(filling) = frame.word.claim() else {
            let state = match frame.word.look() {
                Seen::State(state, _) => Some(state),
                Seen::Broken(_) => None,
            };
            return Err(ControlError::Busy { child, state });
        };
        frame.code.store(code, Ordering::Relaxed);
        store(&frame.args, args);
        // SAFETY: the frame was claimed, so no one else reaches its cells until it is published.
        let written = unsafe { copy_in(&frame.request, bytes) };
        frame.request_bytes.store(written as u32, Ordering::Relaxed);
        let number = header.requests.fetch_add(1, Ordering::Relaxed);
        let tag = Tag { generation: life.generation, number };
        filling.publish(tag);
        self.ring();
        Ok(Request { end: *self, tag })
    }
}

impl Request<'_> {
    /// The answer, if there is one; or that there will be none.
    pub fn look(&mut self) -> Option<Result<Answer, ControlError>> {
        let (child, mailbox) = (self.end.child, self.end.mailbox);
        let frame = &mailbox.control;
        // MUTANT "control-early-look": the frame is looked at before the child's life.
        let early = mutant::skips("control-early-look").then(|| frame.word.look());
        // First: a child that has left has answered before, if it ever took the request.
        let life = Life::of(&mailbox.header);
        let over = life.generation != self.tag.generation || life.phase.is_none_or(Phase::is_over);
        let lost = Some(Err(ControlError::Lost { child, life }));
        match early.unwrap_or_else(|| frame.word.look()) {
            Seen::State(state @ (FrameState::Done | FrameState::Failed), tag) if tag == self.tag => {
                let Some(reading) = frame.word.read(state, tag) else { return lost };
                let failed = state == FrameState::Failed;
                let len = frame.answer_bytes.load(Ordering::Relaxed) as usize;
                // SAFETY: the frame is being read by this thread, which owns it until `reading` is dropped.
                let bytes = unsafe { copy_out(&frame.answer, len) };
                let code = frame.failure.load(Ordering::Relaxed).cast_signed();
                let results = load(&frame.results);
                drop(reading);
                Some(if failed {
                    Err(ControlError::Failed { child, failure: failure(code, &bytes) })
                } else {
                    Ok(Answer { results, bytes })
                })
            }
            Seen::State(FrameState::Ready, tag) if tag == self.tag => {
                if over && frame.word.retract(tag) {
                    return Some(Err(ControlError::NotUp { child, life }));
                }
                None
            }
            Seen::State(FrameState::Running, tag) if tag == self.tag => {
                if over {
                    lost
                } else {
                    None
                }
            }
            // Cleared for the next child, or overwritten.
            _ => lost,
        }
    }

    /// Waits for the answer: up to `timeout` for the child to begin, and as long for it to end.
    ///
    /// # Errors
    ///
    /// The child answered that it failed; it left or died; or the time passed, after which the answer, should it come,
    /// is dropped.
    pub fn wait(mut self, timeout: Option<Duration>) -> Result<Answer, ControlError> {
        let answers = &self.end.mailbox.header.answers;
        let mut answer = answers.wait_until(timeout, || self.look());
        let begun = |state| matches!(state, Seen::State(FrameState::Running, tag) if tag == self.tag);
        if answer.is_none() && begun(self.end.mailbox.control.word.look()) {
            answer = answers.wait_until(timeout, || self.look());
        }
        answer.unwrap_or_else(|| {
            let began = self.end.mailbox.control.word.abandon(self.tag);
            Err(ControlError::TimedOut { child: self.end.child, waited: timeout.unwrap_or_default(), began })
        })
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.end.mailbox.control.word.abandon(self.tag);
    }
}

/// A request that the child has taken. It owes an answer: one that is dropped is never answered, and the parent waits
/// until its patience or the child's life ends.
#[derive(Debug)]
#[must_use = "the parent waits for the answer"]
pub struct Control<'a> {
    pub(crate) ends: Ends<'a>,
    pub(crate) tag: Tag,
}

impl<'a> Control<'a> {
    fn frame(&self) -> &'a ControlFrame {
        &self.ends.mailbox.control
    }

    /// What is asked for.
    #[must_use]
    pub fn code(&self) -> u32 {
        self.frame().code.load(Ordering::Relaxed)
    }

    /// The words that came with it.
    #[must_use]
    pub fn args(&self) -> [u64; 4] {
        load(&self.frame().args)
    }

    /// The bytes that came with it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let len = self.frame().request_bytes.load(Ordering::Relaxed) as usize;
        // SAFETY: this child has taken the frame and owns it until it finishes, which takes `self`.
        let all = unsafe { in_place(&self.frame().request) };
        &all[..len.min(all.len())]
    }

    /// Answers. More than [`ANSWER_BYTES`] bytes are refused in their place.
    pub fn answer(self, results: [u64; 4], bytes: &[u8]) {
        self.answer_then(results, bytes, || ());
    }

    /// As [`answer`](Control::answer), and calls `between` when the answer is there and nobody has been woken for it.
    pub fn answer_then(self, results: [u64; 4], bytes: &[u8], between: impl FnOnce()) {
        if bytes.len() > ANSWER_BYTES {
            let text = format!(
                "the answer has {} bytes, the control frame holds {ANSWER_BYTES}; ask for less at a time",
                bytes.len()
            );
            return self.refuse_then(NonZeroI32::MAX, &text, between);
        }
        store(&self.frame().results, results);
        self.end(true, 0, bytes, between);
    }

    /// Answers that it failed.
    pub fn refuse(self, code: NonZeroI32, text: &str) {
        self.refuse_then(code, text, || ());
    }

    /// As [`refuse`](Control::refuse), and calls `between` when the answer is there and nobody has been woken for it.
    pub fn refuse_then(self, code: NonZeroI32, text: &str, between: impl FnOnce()) {
        let text = &text.as_bytes()[..text.floor_char_boundary(ANSWER_BYTES)];
        self.end(false, code.get(), text, between);
    }

    fn end(self, well: bool, code: i32, bytes: &[u8], between: impl FnOnce()) {
        let frame = self.frame();
        frame.failure.store(code.cast_unsigned(), Ordering::Relaxed);
        // SAFETY: this child has taken the frame and finishes it below; what `bytes` gave out is bound to `self` and has
        // ended, or it is `bytes`, which is copied from another cell.
        let written = unsafe { copy_in(&frame.answer, bytes) };
        frame.answer_bytes.store(written as u32, Ordering::Relaxed);
        frame.word.finish(self.tag, well);
        between();
        // MUTANT "control-no-ring": who waits for the answer is not told.
        if !mutant::skips("control-no-ring") {
            self.ends.mailbox.header.answers.notify_all();
        }
    }
}

fn store(words: &[AtomicU64; 4], values: [u64; 4]) {
    words.iter().zip(values).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
}

fn load(words: &[AtomicU64; 4]) -> [u64; 4] {
    core::array::from_fn(|i| words[i].load(Ordering::Relaxed))
}
