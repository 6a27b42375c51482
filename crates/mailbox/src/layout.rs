//! The layout of what parent and child share: one definition, asserted when it is compiled, and the same as data
//! ([`FIELDS`], [`STATES`]), which `docs/mailbox.md` shows and a test compares.
//!
//! One mapping holds the [`Block`] of the parent, then a [`Mailbox`] for each child, each on pages of its own. What is
//! written often by one side shares no cache line, and no pair of lines that a processor fetches together, with what
//! the other side writes often:
//!
//! - Words that are read at each look and hardly ever change (life, shutdown, doorbell, who attends) stay in the caches
//!   of both sides. A look costs no traffic.
//! - The first two lines of a task frame are all that moves for a task with up to three scalars: to the child when it
//!   takes it, the first one back when it is done. What only a failure writes is in the last page of the frame, which
//!   is never touched otherwise.
//! - The bits of the news move from child to parent once for each report.

use crate::word::{FrameState, Word};
use core::fmt;
use core::mem::offset_of;
use prewire_sync::atomic::{AtomicU32, AtomicU64};
use prewire_sync::cell::UnsafeCell;

/// Where a side waits for the other, in memory that both see.
pub(crate) type Doorbell = prewire_os::Event<prewire_os::Shared>;

/// Changed whenever anything in this file or the meaning of a field changes. Both sides must agree exactly.
pub const VERSION: u32 = 1;
/// The first word of the mapping: `prewmbox` in memory.
pub const MAGIC: u64 = u64::from_le_bytes(*b"prewmbox");
/// Children that a parent can have: a bit each in the news.
pub const MAX_CHILDREN: usize = 128;
/// Task frames of a mailbox: one that runs and one that waits behind it.
pub const TASK_FRAMES: usize = 2;
/// Bytes of a page, on which each part of the mapping starts.
pub const PAGE: usize = 4096;

/// Sizes in bytes. Models have all of it, smaller.
const IN_MODEL: bool = cfg!(any(prewire_loom, prewire_shuttle));

/// Bytes that are not used; a model, whose threads have small stacks, has none.
const fn unused(bytes: usize) -> usize {
    if IN_MODEL { 0 } else { bytes }
}

/// Bytes of a frame.
pub const FRAME_BYTES: usize = 65536;
/// Bytes that the arguments of a task may have.
pub const BLOB_BYTES: usize = if IN_MODEL { 16 } else { FRAME_BYTES - 96 - PAGE };
/// Bytes that the text of a failed task may have.
pub const TEXT_BYTES: usize = if IN_MODEL { 16 } else { PAGE - 8 };
/// Bytes that go with a control request.
pub const REQUEST_BYTES: usize = if IN_MODEL { 16 } else { FRAME_BYTES / 2 - 256 };
/// Bytes that come back with its answer; also the text of a request that failed.
pub const ANSWER_BYTES: usize = if IN_MODEL { 16 } else { FRAME_BYTES / 2 };
/// Bytes that the reason of a failed start may have, in words of 8.
pub const REASON_BYTES: usize = 8 * REASON_WORDS;
const REASON_WORDS: usize = if IN_MODEL { 1 } else { 127 };
/// Bytes of a mailbox.
pub const MAILBOX_BYTES: usize = PAGE + (1 + TASK_FRAMES) * FRAME_BYTES;

/// What a task is, without its arguments. 80 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Call {
    /// Bytes of the arguments; [`post`](crate::ParentEnd::post) writes what they are, whatever is here.
    pub blob_bytes: u32,
    /// Which member of a group this is, from 0.
    pub member: u32,
    /// The task, for messages.
    pub task: u64,
    /// The run that it belongs to.
    pub run: u64,
    /// What it calls, by digest.
    pub callable: [u8; 32],
    /// When it is overdue, in nanoseconds of the monotonic clock; 0 for never.
    pub deadline: u64,
    /// Bits whose meaning parent and child agree on.
    pub flags: u32,
    /// Members of the group; 0 or 1 if it is none.
    pub members: u32,
    /// A word for the parent's own use: what it finds the task by.
    pub cookie: u64,
}

