//! Why a task was not submitted.

use core::fmt;
use core::panic::Location;

use prewire_abi::{ErrorCode, Shape, TaskId};
use prewire_ring::{Blocked, Shortage};

/// The task that stands in the way of a ring, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// Its id.
    pub id: TaskId,
    /// Where it was submitted.
    pub site: Option<&'static Location<'static>>,
}

impl fmt::Display for Oldest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        self.site.map_or(Ok(()), |site| write!(f, " submitted at {site}"))
    }
}

/// Why a submit, or another call of the orchestrator, was refused. Nothing was changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// More tensors than a task may have.
    TooManyTensors {
        /// How many were given.
        observed: usize,
        /// How many a task may have.
        allowed: usize,
    },
    /// More scalars than a task may have.
    TooManyScalars {
        /// How many were given.
        observed: usize,
        /// How many a task may have.
        allowed: usize,
    },
    /// An output is to have an initial value, which nothing here writes.
    InitialValue {
        /// Which argument, from 0.
        arg: usize,
    },
    /// Memory that exists was given to a call that makes memory.
    AllocOfExisting {
        /// Which argument, from 0.
        arg: usize,
    },
    /// Two arguments touch the same bytes and the task writes one of them.
    ArgsOverlap {
        /// One argument.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A tensor whose scope is closed: its memory may be another task's by now.
    StaleTensor {
        /// Which argument, from 0.
        arg: usize,
        /// The task whose output it was.
        owner: TaskId,
        /// Where its scope was opened.
        scope: Option<&'static Location<'static>>,
    },
    /// An explicit producer that is not a task of this run.
    UnknownProducer {
        /// What was given.
        id: TaskId,
    },
    /// No block, or more than the chip takes.
    Blocks {
        /// How many were asked for.
        observed: u32,
        /// How many a task may have.
        allowed: u32,
    },
    /// Blocks that must start together are more than the chip has cores for.
    SyncStartTooWide {
        /// How many blocks.
        blocks: u32,
        /// How many start together at most.
        allowed: u32,
    },
    /// Nothing here runs tasks of this shape.
    NoLane {
        /// What was asked for.
        shape: Shape,
    },
    /// A group has more members than there are workers.
    GroupTooWide {
        /// How many members.
        members: u32,
        /// How many workers there are.
        allowed: u32,
    },
    /// The open scope holds as many tasks with outputs as its ring has slots.
    ScopeDeadlock {
        /// The ring.
        ring: usize,
        /// Slots that can be in use.
        window: u64,
        /// Where the scope was opened.
        scope: Option<&'static Location<'static>>,
    },
    /// A resource of the ring is taken by tasks that only a scope around this one can free.
    RingDeadlock {
        /// The ring.
        ring: usize,
        /// What is short, and by how much.
        blocked: Blocked,
        /// The task that the ring waits for.
        oldest: Option<Oldest>,
    },
    /// More is asked for than the ring has in all.
    TooLarge {
        /// The ring.
        ring: usize,
        /// What, and how much of it.
        blocked: Blocked,
    },
    /// The tensor map is full of accesses that only closing a scope can retire.
    TensorMapDeadlock {
        /// Entries wanted.
        wanted: u32,
        /// Entries that there are.
        capacity: u32,
    },
    /// Scopes nest too deep.
    ScopeTooDeep {
        /// How deep they may.
        allowed: usize,
    },
    /// A scope with inferred edges inside a manual one.
    AutoInManual,
    /// A close without an open scope.
    NoScope,
    /// A host access waited for a task that failed.
    ProducerFailed {
        /// The task.
        id: TaskId,
    },
    /// The run has ended for another reason, which is its root cause.
    RunEnded,
}

impl SubmitError {
    /// The code that the chip's ABI has for this, where it has one.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::ScopeDeadlock { .. } => ErrorCode::ScopeDeadlock,
            Self::RingDeadlock { blocked, .. } | Self::TooLarge { blocked, .. } => match blocked.shortage {
                Shortage::Heap => ErrorCode::HeapRingDeadlock,
                Shortage::Deps => ErrorCode::DepPoolOverflow,
                Shortage::Window | Shortage::Args => ErrorCode::FlowControlDeadlock,
            },
            Self::TensorMapDeadlock { .. } => ErrorCode::TensorMapOverflow,
            Self::SyncStartTooWide { .. } => ErrorCode::RequireSyncStartInvalid,
            Self::ProducerFailed { .. } | Self::RunEnded => return None,
            _ => ErrorCode::InvalidArgs,
        })
    }
}

