//! Models of the dispatch protocol of a core: no dispatch is lost, doubled, or run with what belongs to another.

use super::{model, spec};
use crate::cores::Cores;
use alloc::sync::Arc;
use loom::thread;
use prewire_platform::{LaneId, LaneSet, LaneStatus, Token, Work};
use prewire_sync::atomic::{AtomicU32, Ordering};

const LANE: LaneId = LaneId(0);

/// A core, and what its kernels write.
struct Bench {
    cores: Cores,
    /// How often each dispatch ran, by the number in its slot.
    ran: [AtomicU32; 2],
}

impl Bench {
    fn new() -> Arc<Self> {
        let cores = Cores::new(spec(), 2);
        cores.power_on();
        Arc::new(Self { cores, ran: core::array::from_fn(|_| AtomicU32::new(0)) })
    }

    /// Dispatches number `n`, and queues the core if it was free.
    fn dispatch(&self, n: u32) {
        let work = Work { slot: n, block: 10 + n as u16, place: 20 + n as u16 };
        if self.cores.put(LANE, Token(2 + n), work) {
            self.cores.enqueue_all(0, LaneSet(1 << LANE.0));
        }
    }

    /// Runs what the core has, if it is in the queue, as the worker does whose queue that is.
    fn serve(&self) {
        if let Some(lane) = self.cores.claim(0, 0, 0) {
            self.run(lane, || self.cores.report(lane));
        }
    }

    /// As another worker does.
    fn serve_stolen(&self) {
        if let Some(lane) = self.cores.steal(1, 0).pop() {
            self.run(lane.0, || self.cores.report(lane.0));
        }
    }

    /// Runs what a core has, as its owner, and tells of each dispatch that has finished.
    fn run(&self, lane: u16, tell: impl Fn()) {
        let core = self.cores.core(lane);
        loop {
            let (token, work) = core.take();
            let n = work.slot;
            let payload = (token, u32::from(work.block), u32::from(work.place));
            assert_eq!(payload, (Token(2 + n), 10 + n, 20 + n), "a torn payload");
            assert!(n == 0 || self.runs(0) == 1, "the second ran before the first");
            self.ran[n as usize].fetch_add(1, Ordering::Relaxed);
            core.finish(&self.cores.spec, token);
            tell();
            if !core.release() {
                return;
            }
        }
    }

    /// What news tell has happened.
    fn spend(&self, news: LaneSet) {
        if !news.is_empty() {
            let status = self.cores.status(LANE);
            assert_eq!(status, LaneStatus::Finished(Token(2)), "a report was spent on nothing");
        }
    }

    fn runs(&self, n: u32) -> u32 {
        self.ran[n as usize].load(Ordering::Relaxed)
    }

    /// What the condition word says has finished is seen here.
    fn look(&self) {
        match self.cores.status(LANE) {
            LaneStatus::Finished(Token(2)) | LaneStatus::Running(Token(3)) => {
                assert_eq!(self.runs(0), 1, "the first has finished, and its results are not there");
            }
            LaneStatus::Finished(_) => {
                assert_eq!(
                    (self.runs(0), self.runs(1)),
                    (1, 1),
                    "both have finished, and their results are not there"
                );
            }
            _ => {}
        }
    }
}

/// A second dispatch comes while the owner of the core is about to let it go: it is run once, after the first, with its
/// own payload, by that owner or by the next one.
///
/// Catches `gate-look`, `gate-raise/acquire`, `gate-raise/release`, `gate-lower/acquire`, `gate-lower/release`.
#[test]
fn a_dispatch_to_a_core_that_is_let_go_is_not_lost() {
    model(|| {
        let bench = Bench::new();
        let owner = {
            let bench = Arc::clone(&bench);
            bench.dispatch(0);
            thread::spawn(move || bench.serve())
        };
        bench.dispatch(1);
        bench.serve();
        owner.join().unwrap();
        // Queued when the owner had gone: this thread has not looked since.
        bench.serve();
        assert_eq!((bench.runs(0), bench.runs(1)), (1, 1), "a dispatch was lost or doubled");
        assert_eq!(bench.cores.fault(), None);
    });
}

/// Two workers want the only core in the queue: one gets it.
///
/// Catches `lane-claimed-twice`, `lane-insert-all`, `lane-remove`.
#[test]
fn a_core_has_one_owner() {
    model(|| {
        let bench = Bench::new();
        let workers = [0, 1].map(|_| {
            let bench = Arc::clone(&bench);
            thread::spawn(move || bench.serve())
        });
        bench.dispatch(0);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        bench.serve();
        assert_eq!(bench.runs(0), 1);
    });
}

/// A worker wants the only core in its queue, and another one takes what it can from there: one gets it, with what was
/// dispatched.
///
/// Catches `lane-take`, `lane-insert-all`.
#[test]
fn a_core_that_is_taken_from_another_has_one_owner() {
    model(|| {
        let bench = Bench::new();
        let thief = {
            let bench = Arc::clone(&bench);
            thread::spawn(move || bench.serve_stolen())
        };
        bench.dispatch(0);
        bench.serve();
        thief.join().unwrap();
        assert_eq!(bench.runs(0), 1);
    });
}

/// Whoever reads in the condition word that a dispatch has finished, or that the next one is running, sees its results.
///
/// Catches `condition-finished`, `condition-taken`, `condition-read`.
#[test]
fn what_has_finished_is_seen() {
    model(|| {
        let bench = Bench::new();
        bench.dispatch(0);
        bench.dispatch(1);
        let owner = {
            let bench = Arc::clone(&bench);
            thread::spawn(move || bench.serve())
        };
        bench.look();
        owner.join().unwrap();
        bench.look();
    });
}

/// Whoever takes the news of a domain finds in the condition word what they are about: a report is not spent on a word
/// that still says the old.
///
/// Catches `lane-insert`, `lane-take-all`.
#[test]
fn news_come_with_what_they_tell() {
    model(|| {
        let bench = Bench::new();
        bench.dispatch(0);
        let owner = {
            let bench = Arc::clone(&bench);
            thread::spawn(move || bench.serve())
        };
        bench.spend(bench.cores.take_news(0));
        owner.join().unwrap();
    });
}

/// The same of news that a worker has left, which another one takes, or makes news for all.
///
/// Catches `lane-insert-first`, `lane-take`.
#[test]
fn what_was_left_comes_with_what_it_tells() {
    model(|| {
        let bench = Bench::new();
        bench.dispatch(0);
        let owner = {
            let bench = Arc::clone(&bench);
            thread::spawn(move || {
                let lane = bench.cores.claim(0, 0, 0).expect("nobody else takes it");
                bench.run(lane, || bench.cores.leave(0, lane));
            })
        };
        bench.cores.report_all_left(0);
        bench.spend(bench.cores.take_news(0));
        owner.join().unwrap();
    });
}
