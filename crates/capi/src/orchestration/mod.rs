//! Orchestration libraries: loaded, bound, and played on a chip.
