//! What kernels may write to after their test has failed: it is never freed.

use std::sync::Mutex;

/// The addresses of all that is kept, so that a search for leaks finds somebody who knows of it.
static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Keeps a value for as long as the process lives.
pub(crate) fn kept<T: Sync>(value: T) -> &'static T {
    let value: &'static T = Box::leak(Box::new(value));
    KEPT.lock().unwrap().push(std::ptr::from_ref(value).expose_provenance());
    value
}
