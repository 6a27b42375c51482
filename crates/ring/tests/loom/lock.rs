//! Models of the combining lock.

use loom::thread;
use prewire_ring::CombiningLock;
use std::sync::Arc;

use crate::graph::Outputs;
use crate::model;

/// Three threads bring news. Whoever is inside is alone there, which the cell in the lock checks; and the last work that
/// is done knows of all news, whoever does it.
///
/// Catches `combine-call/acquire`, `combine-call/release`, `combine-leave`, `combine-stay`, `combine-leaves`.
#[test]
fn no_errand_is_lost() {
    model(|| {
        let lock = Arc::new(CombiningLock::new(0));
        let news = Outputs::new(3);
        let bring = |lock: &CombiningLock<usize>, news: &Outputs, i: usize| {
            news.write(i);
            lock.combine(|known| *known = (0..3).filter(|&at| news.seen(at)).count())
        };
        let others = [0, 1].map(|i| {
            let (lock, news) = (Arc::clone(&lock), news.clone());
            thread::spawn(move || bring(&lock, &news, i))
        });
        let mut inside = usize::from(bring(&lock, &news, 2));
        inside += others.into_iter().map(|t| usize::from(t.join().unwrap())).sum::<usize>();
        assert!(inside >= 1, "somebody did the work");
        let mut known = 0;
        assert!(lock.combine(|last| known = *last), "the lock is free when nobody is inside");
        assert_eq!(known, 3, "news was lost");
    });
}

/// A thread that leaves its errand returns at once: it never waits for the one inside, which serves it before leaving.
///
/// Catches `combine-call/release`, `combine-stay`, `combine-leaves`.
#[test]
fn a_loser_is_served_before_the_winner_leaves() {
    model(|| {
        let lock = Arc::new(CombiningLock::new(()));
        let news = Outputs::new(1);
        let other = {
            let (lock, news) = (Arc::clone(&lock), news.clone());
            thread::spawn(move || {
                news.write(0);
                lock.combine(|()| ())
            })
        };
        let mut seen = false;
        let inside = lock.combine(|()| seen = news.seen(0));
        let other_inside = other.join().unwrap();
        if inside && !other_inside {
            assert!(seen, "the winner left without the loser's errand");
        }
        assert!(inside || other_inside);
    });
}

/// Who enters does its own work itself, after what the thread inside before it did, and serves those that call meanwhile.
///
/// Catches `combine-enter`, `combine-leave`, `combine-leaves`.
#[test]
fn who_enters_waits_for_its_turn() {
    model(|| {
        let lock = Arc::new(CombiningLock::new(0));
        let news = Outputs::new(1);
        let other = {
            let (lock, news) = (Arc::clone(&lock), news.clone());
            thread::spawn(move || {
                news.write(0);
                lock.combine(|known| *known |= usize::from(news.seen(0)))
            })
        };
        let mut mine = 0;
        lock.enter(|known| {
            mine += 1;
            *known |= usize::from(news.seen(0)) | 2;
        });
        assert!(mine > 0, "somebody else's errand");
        let _ = other.join().unwrap();
        lock.enter(|known| assert_eq!(*known, 3, "news was lost"));
    });
}
