//! A parent and a child on the heap, and what they do in the models.

use prewire_mailbox::{Block, Call, ChildEnd, Generation, Mailbox, ParentEnd, PostError, Task};
use prewire_sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// What both sides share.
pub(crate) struct Pair {
    pub(crate) block: Block,
    pub(crate) mailbox: Mailbox,
    /// What tasks write, a word each.
    outputs: [AtomicU32; 2],
}

impl Pair {
    /// A place that nobody has begun in.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            block: Block::on_the_heap(),
            mailbox: Mailbox::on_the_heap(),
            outputs: core::array::from_fn(|_| AtomicU32::new(0)),
        })
    }

    pub(crate) fn parent(&self) -> ParentEnd<'_> {
        ParentEnd::new(&self.mailbox, 0)
    }

    /// The child of `generation`, which serves.
    pub(crate) fn child(&self, generation: Generation) -> ChildEnd<'_> {
        self.parent().arm(generation).expect("there is no child");
        let child = ChildEnd::begin(&self.mailbox, &self.block, 0, generation).expect("it is expected");
        let _ = child.ready();
        child
    }

    /// Posts a task of one byte.
    pub(crate) fn post(&self, token: u32, byte: u8) -> Result<(), PostError> {
        let call = Call { cookie: u64::from(byte), ..Call::default() };
        self.parent()
            .post_with(token, &call, |room| {
                room[0] = byte;
                Ok(1)
            })
            .map(drop)
    }

    /// Runs a task: what it was given is what was posted; what it computes is written.
    pub(crate) fn run(&self, task: Task<'_>) -> prewire_mailbox::Wake {
        let byte = task.bytes().expect("it has one")[0];
        assert_eq!(task.call().cookie, u64::from(byte), "a torn task");
        self.outputs[task.token() as usize % 2].store(u32::from(byte), Ordering::Relaxed);
        task.finish()
    }

    /// What task `token` has written, as far as it is seen here.
    pub(crate) fn output(&self, token: u32) -> u32 {
        self.outputs[token as usize % 2].load(Ordering::Relaxed)
    }
}