/// What all children of a parent share with it: who has news, and whom to wake.
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), repr(C, align(4096)))]
pub struct Block {
    /// Written once by the parent, as all five are.
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) children: AtomicU32,
    pub(crate) mailbox_bytes: AtomicU32,
    pub(crate) frame_bytes: AtomicU32,
    _pad0: [u8; unused(104)],
    /// A bit a child. Set by the children, taken by the parent.
    pub(crate) news: [AtomicU64; 2],
    _pad1: [u8; unused(112)],
    /// Whether a thread of the parent attends: see `news`. Written by that thread.
    pub(crate) attended: AtomicU32,
    /// Whether the progress thread sleeps. Set by it, cleared by it and by the child that wakes it.
    pub(crate) asleep: AtomicU32,
    /// Where the thread that attends parks. Written by it, and by the child that wakes it.
    pub(crate) leader: Doorbell,
}

/// The channel between a parent and one child.
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), repr(C, align(4096)))]
pub struct Mailbox {
    pub(crate) header: Header,
    pub(crate) control: ControlFrame,
    pub(crate) tasks: [TaskFrame; TASK_FRAMES],
}

/// The state of the child as a whole.
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), repr(C, align(4096)))]
pub(crate) struct Header {
    /// State, generation and process of the child. Written by the parent before the start and after the death, by the
    /// child in between.
    pub(crate) life: AtomicU64,
    /// 1 once the child shall leave. Set by the parent, cleared by it for the next generation.
    pub(crate) shutdown: AtomicU32,
    /// How many requests there were. Written by the parent.
    pub(crate) requests: AtomicU32,
    _pad0: [u8; unused(112)],
    /// Where the child waits. Written by it, and by the parent that rings.
    pub(crate) doorbell: Doorbell,
    _pad1: [u8; unused(120)],
    /// Where threads of the parent wait for the child's start and for answers. Written by them, and by the child.
    pub(crate) answers: Doorbell,
    _pad2: [u8; unused(120)],
    /// Bytes of the reason. Written by the child whose start fails, as the reason.
    pub(crate) reason_bytes: AtomicU32,
    _pad3: [u8; unused(4)],
    pub(crate) reason: [AtomicU64; REASON_WORDS],
    _pad4: [u8; unused(2688)],
}

/// A task on its way to the child, or its outcome on the way back.
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), repr(C, align(64)))]
pub(crate) struct TaskFrame {
    /// Who owns the rest.
    pub(crate) word: Word,
    /// Written by the parent while `Filling`, read by the child while `Running`, as the blob.
    pub(crate) call: UnsafeCell<Call>,
    /// How far the child is, in its own measure. Zeroed by the parent while `Filling`, written by the child
    /// while `Running`, read by the parent at any time.
    pub(crate) progress: AtomicU64,
    pub(crate) blob: UnsafeCell<[u8; BLOB_BYTES]>,
    /// Written by the child that failed, read by the parent while `Reading`; as the text and its bytes.
    pub(crate) code: AtomicU32,
    pub(crate) text_bytes: AtomicU32,
    pub(crate) text: UnsafeCell<[u8; TEXT_BYTES]>,
}

/// A request of the parent, and its answer.
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), repr(C, align(64)))]
pub(crate) struct ControlFrame {
    /// Who owns the rest.
    pub(crate) word: Word,
    /// What is asked for. Written by the parent while `Filling`, as all of the request.
    pub(crate) code: AtomicU32,
    pub(crate) request_bytes: AtomicU32,
    pub(crate) args: [AtomicU64; 4],
    _pad0: [u8; unused(80)],
    /// Why it failed; 0 if it did not. Written by the child while `Running`, as all of the answer.
    pub(crate) failure: AtomicU32,
    pub(crate) answer_bytes: AtomicU32,
    pub(crate) results: [AtomicU64; 4],
    _pad1: [u8; unused(88)],
    pub(crate) request: UnsafeCell<[u8; REQUEST_BYTES]>,
    pub(crate) answer: UnsafeCell<[u8; ANSWER_BYTES]>,
}

