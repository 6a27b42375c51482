//! What this machine has for this process: memory.

use std::fs;

/// The bytes of memory that this process can have: what the machine has, or what a control group around the process
/// allows, whichever is less. `None` if neither says.
///
/// Swap is not counted. Read anew with each call, as limits change.
///
/// ```
/// if let Some(bytes) = prewire_os::machine::memory() {
///     assert!(bytes > 1 << 20);
/// }
/// ```
#[must_use]
pub fn memory() -> Option<u64> {
    memory_by(&|path| fs::read_to_string(path).ok())
}

/// As [`memory`], of a machine whose files `read` has.
fn memory_by(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let total = read("/proc/meminfo").and_then(|text| {
        let kib: u64 = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?
            .trim()
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        kib.checked_mul(1024)
    });
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        // A line is `number:controllers:path`; version 2 has no controllers.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            let unified = group_limit(read, "/sys/fs/cgroup", path, "memory.max");
            return unified.or_else(|| group_limit(read, "/sys/fs/cgroup/unified", path, "memory.max"));
        }
        let memory = controllers.split(',').any(|controller| controller == "memory");
        memory.then(|| group_limit(read, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))?
    });
    limits.chain(total).min()
}

/// The lowest limit of a group and those around it. A path that is not visible from here is that of a container, whose
/// own group is at the root.
fn group_limit(read: &dyn Fn(&str) -> Option<String>, root: &str, path: &str, file: &str) -> Option<u64> {
    let mut path = path.trim_end_matches('/');
    let mut lowest = None;
    loop {
        // No limit is `max`, or in version 1 a number above any machine's memory.
        let limit = read(&format!("{root}{path}/{file}")).and_then(|text| text.trim().parse::<u64>().ok());
        lowest = [lowest, limit].into_iter().flatten().min();
        match path.rfind('/') {
            Some(cut) => path = &path[..cut],
            None => return lowest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: (&str, &str) = ("/proc/meminfo", "MemTotal:       1000 kB\nMemFree:  10 kB\n");

    fn on(files: &[(&str, &str)]) -> Option<u64> {
        let find =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        memory_by(&find)
    }

    #[test]
    fn without_groups_it_is_what_the_machine_has() {
        assert_eq!(on(&[MEMINFO]), Some(1_024_000));
        assert_eq!(on(&[]), None);
        assert_eq!(on(&[("/proc/meminfo", "MemTotal: many kB")]), None);
    }

    #[test]
    fn the_lowest_limit_of_all_groups_around_counts() {
        let group = ("/proc/self/cgroup", "0::/a/b\n");
        let outer = ("/sys/fs/cgroup/a/memory.max", "5000\n");
        assert_eq!(on(&[MEMINFO, group, outer, ("/sys/fs/cgroup/a/b/memory.max", "max\n")]), Some(5000));
        assert_eq!(on(&[MEMINFO, group, outer, ("/sys/fs/cgroup/a/b/memory.max", "4000\n")]), Some(4000));
        assert_eq!(on(&[MEMINFO, group, ("/sys/fs/cgroup/memory.max", "70")]), Some(70));
        assert_eq!(on(&[group, outer]), Some(5000));
    }

    #[test]
    fn groups_of_version_one_count_too() {
        let group = ("/proc/self/cgroup", "5:cpu,memory:/x\n4:devices:/y\n0::/\n");
        let limit = |text| ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", text);
        assert_eq!(on(&[MEMINFO, group, limit("9000\n")]), Some(9000));
        assert_eq!(on(&[MEMINFO, group, limit("9223372036854771712\n")]), Some(1_024_000));
        assert_eq!(
            on(&[MEMINFO, ("/proc/self/cgroup", "5:devices:/x\nbroken\n"), limit("9")]),
            Some(1_024_000)
        );
    }
}
