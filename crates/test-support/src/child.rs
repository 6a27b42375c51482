//! A child of a test: a fork that does one thing, exits with what that came to, and does not outlive the test.

use prewire_os::process::{self, Fork, Pid};

/// Forks a child that runs `run` and exits with what it returns, and dies with this process. For processes of one thread.
///
/// # Panics
///
/// If there is no process to be had, or threads run.
#[must_use = "a child is reaped by who has its number"]
pub fn child(run: impl FnOnce() -> i32) -> Pid {
    let me = Pid::current();
    match process::fork().unwrap() {
        Fork::Parent(child) => child,
        Fork::Child => {
            process::die_with_parent(me).unwrap();
            process::exit_now(run());
        }
    }
}
