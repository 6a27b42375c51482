//! Model: a notification that comes after the condition was written always ends the wait.
#![cfg(prewire_loom)]

use loom::sync::Arc;
use prewire_os::Event;
use prewire_sync::atomic::{AtomicBool, Ordering};

#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let shared = Arc::new((Event::new(), AtomicBool::new(false)));
        let waiter = {
            let shared = shared.clone();
            loom::thread::spawn(move || {
                let (event, flag) = &*shared;
                while !flag.load(Ordering::Relaxed) {
                    let key = event.prepare();
                    if !flag.load(Ordering::Relaxed) {
                        event.wait(key, None);
                    }
                }
            })
        };
        shared.1.store(true, Ordering::Relaxed);
        shared.0.notify_one();
        waiter.join().unwrap();
    });
}

#[test]
fn what_was_written_before_the_notification_is_seen_by_both_waiters() {
    loom::model(|| {
        let shared = Arc::new((Event::new(), AtomicBool::new(false)));
        let wait = |shared: Arc<(Event, AtomicBool)>| {
            let (event, flag) = &*shared;
            while !flag.load(Ordering::Relaxed) {
                let key = event.prepare();
                if !flag.load(Ordering::Relaxed) {
                    event.wait(key, None);
                }
            }
        };
        let other = {
            let shared = shared.clone();
            loom::thread::spawn(move || wait(shared))
        };
        let notifier = {
            let shared = shared.clone();
            loom::thread::spawn(move || {
                shared.1.store(true, Ordering::Relaxed);
                shared.0.notify_all();
            })
        };
        wait(shared);
        other.join().unwrap();
        notifier.join().unwrap();
    });
}
