//! A worker goes on with what comes of what it has run, but looks at everything again and again.

use core::time::Duration;
use prewire_os::Event;
use prewire_platform::{Host, LaneId, LaneStatus, Lanes, Token, Work};
use prewire_sim::{Sim, SimConfig};
use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// As many sub-tasks as follow each other on one core.
const CHAIN: u32 = 2000;
/// More than the chain takes on any machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Dispatches a sub-task of a chain after the other, and counts the polls that may leave aside what was published.
#[derive(Default)]
struct Chain {
    sim: OnceLock<Weak<Sim>>,
    run: AtomicU32,
    /// Polls for news, all of them; since the last whole poll; and at most between two whole ones.
    news: AtomicU32,
    in_a_row: AtomicU32,
    most: AtomicU32,
    is_over: AtomicBool,
    progress: Event,
}

impl Chain {
    fn drive(&self, domain: u16) {
        let Some(sim) = self.sim.get().and_then(Weak::upgrade) else { return };
        let mut news = sim.take_news(domain);
        while let Some(lane) = news.pop() {
            let LaneStatus::Finished(Token(token)) = sim.status(lane) else { continue };
            let run = self.run.load(Ordering::Relaxed);
            if run < CHAIN {
                sim.dispatch(lane, Token(5 - token), Work { slot: 0, block: run as u16, place: 0 });
            } else {
                self.is_over.store(true, Ordering::Relaxed);
                self.progress.notify_all();
            }
        }
    }
}

impl Host for Chain {
    fn execute(&self, _: LaneId, _: Work) {
        self.run.fetch_add(1, Ordering::Relaxed);
    }

    fn poll(&self, domain: u16) {
        self.in_a_row.store(0, Ordering::Relaxed);
        self.drive(domain);
    }

    fn poll_news(&self, domain: u16) {
        self.news.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(in_a_row, Ordering::Relaxed);
        self.drive(domain);
    }

    fn has_ready(&self, _: u16) -> bool {
        false
    }

    fn quiescent(&self) {}
}

#[test]
fn what_is_published_waits_for_a_few_polls_of_a_chain_at_most() {
    let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().threads(1)).unwrap();
    let host = Arc::new(Chain::default());
    host.sim.set(Arc::downgrade(&sim)).unwrap();
    sim.start(host.clone()).unwrap();
    sim.dispatch(LaneId(0), Token(2), Work { slot: 0, block: 0, place: 0 });
    sim.kick();
    let over = || host.is_over.load(Ordering::Relaxed).then_some(());
    assert!(host.progress.wait_until(Some(LIMIT), over).is_some(), "the chain has stopped");
    sim.stop();
    assert_eq!(host.run.load(Ordering::Relaxed), CHAIN);
    assert!(host.news.load(Ordering::Relaxed) > 0, "each poll looked at everything");
    assert!(host.most.load(Ordering::Relaxed) < 4, "what was published waited");
}
