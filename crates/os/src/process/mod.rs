//! Processes: copies of this one and new ones, how they end, and what this one holds.
//!
//! ```
//! use prewire_os::process::{self, Exit, Fork, Pid};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let me = Pid::current();
//! match process::fork() {
//!     Ok(Fork::Child) => {
//!         let ready = process::die_with_parent(me).is_ok();
//!         process::exit_now(if ready { 7 } else { 1 });
//!     }
//!     Ok(Fork::Parent(child)) => assert_eq!(process::reap(child)?, Exit::Code(7)),
//!     // This program has threads: the answer says how many, and what to do instead.
//!     Err(refused) => assert!(refused.to_string().contains("threads")),
//! }
//! # Ok(())
//! # }
//! ```

mod exit;
mod fork;
#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod own;
mod pid;
mod pidfd;
mod place;
mod print;
mod signal;
mod spawn;
mod statistics;
mod table;

pub use exit::{Exit, exit_now, reap, try_reap};
pub use fork::{Fork, ForkError, adopt_orphans, die_with_parent, fork, redirect_output, set_name};
#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub use own::OfProcess;
pub use pid::{Pid, user};
pub use pidfd::PidFd;
pub use place::{move_on, move_thread, processor, run_on, thread_number};
pub use print::{Standard, print};
pub use signal::{Signal, ignore, kill, kill_group, kill_self, restore};
pub use spawn::{inherited, spawn_self};
pub use statistics::{Statistics, available_processors, statistics, thread_names};
pub use table::{Process, alive, all, children, cpu_of, descendants, find};
