//! What the tests of prewire share: watchdogs, and counts of what a process holds.
