//! This program again as a new process, by exec, with descriptors handed to it: for who cannot fork any more.

use super::statistics::is_main_thread;
use super::{Pid, die_with_parent};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where the new process reads which descriptors are for it: `<number of the parent>:<descriptor>,<descriptor>...`.
const HANDED: &str = "PREWIRE_DESCRIPTORS";

/// Starts this program as a new process, with `arguments` after its name and `environment` added to this one's. It has
/// the descriptors `keep` open, and takes them with [`inherited`]. Of this process it has nothing else, so it does not
/// matter how many threads run here.
///
/// It dies with this process if the main thread calls this. With another thread it would die with that thread, which
/// nobody means: then it has to notice the end of its parent itself, by the end of a [`Channel`](crate::Channel) to it.
///
/// # Errors
///
/// What the kernel says: a limit on processes, memory, or a program that is not there any more.
pub fn spawn_self(
    arguments: &[&OsStr],
    environment: &[(&str, &OsStr)],
    keep: &[BorrowedFd<'_>],
) -> io::Result<Pid> {
    let me = Pid::current();
    let numbers: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    let list: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    // The file that this process runs, even if it has been replaced or removed since.
    let mut command = Command::new("/proc/self/exe");
    command.arg0(std::env::args_os().next().unwrap_or_else(|| OsString::from("prewire")));
    command.args(arguments).envs(environment.iter().copied());
    command.env(HANDED, format!("{me}:{}", list.join(",")));
    let is_main = is_main_thread();
    let prepare = move || {
        if is_main {
            die_with_parent(me)?;
        }
        for number in &numbers {
            // SAFETY: it is borrowed by `spawn_self`, which does not return before the new process runs its program.
            let fd = unsafe { BorrowedFd::borrow_raw(*number) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls and nothing else: no allocation, no lock.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    // The number of a process is positive and fits.
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other(format!("the system says that {} is a process", child.id())))
}

/// The descriptors that [`spawn_self`] handed to this process, in its order; none if this process was started in
/// another way, or has taken them before.
///
/// # Errors
///
/// The list is not one that [`spawn_self`] makes, or one of them is not open.
pub fn inherited() -> io::Result<Vec<OwnedFd>> {
    let Some(list) = std::env::var_os(HANDED) else { return Ok(Vec::new()) };
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("{HANDED} is {}", list.display()));
    let (parent, numbers) = list.to_str().and_then(|text| text.split_once(':')).ok_or_else(wrong)?;
    if Pid::parent().map(|pid| pid.to_string()).as_deref() != Some(parent) {
        // A process that was started by the one that this was meant for sees its environment too.
        return Ok(Vec::new());
    }
    let numbers = numbers.split(',').filter(|number| !number.is_empty());
    let numbers: Option<Vec<RawFd>> = numbers.map(|number| number.parse().ok().filter(|n| *n > 2)).collect();
    let mut taken = Vec::new();
    for number in numbers.ok_or_else(wrong)? {
        // SAFETY: it is looked at during this call only, and the kernel says whether it is open.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl_getfd(fd)?.contains(FdFlags::CLOEXEC) {
            // It was opened by this process, or has been taken before. What is handed over has the mark cleared.
            return Ok(Vec::new());
        }
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        // SAFETY: it is open, and nobody in this process has it: it was handed over by the exec, this process opens all
        // its own with the mark that is set above, and who finds the mark set does not take it.
        taken.push(unsafe { OwnedFd::from_raw_fd(number) });
    }
    Ok(taken)
}