// SAFETY: all but the cells is atomic. A cell belongs to whoever moved the word of its frame into its state (`Filling`,
// `Running`, `Reading`), which one thread does at a time; the moves carry its content from one to the next.
unsafe impl Sync for Mailbox {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Block");
        out.field("news", &self.news).field("attended", &self.attended).field("asleep", &self.asleep);
        out.finish_non_exhaustive()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: [_; TASK_FRAMES] = core::array::from_fn(|i| self.tasks[i].word.look());
        let mut out = f.debug_struct("Mailbox");
        out.field("life", &crate::life::Life::of(&self.header)).field("control", &self.control.word.look());
        out.field("tasks", &words).finish_non_exhaustive()
    }
}

/// A field of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The part that it is in.
    pub part: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Bytes from the start of the part.
    pub offset: usize,
    /// Its bytes.
    pub bytes: usize,
    /// Who writes it, and when.
    pub writer: &'static str,
}

macro_rules! fields {
    ($($part:literal $type:ty { $($name:ident: $field:ty, $writer:literal;)* })*) => {
        /// Every field of the layout, in the order of its place. Bytes that no field names are not used, and zero.
        pub const FIELDS: &[Field] = &[$($(Field {
            part: $part,
            name: stringify!($name),
            offset: offset_of!($type, $name),
            bytes: size_of::<$field>(),
            writer: $writer,
        },)*)*];
    };
}

fields! {
    "parent block" Block {
        magic: AtomicU64, "parent, once";
        version: AtomicU32, "parent, once";
        children: AtomicU32, "parent, once";
        mailbox_bytes: AtomicU32, "parent, once";
        frame_bytes: AtomicU32, "parent, once";
        news: [AtomicU64; 2], "children set, parent takes";
        attended: AtomicU32, "thread that attends";
        asleep: AtomicU32, "progress thread; child that wakes it clears";
        leader: Doorbell, "thread that attends; child that wakes it";
    }
    "mailbox" Mailbox {
        header: Header, "see header";
        control: ControlFrame, "see control frame";
        tasks: [TaskFrame; TASK_FRAMES], "see task frame";
    }
    "header" Header {
        life: AtomicU64, "parent before start and after death, child between";
        shutdown: AtomicU32, "parent";
        requests: AtomicU32, "parent";
        doorbell: Doorbell, "child that parks; parent that rings";
        answers: Doorbell, "parent that parks; child that rings";
        reason_bytes: AtomicU32, "child whose start fails";
        reason: [AtomicU64; REASON_WORDS], "child whose start fails";
    }
    "task frame" TaskFrame {
        word: Word, "owner of the state";
        call: Call, "parent, FILLING";
        progress: AtomicU64, "parent, FILLING (zero); child, RUNNING";
        blob: [u8; BLOB_BYTES], "parent, FILLING";
        code: AtomicU32, "child, RUNNING";
        text_bytes: AtomicU32, "child, RUNNING";
        text: [u8; TEXT_BYTES], "child, RUNNING";
    }
    "call" Call {
        blob_bytes: u32, "parent, FILLING";
        member: u32, "parent, FILLING";
        task: u64, "parent, FILLING";
        run: u64, "parent, FILLING";
        callable: [u8; 32], "parent, FILLING";
        deadline: u64, "parent, FILLING";
        flags: u32, "parent, FILLING";
        members: u32, "parent, FILLING";
        cookie: u64, "parent, FILLING";
    }
    "control frame" ControlFrame {
        word: Word, "owner of the state";
        code: AtomicU32, "parent, FILLING";
        request_bytes: AtomicU32, "parent, FILLING";
        args: [AtomicU64; 4], "parent, FILLING";
        failure: AtomicU32, "child, RUNNING";
        answer_bytes: AtomicU32, "child, RUNNING";
        results: [AtomicU64; 4], "child, RUNNING";
        request: [u8; REQUEST_BYTES], "parent, FILLING";
        answer: [u8; ANSWER_BYTES], "child, RUNNING";
    }
}

