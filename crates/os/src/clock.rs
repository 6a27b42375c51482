//! Clocks, as durations since a start that never moves.

use core::time::Duration;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Time since an unspecified start, never going back.
#[must_use]
pub fn monotonic() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

/// As [`monotonic`], a few milliseconds behind it and a few nanoseconds to read.
#[must_use]
#[inline]
pub fn coarse() -> Duration {
    duration(clock_gettime(ClockId::MonotonicCoarse))
}

/// Processor time, user and system, that this process has used so far.
#[must_use]
pub fn process_cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// Processor time, user and system, that the calling thread has used so far.
#[must_use]
pub fn thread_cpu() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// These clocks are never negative; a kernel that says so is read as zero.
fn duration(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or(Duration::ZERO)
}
