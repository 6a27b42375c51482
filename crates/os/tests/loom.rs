//! Models of waiting: a notification that comes after the condition was written ends the wait.
#![cfg(prewire_loom)]

use loom::sync::Arc;
use prewire_os::Event;
use prewire_sync::atomic::{AtomicBool, Ordering};

/// A thread that parks while another makes its condition true and notifies does not stay parked.
///
/// Catches `event-prepare-fence`, `event-notify-fence`, `event-late-epoch`, `event-no-epoch`.
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

/// One notification to all ends the waits of two threads that park at that moment, whichever of them was there first.
///
/// Catches `event-prepare-fence`, `event-notify-fence`, `event-late-epoch`, `event-no-epoch`, `event-no-arm`.
#[test]
fn one_notification_ends_both_waits() {
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

/// Two threads notify a third of two things, one each; the second may find that it has been woken already and has not
/// run. It sees both.
///
/// Catches `event-prepare-fence`, `event-notify-fence`, `event-late-epoch`, `event-no-epoch`, `event-no-arm`.
#[test]
fn who_finds_it_woken_already_is_heard_too() {
    loom::model(|| {
        let shared = Arc::new((Event::new(), [AtomicBool::new(false), AtomicBool::new(false)]));
        let notifiers = [0, 1].map(|which| {
            let shared = shared.clone();
            loom::thread::spawn(move || {
                shared.1[which].store(true, Ordering::Relaxed);
                shared.0.notify_all();
            })
        });
        let (event, flags) = &*shared;
        let both = || flags.iter().all(|flag| flag.load(Ordering::Relaxed));
        while !both() {
            let key = event.prepare();
            if !both() {
                event.wait(key, None);
            }
        }
        notifiers.into_iter().for_each(|notifier| notifier.join().unwrap());
    });
}
