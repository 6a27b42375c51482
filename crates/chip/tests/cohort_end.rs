//! A cohort starts whole or not at all, also when the run ends in the middle of its launch. On lanes that do nothing by
//! themselves, so that the end comes exactly there.

use prewire_abi::{LaneMask, Shape};
use prewire_platform::{LaneId, LaneSet, LaneStatus, Lanes, Token, Work};
use prewire_ring::{Attrs, Cold, Need, Ready, RingSizes, Rings, SlotRef};
use prewire_scheduler::{Env, Scheduler};
use std::sync::{Arc, Mutex};

/// Lanes that note what is dispatched to them, and end the run at the first dispatch.
struct Ending {
    rings: Arc<Rings>,
    got: Mutex<Vec<(LaneId, Token, Work)>>,
    /// Whether all that was dispatched has finished.
    finished: Mutex<bool>,
}

impl Lanes for Ending {
    fn dispatch(&self, lane: LaneId, token: Token, work: Work) {
        self.got.lock().unwrap().push((lane, token, work));
        self.rings.end();
    }

    fn status(&self, lane: LaneId) -> LaneStatus {
        let got = self.got.lock().unwrap();
        match got.iter().find(|(of, ..)| *of == lane) {
            Some((_, token, _)) if *self.finished.lock().unwrap() => LaneStatus::Finished(*token),
            Some((_, token, _)) => LaneStatus::Running(*token),
            None => LaneStatus::Idle,
        }
    }

    fn take_news(&self, _: u16) -> LaneSet {
        let mut news = LaneSet::EMPTY;
        if *self.finished.lock().unwrap() {
            self.got.lock().unwrap().iter().for_each(|(lane, ..)| news.insert(*lane));
        }
        news
    }

    fn kick(&self) {}
}

struct Always;

impl Env for Always {
    fn predicate_holds(&self, _: SlotRef) -> bool {
        true
    }
}

#[test]
fn a_run_that_ends_in_the_middle_of_a_launch_finds_all_members_launched() {
    let spec = prewire_a2a3::a2a3().with_clusters(6).with_domains(3);
    let sizes = RingSizes::smallest();
    let (rings, mut allocator) = Rings::new(&sizes, spec.domains).unwrap();
    let ready = Arc::new(Ready::new(&sizes));
    let lanes =
        Arc::new(Ending { rings: Arc::clone(&rings), got: Mutex::default(), finished: Mutex::default() });
    let scheduler = Scheduler::new(spec, Arc::clone(&rings), Arc::clone(&ready), Arc::clone(&lanes));
    let attrs = Attrs { sync_start: true, ..Attrs::default() };
    let cold = Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, blocks: 12, attrs, callable: 0 };
    let placed = allocator.commit(0, &Need::default(), cold);
    rings.publish_unwired(placed.slot);
    ready.route(&rings, placed.slot);

    // Every vector core of all three domains is needed.
    let progress = scheduler.poll(0, &Always);
    assert!(rings.is_ended());
    let mut blocks: Vec<u16> = lanes.got.lock().unwrap().iter().map(|(_, _, work)| work.block).collect();
    blocks.sort_unstable();
    assert_eq!(blocks, (0..12).collect::<Vec<_>>(), "the members that run would wait for those that do not");
    assert_eq!((progress.dispatched, progress.completed), (12, 0));

    // They finish, and so does the task.
    *lanes.finished.lock().unwrap() = true;
    let completed: u32 = (0..3).map(|domain| scheduler.poll(domain, &Always).completed).sum();
    assert_eq!(completed, 1);
    assert_eq!(allocator.completed(placed.id), Some(false));
}
