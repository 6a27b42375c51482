//! What this process holds: threads, open descriptors, mappings, resident memory.

use std::fs;
use std::io;

/// A count of what the process holds, all taken from `/proc/self`.
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
}

/// Counts what the process holds now.
///
/// # Errors
///
/// `/proc` is not mounted, or does not say what Linux says.
pub fn statistics() -> io::Result<Statistics> {
    let status = fs::read_to_string("/proc/self/status")?;
    // The descriptor through which the directory is read is among the ones it lists.
    let descriptors = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
    let mappings = fs::read_to_string("/proc/self/maps")?.lines().count() as u64;
    Ok(Statistics {
        threads: field(&status, "Threads:")?,
        descriptors,
        mappings,
        resident: field(&status, "VmRSS:")? * 1024,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
