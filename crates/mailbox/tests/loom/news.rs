//! Models of the news: whatever a child reports is taken by somebody, and nobody sleeps over it.

use crate::model;
use crate::pair::Pair;
use crate::scope::scope;
use prewire_mailbox::{Block, Generation, Wake, Work};
use prewire_os::Event;
use prewire_sync::atomic::{AtomicU32, Ordering};

/// What a progress thread sleeps on: in the product a descriptor that counts.
struct Bell {
    rung: AtomicU32,
    event: Event,
}

impl Bell {
    fn new() -> Self {
        Self { rung: AtomicU32::new(0), event: Event::new() }
    }

    fn ring(&self) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        self.event.notify_all();
    }

    /// Sleeps until it is rung more often than `heard`.
    fn sleep(&self, heard: &mut u32) {
        let rung = || Some(self.rung.load(Ordering::Relaxed)).filter(|rung| *rung != *heard);
        *heard = self.event.wait_until(None, rung).expect("it has no timeout");
    }
}

/// A child of number `child` has done something, and reports it.
fn report(block: &Block, bell: &Bell, done: &AtomicU32, child: u32) {
    done.store(1, Ordering::Relaxed);
    if block.report(child) == Wake::Progress {
        bell.ring();
    }
}

/// What a bit stands for is seen by whoever takes the bit.
///
/// Catches `news-set`, `news-take`.
#[test]
fn a_bit_brings_what_the_child_did() {
    model(|| {
        let pair = Pair::new();
        let (bell, done) = (Bell::new(), AtomicU32::new(0));
        scope(|scope| {
            scope.spawn(|| report(&pair.block, &bell, &done, 100));
            let news = pair.block.take_news();
            if news != 0 {
                assert_eq!((news, done.load(Ordering::Relaxed)), (1 << 100, 1));
            }
        });
    });
}

/// A thread that attends and parks is woken by a report that comes while it goes to sleep.
///
/// Catches `news-park-blind`, `news-report-fence`, `event-prepare-fence`.
#[test]
fn a_leader_that_parks_misses_nothing() {
    model(|| {
        let pair = Pair::new();
        let (bell, done) = (Bell::new(), AtomicU32::new(0));
        scope(|scope| {
            scope.spawn(|| report(&pair.block, &bell, &done, 0));
            let mut attend = pair.block.attend().expect("nobody else does");
            while pair.block.take_news() == 0 {
                attend.park(None, || false);
            }
            assert!(!attend.stop(), "there was one report");
        });
    });
}

/// A thread stops attending while a child reports and the progress thread goes to sleep: one of the two takes the news.
///
/// Catches `news-leave-blind`, `news-leave-fence`, `news-sleep-fence`, `news-sleep-blind`, `news-report-fence`.
#[test]
fn no_news_is_left_by_who_stops_attending() {
    model(|| {
        let pair = Pair::new();
        let block = &pair.block;
        let (bell, done, taken) = (Bell::new(), AtomicU32::new(0), AtomicU32::new(0));
        // How much was taken so far, by anybody: an exchange reads the last value.
        let take = || {
            let news = block.take_news().count_ones();
            taken.fetch_add(news, Ordering::Relaxed) + news
        };
        let attend = block.attend().expect("nobody else does");
        scope(|scope| {
            scope.spawn(|| report(block, &bell, &done, 0));
            // The progress thread: it goes on until all news is taken, by whomever.
            scope.spawn(|| {
                let mut heard = 0;
                while take() == 0 {
                    if block.about_to_sleep() {
                        bell.sleep(&mut heard);
                    }
                    block.awake();
                }
            });
            if attend.stop() {
                take();
                // The progress thread of the model ends when all is done: so it is told.
                bell.ring();
            }
        });
        assert_eq!(taken.into_inner(), 1, "news was lost, or taken twice");
    });
}

/// A parent that is told that there is news finds the task ended.
///
/// Catches `mailbox-early-report`.
#[test]
fn a_report_comes_after_the_end_of_the_task() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        let _ = pair.block.take_news();
        pair.post(0, 7).expect("the frame is idle");
        scope(|scope| {
            scope.spawn(|| {
                let Some(Work::Task(task)) = child.look() else { unreachable!("it was posted before") };
                let _ = pair.run(task);
            });
            let mut attend = pair.block.attend().expect("nobody else does");
            while pair.block.take_news() == 0 {
                attend.park(None, || false);
            }
            assert_eq!(pair.parent().reap(0), Some(Ok(())), "told before it has ended");
            assert_eq!(pair.output(0), 7);
            let _ = attend.stop();
        });
    });
}
