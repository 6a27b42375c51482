//! Threads of a model that borrow: loom's own do not.

use core::marker::PhantomData;
use loom::thread::JoinHandle;
use std::cell::RefCell;

/// Threads that are joined before what they borrow ends.
pub(crate) struct Scope<'env> {
    threads: RefCell<Vec<JoinHandle<()>>>,
    /// `'env` is exactly what the threads borrow.
    borrowed: PhantomData<&'env mut &'env ()>,
}

impl<'env> Scope<'env> {
    /// Starts a thread.
    pub(crate) fn spawn(&self, body: impl FnOnce() + 'env) {
        let body: Box<dyn FnOnce() + 'env> = Box::new(body);
        // SAFETY: the two types differ in the lifetime alone. The thread is joined at the end of `scope`, before which
        // nothing that lives for `'env` ends; and if `scope` unwinds, loom ends the model without running the thread on.
        let body: Box<dyn FnOnce() + 'static> = unsafe { core::mem::transmute(body) };
        self.threads.borrow_mut().push(loom::thread::spawn(body));
    }
}

/// Runs `body`, then joins the threads that it has started.
pub(crate) fn scope<'env>(body: impl FnOnce(&Scope<'env>)) {
    let scope = Scope { threads: RefCell::default(), borrowed: PhantomData };
    body(&scope);
    for thread in scope.threads.into_inner() {
        thread.join().expect("a thread of the model failed");
    }
}
