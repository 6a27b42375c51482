//! Mailboxes in shared memory between a parent and its children: task frames and a control frame with a state word each,
//! doorbells, and one bitmap of news for all children.
//!
//! A parent lays an [`Area`] over memory that its children share. Each child has a [`Mailbox`] in it, of which the parent
//! holds a [`ParentEnd`] and the child the [`ChildEnd`]. A child is a process or a thread; the code is the same.
//!
//! # Who owns what
//!
//! 1. A frame belongs to whoever moved its **state word** into its state: the parent fills an idle frame and publishes it,
//!    the child takes it by one exchange, ends it by another, the parent reaps it. Or the parent takes back what the
//!    child has not taken: one of the two exchanges wins. The word holds the state, the child's generation and the task's
//!    token, so that an exchange never meets a frame that was used again meanwhile.
//! 2. Arguments are written into the frame and read there. What a child answers is copied out before it is decoded, as
//!    the child may have gone wild; a child trusts its parent for the arguments to stand still, and for nothing else:
//!    lengths and counts are checked on both sides, and no bytes make either side panic or look outside of the frame.
//! 3. After each move the other side is told: the parent rings the child's **doorbell**; the child sets its bit in the
//!    **news** and wakes at most one thread (see [`Block::report`]). As long as the other side looks by itself, telling it
//!    is a fence and a load.
//! 4. The **life** of a child is one word with its generation. What is left of a dead child is not taken for anything of its
//!    replacement: the parent [buries](ParentEnd::bury) the child, takes what there is from the frames, and
//!    [arms](ParentEnd::arm) the place for the next.
//! 5. **Shutdown** is a word that stays. A child looks at it before it takes anything, so it never leaves with a request
//!    taken and not answered; a request that it has not taken is told that the child has left.
//!
//! This crate makes no process, no memory and no thread, and its only system calls are those of `prewire_os::Event`.

mod bytes;
mod child;
mod control;
mod error;
mod layout;
mod life;
mod news;
mod parent;
mod word;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod area;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub use area::{Area, Memory};
pub use child::{ChildEnd, Task, Work};
pub use control::{Answer, Control, Request};
pub use error::{AreaError, ArmError, BeginError, ControlError, Failure, FrameError, PostError};
pub use layout::{
    ANSWER_BYTES, BLOB_BYTES, Block, Call, FIELDS, FRAME_BYTES, Field, MAGIC, MAILBOX_BYTES, MAX_CHILDREN,
    Mailbox, PAGE, REASON_BYTES, REQUEST_BYTES, STATES, TASK_FRAMES, TEXT_BYTES, VERSION,
};
pub use life::{Life, Phase};
pub use news::{Attend, Wake};
pub use parent::{ParentEnd, TaskStatus};
pub use word::{FrameState, Generation};
