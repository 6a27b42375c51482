//! Benchmarks of prewire, one file a subsystem.
#![forbid(unsafe_code)]
