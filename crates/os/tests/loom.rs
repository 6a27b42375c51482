//! Models of waiting: a notification that comes after the condition was written ends the wait.
#![cfg(prewire_loom)]

use loom::sync::Arc;
use prewire_os::{Event, Meeting};
use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};

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

/// Two parties of a meeting: each sees what the other wrote before it came, round after round, and neither waits for ever.
///
/// Catches `meeting-seat`, `meeting-look`, `meeting-fence`, `meeting-silent`.
#[test]
fn both_parties_of_a_meeting_go_on_and_see_each_other() {
    loom::model(|| {
        let shared = Arc::new((Meeting::new(), [AtomicU32::new(0), AtomicU32::new(0)]));
        let party = |shared: Arc<(Meeting, [AtomicU32; 2])>, party: usize| {
            let (meeting, written) = &*shared;
            for round in 1..=2 {
                written[party].store(round, Ordering::Relaxed);
                meeting.meet(party, 2, u64::from(round), None, |_| false).unwrap();
                assert!(written[1 - party].load(Ordering::Relaxed) >= round);
            }
        };
        let other = {
            let shared = shared.clone();
            loom::thread::spawn(move || party(shared, 1))
        };
        party(shared, 0);
        other.join().unwrap();
    });
}

/// Three parties of a meeting all go on, whichever comes last.
///
/// Catches `meeting-silent`.
#[test]
fn all_three_parties_of_a_meeting_go_on() {
    loom::model(|| {
        let meeting = Arc::new(Meeting::new());
        let others = [1, 2].map(|party| {
            let meeting = meeting.clone();
            loom::thread::spawn(move || meeting.meet(party, 3, 1, None, |_| false).unwrap())
        });
        meeting.meet(0, 3, 1, None, |_| false).unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}
