//! Processor time that something costs, against the time that it takes.

use core::time::Duration;
use prewire_os::{Event, clock};

/// What an interval cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuUse {
    /// How long it was.
    pub wall: Duration,
    /// Processor time of all threads of the process in it.
    pub cpu: Duration,
}

impl CpuUse {
    /// Processors in use, on average: 1.0 is one.
    #[must_use]
    pub fn processors(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}

/// What `run` costs the whole process.
pub fn cpu_time_of(run: impl FnOnce()) -> CpuUse {
    let (wall, cpu) = (clock::monotonic(), clock::process_cpu());
    run();
    CpuUse { wall: clock::monotonic() - wall, cpu: clock::process_cpu() - cpu }
}

/// What the process costs by itself while the calling thread is parked for `interval`.
#[must_use]
pub fn idle_for(interval: Duration) -> CpuUse {
    cpu_time_of(|| {
        let event = Event::new();
        assert!(event.wait_until(Some(interval), || None::<()>).is_none(), "nobody ends this wait");
    })
}
