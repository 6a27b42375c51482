//! What stands around every call of a front end. Invariant: no panic leaves the library, and what fails is logged.

use std::ffi::c_int;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use prewire_runs::{contained, message};

use super::error::{HostError, INTERNAL};
use super::log;

/// Runs `body`. If it panics that is logged, and the answer is `failed`.
pub(crate) fn entry<T>(call: &str, failed: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        contained(|| {
            log::error(call, format_args!("panicked: {}; please report it", message(&*panic)));
            drop(panic);
        });
        failed
    })
}

/// As [`entry`], for calls that return a code: 0, or that of the error, which is logged.
pub(crate) fn status(call: &str, body: impl FnOnce() -> Result<(), HostError>) -> c_int {
    told(call, INTERNAL, || body().map(|()| 0), |error| error.code())
}

/// As [`entry`], for calls that return `failed` of the error, which is logged, if there is one.
pub(crate) fn told<T, E: Display>(
    call: &str,
    panicked: T,
    body: impl FnOnce() -> Result<T, E>,
    failed: impl FnOnce(&E) -> T,
) -> T {
    entry(call, panicked, || {
        body().unwrap_or_else(|error| {
            log::error(call, format_args!("{error}"));
            failed(&error)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thrown_stays_inside() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(status("test", || Ok(())), 0);
        assert_eq!(status("test", || Err(HostError::Incompatible)), -3);
        assert_eq!(status("test", || Err(HostError::Unsupported { what: "a thing" })), -2);
        assert_eq!(status("test", || panic!("once")), -1);
        assert_eq!(entry("test", 7, || std::panic::panic_any(Bad)), 7);
    }
}
