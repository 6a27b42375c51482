//! The system calls of prewire: anonymous memory, futex events, process statistics.
