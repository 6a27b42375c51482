//! The log: one line on stderr a message, from the threshold on that the front end has set. Invariant: a message is one
//! write, so that lines of several libraries and processes do not mix.

use std::fmt;
use std::io::Write;
use std::os::fd::FromRawFd;

use prewire_os::clock;
use prewire_sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::error::HostError;
use super::records::SimplerHostLogState;

/// How much a message matters. The numbers are those of the front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// For who looks for a fault.
    Debug = 10,
    /// What happens.
    Info = 20,
    /// How long something took. What a front end lets through unless told otherwise begins here.
    Timing = 25,
    /// Something is not as it should be, and goes on.
    Warn = 30,
    /// Something failed.
    Error = 40,
}

impl Level {
    const fn tag(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Timing => "TIMING",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// The address of the state of the front end, or 0. Written by [`bind`] alone.
static STATE: AtomicUsize = AtomicUsize::new(0);

/// From here on the threshold is what `state` says at each message.
///
/// # Errors
///
/// It is null or not aligned, or of another version.
///
/// # Safety
///
/// If it is not null and aligned it is a record that stays where it is as long as the process, and whose threshold is
/// only ever written by whole words.
pub(crate) unsafe fn bind(state: *mut SimplerHostLogState) -> Result<(), HostError> {
    const WHAT: &str = "the log state";
    if state.is_null() {
        return Err(HostError::Null { what: WHAT });
    }
    if !state.is_aligned() {
        return Err(HostError::Unaligned { what: WHAT, addr: state.addr(), align: 4 });
    }
    // SAFETY: it is aligned, and the caller says that a record is there. These two fields are never written again.
    let version = unsafe { (*state).abi_version };
    // SAFETY: as above.
    let size = unsafe { (*state).struct_size };
    if (version, size) != (1, size_of::<SimplerHostLogState>() as u32) {
        return Err(HostError::LogState { version, size });
    }
    // ORDERING: Release, "log-state"; pairs with Acquire in threshold: what the record held when it was bound is seen.
    STATE.store(state.expose_provenance(), Ordering::Release);
    Ok(())
}

/// The lowest level that is written now.
fn threshold() -> i32 {
    // ORDERING: Acquire, "log-state"; pairs with Release in bind.
    let state = STATE.load(Ordering::Acquire);
    if state == 0 {
        return Level::Timing as i32;
    }
    let at = state + core::mem::offset_of!(SimplerHostLogState, threshold);
    // SAFETY: bind was promised that the record stays, and that its threshold is written by whole words; it is aligned.
    let word = unsafe { AtomicU32::from_ptr(core::ptr::with_exposed_provenance_mut(at)) };
    word.load(Ordering::Relaxed).cast_signed()
}

/// Whether messages of this level are written.
#[must_use]
pub fn enabled(level: Level) -> bool {
    level as i32 >= threshold()
}

/// Writes a message, if its level is let through. `func` says where it comes from.
pub fn emit(level: Level, func: &str, text: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    thread_local! {
        /// Its address tells the threads of the process apart.
        static THREAD: u8 = const { 0 };
    }
    let thread = THREAD.try_with(|thread| core::ptr::from_ref(thread).addr()).unwrap_or(0);
    let now = clock::monotonic().as_nanos();
    let line = format!("[mono_ns={now}][T{thread:#x}][{}] {func}: {text}\n", level.tag());
    // Not through the standard library's lock: a fork may come while another thread has it, and the copy would wait for ever.
    // SAFETY: the process has descriptor 2 from its start, or what is written goes nowhere; it is not closed here.
    let stderr = std::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(2) });
    // There is nobody to tell that nobody can be told.
    let _ = (&*stderr).write_all(line.as_bytes());
}

/// As [`emit`], at [`Level::Error`].
pub fn error(func: &str, text: fmt::Arguments<'_>) {
    emit(Level::Error, func, text);
}

/// As [`emit`], at [`Level::Warn`].
pub fn warn(func: &str, text: fmt::Arguments<'_>) {
    emit(Level::Warn, func, text);
}

/// As [`emit`], at [`Level::Timing`].
pub fn timing(func: &str, text: fmt::Arguments<'_>) {
    emit(Level::Timing, func, text);
}

/// As [`emit`], at [`Level::Info`].
pub fn info(func: &str, text: fmt::Arguments<'_>) {
    emit(Level::Info, func, text);
}

/// As [`emit`], at [`Level::Debug`].
pub fn debug(func: &str, text: fmt::Arguments<'_>) {
    emit(Level::Debug, func, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_front_ends() {
        assert!(enabled(Level::Timing) && !enabled(Level::Info));
        let good =
            SimplerHostLogState { abi_version: 1, struct_size: 16, threshold: 40, clock_anchor_pid: 0 };
        let refused = |state: SimplerHostLogState| {
            let state = Box::into_raw(Box::new(state));
            // SAFETY: a record that nobody else has.
            let bound = unsafe { bind(state) };
            // SAFETY: it was not bound, so it is this test's again.
            drop(unsafe { Box::from_raw(state) });
            bound.unwrap_err()
        };
        let other = SimplerHostLogState { abi_version: 2, ..good };
        assert!(matches!(refused(other), HostError::LogState { version: 2, size: 16 }));
        let other = SimplerHostLogState { struct_size: 12, ..good };
        assert!(matches!(refused(other), HostError::LogState { version: 1, size: 12 }));
        // SAFETY: null is refused.
        assert!(matches!(unsafe { bind(core::ptr::null_mut()) }, Err(HostError::Null { .. })));

        let state = Box::into_raw(Box::new(good));
        // SAFETY: the record is never freed.
        unsafe { bind(state) }.unwrap();
        assert!(enabled(Level::Error) && !enabled(Level::Warn));
        let at = state.wrapping_byte_add(8).cast();
        // SAFETY: the record is never freed, and this is an aligned word of it.
        let word = unsafe { AtomicU32::from_ptr(at) };
        word.store(60, Ordering::Relaxed);
        assert!(!enabled(Level::Error));
        word.store(10, Ordering::Relaxed);
        assert!(enabled(Level::Debug));
    }
}