/// The states of a frame, with their names in documents.
pub const STATES: [(FrameState, &str); 8] = [
    (FrameState::Idle, "IDLE"),
    (FrameState::Ready, "READY"),
    (FrameState::Running, "RUNNING"),
    (FrameState::Done, "DONE"),
    (FrameState::Failed, "FAILED"),
    (FrameState::Filling, "FILLING"),
    (FrameState::Reading, "READING"),
    (FrameState::Abandoned, "ABANDONED"),
];

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod asserted {
    use super::*;

    macro_rules! at {
        ($type:ty: $($name:ident $offset:expr,)*) => {
            $(const _: () = assert!(offset_of!($type, $name) == $offset);)*
        };
    }

    const _: () = assert!(size_of::<Doorbell>() == 8 && align_of::<Doorbell>() == 4);
    const _: () = assert!(size_of::<Call>() == 80 && align_of::<Call>() == 8);
    const _: () = assert!(size_of::<Block>() == PAGE && align_of::<Block>() == PAGE);
    const _: () = assert!(size_of::<Header>() == PAGE);
    const _: () = assert!(size_of::<TaskFrame>() == FRAME_BYTES && size_of::<ControlFrame>() == FRAME_BYTES);
    const _: () = assert!(size_of::<Mailbox>() == MAILBOX_BYTES && align_of::<Mailbox>() == PAGE);
    at!(Block: magic 0, version 8, children 12, mailbox_bytes 16, frame_bytes 20, news 128, attended 256, asleep 260,
        leader 264,);
    at!(Mailbox: header 0, control 4096, tasks 69632,);
    at!(Header: life 0, shutdown 8, requests 12, doorbell 128, answers 256, reason_bytes 384, reason 392,);
    at!(TaskFrame: word 0, call 8, progress 88, blob 96, code 61440, text_bytes 61444, text 61448,);
    at!(Call: blob_bytes 0, member 4, task 8, run 16, callable 24, deadline 56, flags 64, members 68, cookie 72,);
    at!(ControlFrame: word 0, code 8, request_bytes 12, args 16, failure 128, answer_bytes 132, results 136,
        request 256, answer 32768,);
}

#[cfg(any(prewire_loom, prewire_shuttle))]
mod on_the_heap {
    use super::*;
    use core::array::from_fn;

    impl Block {
        /// A block of its own, for models: there no memory is zeroed and looked at as this.
        #[must_use]
        pub fn on_the_heap() -> Self {
            Self {
                magic: AtomicU64::new(MAGIC),
                version: AtomicU32::new(VERSION),
                children: AtomicU32::new(MAX_CHILDREN as u32),
                mailbox_bytes: AtomicU32::new(0),
                frame_bytes: AtomicU32::new(0),
                _pad0: [0; unused(104)],
                news: from_fn(|_| AtomicU64::new(0)),
                _pad1: [0; unused(112)],
                attended: AtomicU32::new(0),
                asleep: AtomicU32::new(0),
                leader: Doorbell::default(),
            }
        }
    }

    impl Mailbox {
        /// A mailbox of its own, for models: there no memory is zeroed and looked at as this.
        #[must_use]
        pub fn on_the_heap() -> Self {
            Self {
                header: Header {
                    life: AtomicU64::new(0),
                    shutdown: AtomicU32::new(0),
                    requests: AtomicU32::new(0),
                    _pad0: [0; unused(112)],
                    doorbell: Doorbell::default(),
                    _pad1: [0; unused(120)],
                    answers: Doorbell::default(),
                    _pad2: [0; unused(120)],
                    reason_bytes: AtomicU32::new(0),
                    _pad3: [0; unused(4)],
                    reason: from_fn(|_| AtomicU64::new(0)),
                    _pad4: [0; unused(2688)],
                },
                control: ControlFrame {
                    word: Word::new(),
                    code: AtomicU32::new(0),
                    request_bytes: AtomicU32::new(0),
                    args: from_fn(|_| AtomicU64::new(0)),
                    _pad0: [0; unused(80)],
                    failure: AtomicU32::new(0),
                    answer_bytes: AtomicU32::new(0),
                    results: from_fn(|_| AtomicU64::new(0)),
                    _pad1: [0; unused(88)],
                    request: UnsafeCell::new([0; REQUEST_BYTES]),
                    answer: UnsafeCell::new([0; ANSWER_BYTES]),
                },
                tasks: from_fn(|_| TaskFrame {
                    word: Word::new(),
                    call: UnsafeCell::new(Call::default()),
                    progress: AtomicU64::new(0),
                    blob: UnsafeCell::new([0; BLOB_BYTES]),
                    code: AtomicU32::new(0),
                    text_bytes: AtomicU32::new(0),
                    text: UnsafeCell::new([0; TEXT_BYTES]),
                }),
            }
        }
    }
}
