//! The state of a program's log: each library that a front end loads is told where it is. This one has nothing to say.

use core::ffi::c_int;

/// What a program's log goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LogState {
    /// 1.
    pub version: u32,
    /// Bytes of it: 16.
    pub size: u32,
    /// What is not worth a line: 10, 20, 25, 30, 40 or 60.
    pub threshold: i32,
    /// The process that its clock is of.
    pub clock: i32,
}

const _: () = assert!(size_of::<LogState>() == 16 && align_of::<LogState>() == 4);

/// Whether the log is one that can be written to: 0, or -1 for one of another version, or with a threshold that is none.
///
/// # Safety
///
/// `state` is null or points to a version and a size, and to the rest if these are 1 and at least 16.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_host_log_bind_state(state: *const LogState) -> c_int {
    if state.is_null() || !state.is_aligned() {
        return -1;
    }
    // SAFETY: it is not null, so there are a version and a size.
    let [version, size] = unsafe { state.cast::<[u32; 2]>().read() };
    if version != 1 || (size as usize) < size_of::<LogState>() {
        return -1;
    }
    // SAFETY: it is of that version, and long enough.
    let LogState { threshold, .. } = unsafe { state.read() };
    if [10, 20, 25, 30, 40, 60].contains(&threshold) { 0 } else { -1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_another_kind_is_refused() {
        let good = LogState { version: 1, size: 16, threshold: 25, clock: 0 };
        let bind = |state: &LogState| {
            // SAFETY: it points to a whole state.
            unsafe { simpler_host_log_bind_state(state) }
        };
        assert_eq!(bind(&good), 0);
        let bad = [
            LogState { version: 2, ..good },
            LogState { size: 15, ..good },
            LogState { threshold: 26, ..good },
        ];
        assert!(bad.iter().all(|state| bind(state) == -1));
        // SAFETY: null is refused.
        assert_eq!(unsafe { simpler_host_log_bind_state(core::ptr::null()) }, -1);
    }
}
