//! Waiting for any of many descriptors, and a bell among them that other threads and processes ring.

use crate::clock;
use core::time::Duration;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::{Errno, retry_on_intr};
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Descriptors that one thread waits for: a bell, ends of processes, pipes, channels. Each is known by a key of the
/// caller's. It costs nothing while none has news, however many there are.
///
/// ```
/// use prewire_os::{Bell, WaitSet};
///
/// let (set, bell) = (WaitSet::new()?, Bell::new()?);
/// set.add(&bell, 7)?;
/// bell.ring();
/// let mut ready = Vec::new();
/// set.wait(None, &mut ready)?;
/// assert_eq!(ready, [7]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct WaitSet {
    epoll: OwnedFd,
}

impl WaitSet {
    /// How many keys one wait gives at most; the others are there at the next one.
    const AT_ONCE: usize = 64;

    /// An empty set.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Waits for `fd` too, until it can be read from or its other end is gone. It stays in the set as long as it is open
    /// in any process: [`remove`](WaitSet::remove) it before it is closed.
    ///
    /// # Errors
    ///
    /// It is in the set already, cannot be waited for, or no memory is left.
    pub fn add(&self, fd: impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?)
    }

    /// Does not wait for `fd` any more.
    ///
    /// # Errors
    ///
    /// It is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until a descriptor has news, or `timeout` has passed, or for ever; then `ready` has the keys of those that
    /// have, and is empty if the time has passed. One that is not looked after is there again the next time.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<u64>) -> io::Result<()> {
        ready.clear();
        let end = timeout.map(|t| clock::monotonic().saturating_add(t));
        let mut events = Vec::with_capacity(Self::AT_ONCE);
        loop {
            let left = end.map(|end| end.saturating_sub(clock::monotonic()));
            // What the kernel cannot express is centuries away.
            let limit = left.and_then(|left| Timespec::try_from(left).ok());
            match epoll::wait(&self.epoll, spare_capacity(&mut events), limit.as_ref()) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(0) if left != Some(Duration::ZERO) => {}
                Ok(_) => break,
            }
        }
        ready.extend(events.iter().map(|event| event.data.u64()));
        Ok(())
    }
}

/// A descriptor that is readable once somebody has rung it. Any process that has it may ring.
#[derive(Debug)]
pub struct Bell {
    fd: OwnedFd,
}

impl Bell {
    /// A bell that nobody has rung.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// The bell behind a descriptor that another process made. One that is something else rings nothing.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Makes it readable until it is cleared. What was written before is seen by who finds it readable.
    pub fn ring(&self) {
        // It fails only when it has been rung 2^64 times, and then it is readable.
        let _ = retry_on_intr(|| rustix::io::write(&self.fd, &1u64.to_ne_bytes()));
    }

    /// Makes it wait for the next ring. True if it had been rung.
    #[must_use = "a ring that is forgotten is a wake-up that is lost"]
    pub fn clear(&self) -> bool {
        retry_on_intr(|| rustix::io::read(&self.fd, &mut [0; 8])).is_ok()
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_until_it_is_cleared() {
        let (set, bell) = (WaitSet::new().unwrap(), Bell::new().unwrap());
        let mut ready = vec![1];
        set.add(&bell, u64::MAX).unwrap();
        assert!(set.add(&bell, 2).is_err(), "it is there already");
        set.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!(ready, [], "keys of an earlier wait are gone");
        assert!(!bell.clear());
        for _ in 0..3 {
            bell.ring();
        }
        for _ in 0..2 {
            set.wait(None, &mut ready).unwrap();
            assert_eq!(ready, [u64::MAX]);
        }
        assert!(bell.clear() && !bell.clear(), "three rings are one");
        set.remove(&bell).unwrap();
        bell.ring();
        set.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!(ready, []);
        assert!(set.remove(&bell).is_err());
    }

    #[test]
    fn more_bells_than_one_wait_gives_are_given_by_the_next() {
        let set = WaitSet::new().unwrap();
        let bells: Vec<Bell> = (0..100).map(|_| Bell::new().unwrap()).collect();
        for (key, bell) in (0..).zip(&bells) {
            set.add(bell, key).unwrap();
            bell.ring();
        }
        let (mut ready, mut all) = (Vec::new(), Vec::new());
        while all.len() < 100 {
            set.wait(None, &mut ready).unwrap();
            for key in &ready {
                assert!(bells[usize::try_from(*key).unwrap()].clear());
            }
            all.append(&mut ready);
        }
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..100));
    }

    #[test]
    fn a_wait_that_nobody_ends_times_out_and_burns_nothing() {
        let set = WaitSet::new().unwrap();
        let (wall, cpu) = (clock::monotonic(), clock::thread_cpu());
        set.wait(Some(Duration::from_micros(150_300)), &mut Vec::new()).unwrap();
        let (wall, cpu) = (clock::monotonic() - wall, clock::thread_cpu() - cpu);
        assert!(wall >= Duration::from_micros(150_300), "{wall:?}");
        assert!(cpu < wall / 20, "{cpu:?} of {wall:?} were spent waiting");
    }
}
