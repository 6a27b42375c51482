//! Events wake whom they must, time out when nobody notifies, and cost no processor time while they wait.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

use core::time::Duration;
use prewire_os::{Event, Mapping, clock};
use prewire_sync::atomic::{AtomicU32, Ordering};

#[test]
fn threads_that_hand_a_ball_to_and_fro_never_miss_it() {
    const ROUNDS: u32 = 20_000;
    let (event, ball) = (Event::new(), AtomicU32::new(0));
    std::thread::scope(|s| {
        for side in 0..2 {
            let (event, ball) = (&event, &ball);
            s.spawn(move || {
                for round in 0..ROUNDS {
                    let mine = round * 2 + side;
                    // No spin: every hand-over is to race with parking.
                    while ball.load(Ordering::Acquire) != mine {
                        let key = event.prepare();
                        if ball.load(Ordering::Acquire) != mine {
                            event.wait(key, None);
                        }
                    }
                    ball.store(mine + 1, Ordering::Release);
                    event.notify_one();
                }
            });
        }
    });
    assert_eq!(ball.load(Ordering::Relaxed), ROUNDS * 2);
}

#[test]
fn notify_all_wakes_everybody() {
    let (event, open, through) = (Event::new(), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                event.wait_until(None, || (open.load(Ordering::Acquire) == 1).then_some(()));
                through.fetch_add(1, Ordering::Relaxed);
            });
        }
        open.store(1, Ordering::Release);
        event.notify_all();
    });
    assert_eq!(through.load(Ordering::Relaxed), 8);
}

#[test]
fn all_are_woken_once_for_each_time_that_somebody_prepares() {
    let event = Event::new();
    assert!(!event.notify_all(), "nobody waits");
    let key = event.prepare();
    assert!(event.notify_all(), "one is to be woken");
    assert!(!event.notify_all(), "that one has been woken, and has not got to run yet");
    let later = event.prepare();
    assert!(event.notify_all(), "another one has come since");
    assert!(event.wait(key, None) && event.wait(later, None), "both were notified before they parked");
}

#[test]
fn a_wait_that_nobody_ends_times_out_and_burns_nothing() {
    let event = Event::new();
    let (wall, cpu) = (clock::monotonic(), clock::thread_cpu());
    assert_eq!(event.wait_until(Some(Duration::from_millis(200)), || None::<()>), None);
    let (wall, cpu) = (clock::monotonic() - wall, clock::thread_cpu() - cpu);
    assert!(wall >= Duration::from_millis(200), "{wall:?}");
    assert!(cpu < wall / 20, "{cpu:?} of {wall:?} were spent waiting");
}

#[test]
fn a_key_that_is_dropped_leaves_no_sleeper_behind() {
    let event = Event::new();
    drop(event.prepare());
    let key = event.prepare();
    event.notify_one();
    assert!(event.wait(key, None), "the notification came after the key: the wait ends at once");
    assert!(format!("{event:?}").contains("sleepers: 0"), "{event:?}");
}

#[test]
fn a_mapping_is_zeroed_and_takes_only_the_pages_it_is_touched_on() {
    let resident = || prewire_os::process::statistics().unwrap().resident;
    let before = resident();
    let memory = Mapping::new(8 << 30).unwrap();
    // SAFETY: the byte is inside the mapping, and nobody else has its address.
    let last = unsafe { memory.as_ptr().add(memory.len() - 1) };
    // SAFETY: as above; a fresh page reads as zero.
    assert_eq!(unsafe { last.read() }, 0);
    // SAFETY: as above.
    unsafe { last.write(7) };
    assert!(resident() < before + (64 << 20), "8 GiB must not become resident");
}
