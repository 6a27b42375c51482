//! A file with a name of its own for as long as somebody needs it to have one: what is given to a loader of files.

use prewire_sync::atomic::{AtomicU64, Ordering};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How many names were given. Raised by whoever makes a file.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// A file that only its owner can read or write, with a name that no other file of this process ever has. Removed when
/// this is dropped; who has mapped it by then keeps what is mapped.
///
/// ```
/// use prewire_os::Scratch;
///
/// let file = Scratch::new(&std::env::temp_dir(), "example", b"bytes")?;
/// assert_eq!(Scratch::read(file.path())?, b"bytes");
/// let path = file.path().to_owned();
/// drop(file);
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A file in `folder` with `bytes` in it. Its name begins with `prefix`.
    ///
    /// # Errors
    ///
    /// What the system says: no such folder, no right to write there, no room.
    pub fn new(folder: &Path, prefix: &str, bytes: &[u8]) -> io::Result<Self> {
        loop {
            let number = NAMES.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{prefix}-{}-{number}", std::process::id()));
            let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => file,
                // Left behind by a process that had this number before.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let scratch = Self { path };
            file.write_all(bytes)?;
            return Ok(scratch);
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of any file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn read(path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    /// The folders where such a file can be: the one for temporary files, and one in memory.
    #[must_use]
    pub fn folders() -> [PathBuf; 2] {
        [std::env::temp_dir(), PathBuf::from("/dev/shm")]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever removed it before wanted it gone too.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_used_twice_and_files_go_away() {
        let folder = std::env::temp_dir();
        let (a, b) =
            (Scratch::new(&folder, "prewire-test", b"a"), Scratch::new(&folder, "prewire-test", b"b"));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_ne!(a.path(), b.path());
        assert_eq!(
            (Scratch::read(a.path()).unwrap(), Scratch::read(b.path()).unwrap()),
            (b"a".to_vec(), b"b".to_vec())
        );
        let gone = a.path().to_owned();
        drop(a);
        assert!(!gone.exists() && b.path().exists());
        let again = Scratch::new(&folder, "prewire-test", b"c").unwrap();
        assert_ne!(again.path(), gone);
        assert!(Scratch::new(&folder.join("no such folder"), "x", b"").is_err());
    }
}
