//! The tasks of the prewire workspace.
fn main() {}