/// What to raise when a ring is short of something.
pub(crate) fn knob(shortage: Shortage) -> &'static str {
    match shortage {
        Shortage::Window => "RingSizes::window",
        Shortage::Heap => "RingSizes::heap",
        Shortage::Deps => "RingSizes::deps",
        Shortage::Args => "RingSizes::window (the argument ring grows with it)",
    }
}

fn opened(f: &mut fmt::Formatter<'_>, scope: Option<&'static Location<'static>>) -> fmt::Result {
    scope.map_or(Ok(()), |site| write!(f, " opened at {site}"))
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooManyTensors { observed, allowed } => {
                write!(f, "{observed} tensors were given, but a task has at most {allowed}; split the task, or put \
                           several tensors into one buffer and pass views")
            }
            Self::TooManyScalars { observed, allowed } => {
                write!(f, "{observed} scalars were given, but a task has at most {allowed}; pass them in a tensor")
            }
            Self::InitialValue { arg } => write!(
                f,
                "argument {arg} is an output with an initial value, which is not supported; let a task fill it"
            ),
            Self::AllocOfExisting { arg } => write!(
                f,
                "argument {arg} of an allocation is memory that exists; an allocation only makes memory"
            ),
            Self::ArgsOverlap { first, second } => write!(
                f,
                "arguments {first} and {second} touch the same bytes, or have strides that do not tell them apart, and \
                 the task writes one of them; pass the memory once, as inout"
            ),
            Self::StaleTensor { arg, owner, scope } => {
                write!(f, "argument {arg} is the output of task {owner}, whose scope")?;
                opened(f, scope)?;
                f.write_str(" is closed: its memory may be reused; use the tensor inside its scope, or have the task \
                             write into memory of an outer scope")
            }
            Self::UnknownProducer { id } => {
                write!(f, "task {id} is not a task of this run; explicit edges come from tasks submitted in this run")
            }
            Self::Blocks { observed, allowed } => {
                write!(f, "{observed} blocks were asked for, but a task has 1 to {allowed}")
            }
            Self::SyncStartTooWide { blocks, allowed } => write!(
                f,
                "{blocks} blocks must start together, but the chip starts at most {allowed} of this shape; use fewer \
                 blocks, or drop sync_start"
            ),
            Self::NoLane { shape } => write!(
                f,
                "nothing here runs tasks of shape {}: cores run AIC, AIV and MIX tasks, a node with workers WORKER tasks, \
                 a node with workers for host functions SUB tasks",
                shape.name()
            ),
            Self::GroupTooWide { members, allowed } => write!(
                f,
                "a group of {members} members was submitted, but there are {allowed} workers and each member takes one \
                 of its own; use fewer members, or start more workers"
            ),
            Self::ScopeDeadlock { ring, window, scope } => {
                write!(f, "the scope")?;
                opened(f, scope)?;
                write!(
                    f,
                    " holds {window} tasks and their outputs, as many as ring {ring} has usable slots, so no further \
                     task can ever get one; close the scope earlier, nest a scope around each step, or raise \
                     RingSizes::window[{ring}]"
                )
            }
            Self::RingDeadlock { ring, blocked, oldest } => {
                write!(f, "ring {ring} is full for good: {blocked}; ")?;
                match oldest {
                    Some(oldest) => write!(f, "its oldest task, {oldest}, is")?,
                    None => f.write_str("its oldest task is")?,
                }
                write!(
                    f,
                    " held by a scope that is still open; close that scope earlier, or raise {}[{ring}]",
                    knob(blocked.shortage)
                )
            }
            Self::TooLarge { ring, blocked } => write!(
                f,
                "the task asks ring {ring} for more than it has in all: {blocked}; raise {}[{ring}] to at least {}",
                knob(blocked.shortage),
                blocked.wanted
            ),
            Self::TensorMapDeadlock { wanted, capacity } => write!(
                f,
                "the tensor map is full for good: {wanted} of {capacity} entries wanted, and every access in it \
                 belongs to a task that an open scope holds, or that failed; close a scope earlier, or raise \
                 RingSizes::tensor_map"
            ),
            Self::ScopeTooDeep { allowed } => write!(f, "scopes nest at most {allowed} deep"),
            Self::AutoInManual => f.write_str(
                "a scope with inferred edges cannot be opened inside a manual scope; open a manual scope, or close \
                 the outer one first",
            ),
            Self::NoScope => f.write_str("no scope is open"),
            Self::ProducerFailed { id } => {
                write!(f, "task {id} failed, so the element that was waited for has no value")
            }
            Self::RunEnded => f.write_str("the run has ended; its root cause is reported by the run"),
        }
    }
}

impl core::error::Error for SubmitError {}
