//! Benchmarks of prewire, one file a subsystem.
