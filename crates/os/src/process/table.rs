//! The processes that run on this machine, as far as this one can see them: whose child each is, what it has cost.

use super::Pid;
use core::time::Duration;
use std::fs;
use std::io;

/// A process, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its name: see [`set_name`](super::set_name).
    pub name: String,
    /// Who started it or has taken it in; `None` if that is outside of what this process can see.
    pub parent: Option<Pid>,
    /// The leader of its group, to which signals can be sent as one.
    pub group: Option<Pid>,
    /// It has ended, and nobody has reaped it yet.
    pub ended: bool,
    /// Processor time of all its threads, user and system, to a hundredth of a second.
    pub cpu: Duration,
}

impl Process {
    /// Reads a line of `/proc/<pid>/stat`.
    fn parse(line: &str) -> Option<Self> {
        // The name is in parentheses, and may have any character in it.
        let (pid, rest) = line.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // From here on the third field of the manual page is the first.
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()?.checked_add(fields.get(12)?.parse().ok()?)?;
        let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(rustix::param::clock_ticks_per_second());
        Some(Self {
            pid: Pid::from_raw(pid.parse().ok()?)?,
            name: name.to_owned(),
            parent: Pid::from_raw(fields.get(1)?.parse().ok()?),
            group: Pid::from_raw(fields.get(2)?.parse().ok()?),
            ended: matches!(*fields.first()?, "Z" | "X"),
            cpu: Duration::from_nanos(u64::try_from(nanos).ok()?),
        })
    }
}

/// The process `pid`; `None` if there is none.
#[must_use]
pub fn find(pid: Pid) -> Option<Process> {
    Process::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// All processes.
///
/// # Errors
///
/// `/proc` is not mounted.
pub fn all() -> io::Result<Vec<Process>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        Pid::from_raw(name.to_str()?.parse().ok()?)
    });
    // One that has ended since has no file any more.
    Ok(pids.filter_map(find).collect())
}

/// The children of this process; those too that have ended and are not reaped.
///
/// # Errors
///
/// `/proc` is not mounted.
pub fn children() -> io::Result<Vec<Process>> {
    let mut all = all()?;
    all.retain(|process| process.parent == Some(Pid::current()));
    Ok(all)
}

/// The children of this process, their children, and so on; those too that have ended and are not reaped.
///
/// # Errors
///
/// `/proc` is not mounted.
pub fn descendants() -> io::Result<Vec<Process>> {
    let mut others = all()?;
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![Pid::current()];
    while let Some(parent) = parents.pop() {
        let (children, rest): (Vec<Process>, Vec<Process>) =
            others.into_iter().partition(|process| process.parent == Some(parent));
        parents.extend(children.iter().map(|child| child.pid));
        found.extend(children);
        others = rest;
    }
    Ok(found)
}

/// Whether the process `pid` runs, or could: it is there and has not ended.
#[must_use]
pub fn alive(pid: Pid) -> bool {
    find(pid).is_some_and(|process| !process.ended)
}

/// Processor time, user and system, that all threads of the process `pid` have used, to a hundredth of a second; `None`
/// if there is no such process.
#[must_use]
pub fn cpu_of(pid: Pid) -> Option<Duration> {
    find(pid).map(|process| process.cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_anything_in_it() {
        let line = "71 (a) Z (b) R 5 6 7 0 -1 4194560 12 0 1 0 150 50 0 0 20 0 1 0 99 1 2 3\n";
        let process = Process::parse(line).unwrap();
        assert_eq!((process.pid.raw(), process.name.as_str(), process.ended), (71, "a) Z (b", false));
        assert_eq!((process.parent, process.group), (Pid::from_raw(5), Pid::from_raw(6)));
        let ticks = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap();
        assert_eq!(process.cpu * ticks, Duration::from_secs(200));
        assert!(Process::parse("71 (x) Z 5 6 7 0 -1 0 0 0 0 0 1 1 0 0").unwrap().ended);
        for cut in 0..line.len() / 2 {
            assert_eq!(Process::parse(&line[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn this_process_is_there_and_runs() {
        let me = Pid::current();
        assert!(alive(me) && all().unwrap().iter().any(|process| process.pid == me));
        assert_eq!(find(me).unwrap().parent, Pid::parent());
        assert!(cpu_of(me).unwrap() <= crate::clock::process_cpu() + Duration::from_millis(20));
    }
}
