//! What the machine costs: the yardsticks beside which a figure can be read on another machine.

use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

use prewire_os::{Beacons, process};
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering};
use prewire_sync::hint::spin_loop;

use crate::measure::Effort;
use crate::report::{Report, Row};

/// Operations between two looks at the time.
const MANY: u64 = 10_000;

/// The rows of the machine, the yardstick of all others first.
#[must_use]
pub fn calibrate(effort: Effort) -> Vec<Row> {
    let n = effort.samples;
    vec![
        row(Report::YARDSTICK, n, || per(MANY, uncontended)),
        row("machine/atomic add, two threads", n, contended),
        row("machine/cache line there and back", n, ping_pong),
        row("machine/futex pair", n, futex_pair),
        row("machine/copy of 128 bytes", n, || per(MANY, copies)),
    ]
}

fn row(name: &str, samples: u32, sample: impl Fn() -> f64) -> Row {
    let _ = sample();
    Row::of(name, "ns", (0..samples).map(|_| sample()).collect())
}

/// Nanoseconds of each of `n` that `work` does.
fn per(n: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    nanoseconds(start.elapsed(), n)
}

fn nanoseconds(spent: Duration, n: u64) -> f64 {
    spent.as_secs_f64() * 1e9 / n as f64
}

fn uncontended() {
    let word = Padded::new(AtomicU64::new(0));
    for _ in 0..MANY {
        word.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(black_box(&word).load(Ordering::Relaxed), MANY);
}

fn copies() {
    let from = Padded::new([1u64; 16]);
    let mut to = Padded::new([0u64; 16]);
    for _ in 0..MANY {
        *to = **black_box(&from);
        black_box(&mut to);
    }
}

/// Both threads add to one word; an addition of this thread, while the other is at it all the time.
fn contended() -> f64 {
    let (word, over) = (Padded::new(AtomicU64::new(0)), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = process::run_on(1);
            while !over.load(Ordering::Relaxed) {
                word.fetch_add(1, Ordering::Relaxed);
            }
        });
        let here = scope.spawn(|| {
            let _ = process::run_on(0);
            while word.load(Ordering::Relaxed) == 0 {
                spin_loop();
            }
            let spent = per(MANY, || {
                for _ in 0..MANY {
                    word.fetch_add(1, Ordering::Relaxed);
                }
            });
            over.store(true, Ordering::Relaxed);
            spent
        });
        here.join().expect("it measures")
    })
}

/// Two threads on two processors hand a count back and forth, looking all the time.
fn ping_pong() -> f64 {
    let (there, back) = (Padded::new(AtomicU64::new(0)), Padded::new(AtomicU64::new(0)));
    let take = |word: &AtomicU64, count: u64| {
        while word.load(Ordering::Relaxed) < count {
            spin_loop();
        }
    };
    there_and_back(
        MANY,
        |count| {
            take(&there, count);
            back.store(count, Ordering::Relaxed);
        },
        |count| {
            there.store(count, Ordering::Relaxed);
            take(&back, count);
        },
    )
}

/// The same, each parked until the other wakes it.
fn futex_pair() -> f64 {
    let beacons = Beacons::new(2).expect("there is memory");
    let (there, back) = (beacons.get(0), beacons.get(1));
    there_and_back(
        MANY / 50,
        |count| {
            there.wait(count as u32, None);
            back.raise();
        },
        |count| {
            there.raise();
            back.wait(count as u32, None);
        },
    )
}

/// Nanoseconds of one call of `near`, `n` times, while another processor calls `far` as often.
fn there_and_back(n: u64, far: impl Fn(u64) + Sync, near: impl Fn(u64) + Sync) -> f64 {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = process::run_on(1);
            (1..=n).for_each(&far);
        });
        // On a thread that is over afterwards: what is started later is placed as this one is.
        let here = scope.spawn(|| {
            let _ = process::run_on(0);
            per(n, || (1..=n).for_each(&near))
        });
        here.join().expect("it measures")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_five_rows_and_each_takes_some_time() {
        let rows = calibrate(Effort { samples: 2, sample: Duration::ZERO });
        assert_eq!(rows.len(), 5);
        assert!(rows.iter().all(|row| row.min > 0.0 && row.n == 2 && row.unit == "ns"), "{rows:?}");
        assert_eq!(rows[0].name, Report::YARDSTICK);
    }
}
