//! Why a run failed: the codes that a chip reports to its host.

use crate::coded::coded;

coded! {
    /// The first error of a run. Codes below 100 come from the orchestrator, the others from a scheduler.
    ErrorCode: i32, "1 to 5, 7 to 11, 100 to 103" {
        /// An open scope holds every slot of its ring.
        ScopeDeadlock = 1, "SCOPE_DEADLOCK";
        /// No room for an output, and an open scope keeps what fills the heap ring.
        HeapRingDeadlock = 2, "HEAP_RING_DEADLOCK";
        /// The task window is full, and an open scope keeps its oldest task.
        FlowControlDeadlock = 3, "FLOW_CONTROL_DEADLOCK";
        /// No dependency entry is free, and none can become free.
        DepPoolOverflow = 4, "DEP_POOL_OVERFLOW";
        /// A task or a scope with arguments that cannot be carried out.
        InvalidArgs = 5, "INVALID_ARGS";
        /// More blocks are to start together than the chip has cores.
        RequireSyncStartInvalid = 7, "REQUIRE_SYNC_START_INVALID";
        /// The orchestration waited too long for the value of a tensor.
        TensorWaitTimeout = 8, "TENSOR_WAIT_TIMEOUT";
        /// The orchestration declared the run failed.
        ExplicitOrchFatal = 9, "EXPLICIT_ORCH_FATAL";
        /// One scope submitted more tasks than it can remember.
        ScopeTasksOverflow = 10, "SCOPE_TASKS_OVERFLOW";
        /// No entry of the tensor map is free, and none can become free.
        TensorMapOverflow = 11, "TENSORMAP_OVERFLOW";
        /// A scheduler saw no progress for its whole time limit.
        SchedulerTimeout = 100, "SCHEDULER_TIMEOUT";
        /// A kernel registered a completion that is none.
        AsyncCompletionInvalid = 101, "ASYNC_COMPLETION_INVALID";
        /// More completions are awaited than there is room for.
        AsyncWaitOverflow = 102, "ASYNC_WAIT_OVERFLOW";
        /// A message that registers a completion is malformed.
        AsyncRegistrationFailed = 103, "ASYNC_REGISTRATION_FAILED";
    }
}

impl ErrorCode {
    /// Whether the orchestrator latched it; a scheduler otherwise.
    #[must_use]
    pub const fn is_orchestrator(self) -> bool {
        self.code() < 100
    }

    /// What happened, in a sentence without a full stop.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ScopeDeadlock => "an open scope holds every slot of its ring, so none can become free",
            Self::HeapRingDeadlock => {
                "the heap ring has no room for an output, and an open scope keeps what fills it"
            }
            Self::FlowControlDeadlock => "the task window is full, and an open scope keeps its oldest task",
            Self::DepPoolOverflow => {
                "the pool of dependency entries is exhausted, and no task can retire to refill it"
            }
            Self::InvalidArgs => "a task or a scope was submitted with arguments that cannot be carried out",
            Self::RequireSyncStartInvalid => {
                "a task wants more blocks to start together than the chip has cores"
            }
            Self::TensorWaitTimeout => "the orchestration waited too long for the value of a tensor",
            Self::ExplicitOrchFatal => "the orchestration itself declared the run failed",
            Self::ScopeTasksOverflow => "one scope submitted more tasks than it can remember",
            Self::TensorMapOverflow => "the tensor map has no free entry, and no task can retire to free one",
            Self::SchedulerTimeout => "a scheduler saw no progress for its whole time limit",
            Self::AsyncCompletionInvalid => {
                "a kernel registered a completion of unknown kind, or without a counter"
            }
            Self::AsyncWaitOverflow => "more completions are awaited than there is room for",
            Self::AsyncRegistrationFailed => "a message that registers a completion is malformed",
        }
    }

    /// What to do about it, in a sentence without a full stop.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::ScopeDeadlock | Self::ScopeTasksOverflow => {
                "close the scope earlier, split it, or raise the task window"
            }
            Self::HeapRingDeadlock => "raise the ring heap above the largest sum of outputs alive at a time",
            Self::FlowControlDeadlock => "raise the task window, or nest fewer scopes in one ring",
            Self::DepPoolOverflow => "raise the dependency pool, or give the task fewer producers",
            Self::InvalidArgs => "read the message that names the argument",
            Self::RequireSyncStartInvalid => "lower the block count, or do without the common start",
            Self::TensorWaitTimeout => "look at the producer of the tensor: does it run, and does it end",
            Self::ExplicitOrchFatal => "read the message of the orchestration",
            Self::TensorMapOverflow => "close scopes earlier, or write fewer distinct regions at a time",
            Self::SchedulerTimeout => "look at the stall report: it names the tasks and what they wait for",
            Self::AsyncCompletionInvalid | Self::AsyncRegistrationFailed => {
                "look at the kernel of the task: it wrote the completion record"
            }
            Self::AsyncWaitOverflow => "register fewer completions at a time in one task",
        }
    }

    /// The number that a run returns to the host: minus the orchestrator's code if there is one, else minus the
    /// scheduler's, else 0. A cause in the orchestrator starves the schedulers, never the other way round.
    ///
    /// ```
    /// use prewire_abi::ErrorCode;
    ///
    /// let orch = Some(ErrorCode::DepPoolOverflow);
    /// let sched = Some(ErrorCode::SchedulerTimeout);
    /// assert_eq!(ErrorCode::status(orch, sched), -4);
    /// assert_eq!(ErrorCode::status(None, sched), -100);
    /// assert_eq!(ErrorCode::status(None, None), 0);
    /// ```
    #[must_use]
    pub const fn status(orch: Option<Self>, sched: Option<Self>) -> i32 {
        match (orch, sched) {
            (Some(code), _) | (None, Some(code)) => -code.code(),
            (None, None) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn the_retired_number_is_refused() {
        assert!(ErrorCode::try_from(6).is_err());
        assert!(ErrorCode::try_from(0).is_err());
        assert_eq!(ErrorCode::ALL.len(), 14);
    }

    #[test]
    fn ten_codes_are_the_orchestrators() {
        assert_eq!(ErrorCode::ALL.iter().filter(|c| c.is_orchestrator()).count(), 10);
    }

    #[test]
    fn each_text_is_its_own() {
        for (i, a) in ErrorCode::ALL.iter().enumerate() {
            assert!(!a.hint().is_empty());
            for b in &ErrorCode::ALL[..i] {
                assert_ne!(a.text(), b.text());
                assert_ne!(a.name(), b.name());
            }
        }
    }
}
