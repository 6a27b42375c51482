//! What this process holds: threads, open descriptors, mappings, resident memory, shared memory, children.

use super::{Pid, descendants};
use std::fs;
use std::io;

/// A count of what the process holds, all taken from `/proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Threads, the main one included.
    pub threads: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Memory mappings.
    pub mappings: u64,
    /// Bytes resident in memory.
    pub resident: u64,
    /// Memory without a file that can be shared: descriptors of it and mappings of it.
    pub segments: u64,
    /// Children, their children, and so on; those too that have ended and are not reaped.
    pub children: u64,
}

/// Counts what the process holds now.
///
/// # Errors
///
/// `/proc` is not mounted, or does not say what Linux says.
pub fn statistics() -> io::Result<Statistics> {
    const SEGMENT: &str = "/memfd:";
    let status = fs::read_to_string("/proc/self/status")?;
    let mut descriptors = 0u64;
    let mut segments = 0;
    for entry in fs::read_dir("/proc/self/fd")? {
        descriptors += 1;
        // The one through which the directory is read is closed when the next one is looked at.
        let target = fs::read_link(entry?.path()).unwrap_or_default();
        segments += u64::from(target.to_string_lossy().starts_with(SEGMENT));
    }
    let maps = fs::read_to_string("/proc/self/maps")?;
    segments += maps.lines().filter(|line| line.contains(SEGMENT)).count() as u64;
    Ok(Statistics {
        threads: field(&status, "Threads:")?,
        // The descriptor through which the directory is read is among the ones it lists.
        descriptors: descriptors.saturating_sub(1),
        mappings: maps.lines().count() as u64,
        resident: field(&status, "VmRSS:")? * 1024,
        segments,
        children: descendants()?.len() as u64,
    })
}

/// The names of the threads of this process, the main one's among them.
///
/// # Errors
///
/// `/proc` is not mounted.
pub fn thread_names() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        // One that has ended since has no name any more.
        if let Ok(name) = fs::read_to_string(thread?.path().join("comm")) {
            names.push(name.trim_end().to_owned());
        }
    }
    Ok(names)
}

/// The number after `name` in the text of `/proc/self/status`.
fn field(status: &str, name: &str) -> io::Result<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/self/status has no {name}")))
}

/// Processors that this process may run on: at least one.
#[must_use]
pub fn available_processors() -> usize {
    std::thread::available_parallelism().map_or(1, core::num::NonZero::get)
}

/// The main thread runs this process' program from its start to its end: whether this is it.
#[must_use]
pub(super) fn is_main_thread() -> bool {
    rustix::thread::gettid() == Pid::current().sys()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn an_open_file_is_one_more_descriptor() {
        let before = statistics().unwrap();
        let files: Vec<_> = (0..32).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        let during = statistics().unwrap();
        drop(files);
        // Tests beside this one open a few files of their own.
        assert!(during.descriptors >= before.descriptors + 24, "{before:?} {during:?}");
        assert!(before.threads >= 1 && before.resident > 0 && before.mappings > 0);
    }

    #[test]
    fn a_missing_field_is_an_error_that_names_it() {
        let error = field("Name: x\n", "Threads:").unwrap_err();
        assert!(error.to_string().contains("Threads:"), "{error}");
    }

    #[test]
    fn a_thread_is_listed_by_its_name() {
        // A thread names itself as it starts: it is listed once it can be met.
        let (begun, stop) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|s| {
            let run = || {
                begun.wait();
                stop.wait();
            };
            thread::Builder::new().name("a thread".to_owned()).spawn_scoped(s, run).unwrap();
            begun.wait();
            let names = thread_names();
            stop.wait();
            assert!(names.unwrap().contains(&"a thread".to_owned()));
        });
        assert!(!is_main_thread(), "tests run on threads of their own");
    }
}
