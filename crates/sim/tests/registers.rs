//! What the registers of a core say at each stage of a dispatch, as on the chip.
extern crate alloc;

use alloc::sync::{Arc, Weak};
use prewire_platform::{ChipSpec, Host, LaneId, LaneStatus, Lanes, Token, Work};
use prewire_sim::{Fault, Mode, Sim, SimConfig};
use std::sync::{Mutex, OnceLock};

/// Notes what the registers say while a kernel runs.
#[derive(Default)]
struct Probe {
    sim: OnceLock<Weak<Sim>>,
    seen: Mutex<Vec<(u32, u32, u32)>>,
}

impl Host for Probe {
    fn execute(&self, lane: LaneId, work: Work) {
        let sim = self.sim.get().and_then(Weak::upgrade).unwrap();
        let regs = sim.spec().registers;
        let read = |offset| sim.read_register(lane, offset).unwrap();
        self.seen.lock().unwrap().push((work.slot, read(regs.dispatch), read(regs.condition)));
    }
    fn poll(&self, _: u16) {}
    fn has_ready(&self, _: u16) -> bool {
        false
    }
    fn quiescent(&self) {}
}

fn chip(spec: ChipSpec) -> (Arc<Sim>, Arc<Probe>) {
    let sim = Sim::new(spec, SimConfig::default().mode(Mode::Seeded { seed: 0 })).unwrap();
    let probe = Arc::new(Probe::default());
    probe.sim.set(Arc::downgrade(&sim)).unwrap();
    sim.start(probe.clone()).unwrap();
    (sim, probe)
}

fn work(slot: u32) -> Work {
    Work { slot, block: 0, place: 0 }
}

/// Steps until the domain hears of something.
fn until_news(sim: &Sim) {
    let news = (0..100).any(|_| sim.step() && !sim.take_news(0).is_empty());
    assert!(news, "no news from domain 0");
}

#[test]
fn a_dispatch_is_acknowledged_and_then_finished() {
    for spec in [prewire_a2a3::a2a3(), prewire_a5::a5()] {
        let (sim, probe) = chip(spec);
        let lane = LaneId(0);
        let read = |offset| sim.read_register(lane, offset);
        assert_eq!(read(spec.registers.condition), Some(0x7FFF_FFFF));
        assert_eq!(read(spec.registers.dispatch), Some(0x7FFF_FFFD));
        assert_eq!(sim.status(lane), LaneStatus::Idle);

        let first = spec.tokens.after(spec.tokens.none());
        sim.dispatch(lane, first, work(11));
        assert_eq!(read(spec.registers.dispatch), Some(first.0));
        assert_eq!(read(spec.registers.condition), Some(0x7FFF_FFFF));

        until_news(&sim);
        assert_eq!(*probe.seen.lock().unwrap(), [(11, first.0, first.0)]);
        assert_eq!(read(spec.registers.condition), Some(first.0 | 1 << 31));
        assert_eq!(sim.status(lane), LaneStatus::Finished(first));
        assert_eq!(read(2), None);
        assert_eq!(sim.read_register(LaneId(spec.cores()), spec.registers.dispatch), None);

        sim.stop();
        assert_eq!(sim.status(lane), LaneStatus::Exited);
        assert_eq!(read(spec.registers.condition), Some(0x7FFF_FFFE));
        assert_eq!(read(spec.registers.dispatch), Some(0x7FFF_FFF0));
    }
}

#[test]
fn a_core_takes_a_running_and_a_pending_dispatch_and_runs_them_in_order() {
    let (sim, probe) = chip(prewire_a2a3::a2a3());
    let lane = LaneId(71);
    let tokens = sim.spec().tokens;
    let mut token = tokens.none();
    for round in 0..50 {
        let first = tokens.after(token);
        let second = tokens.after(first);
        sim.dispatch(lane, first, work(2 * round));
        sim.dispatch(lane, second, work(2 * round + 1));
        while sim.status(lane) != LaneStatus::Finished(second) {
            assert!(sim.step());
        }
        token = second;
    }
    let slots: Vec<u32> = probe.seen.lock().unwrap().iter().map(|seen| seen.0).collect();
    assert_eq!(slots, (0..100).collect::<Vec<_>>());
    assert_eq!(sim.fault(), None);
}

#[test]
fn tokens_may_start_over_without_a_dispatch_being_taken_for_an_old_one() {
    let (sim, probe) = chip(prewire_a2a3::a2a3());
    for round in 0..10 {
        for token in [2, 3, 4] {
            sim.dispatch(LaneId(5), Token(token), work(round * 10 + token));
            until_news_of(&sim, LaneId(5), Token(token));
        }
    }
    assert_eq!(probe.seen.lock().unwrap().len(), 30);
}

fn until_news_of(sim: &Sim, lane: LaneId, token: Token) {
    while sim.status(lane) != LaneStatus::Finished(token) || !sim.take_news(lane.0 % 3).is_empty() {
        assert!(sim.step() || sim.status(lane) == LaneStatus::Finished(token));
    }
}

#[test]
fn a_dispatch_to_a_closed_path_is_taken_up_when_it_opens() {
    let (sim, probe) = chip(prewire_a2a3::a2a3());
    let lane = LaneId(0);
    let path = sim.spec().registers.fast_path.unwrap();
    assert_eq!(sim.read_register(lane, path.offset), Some(0xE));
    assert!(sim.set_path(lane, false));
    assert_eq!(sim.read_register(lane, path.offset), Some(0xF));
    sim.dispatch(lane, Token(2), work(1));
    assert!(!sim.step());
    assert_eq!(sim.status(lane), LaneStatus::Idle);
    assert!(sim.set_path(lane, true));
    assert!(sim.step());
    assert_eq!(sim.status(lane), LaneStatus::Finished(Token(2)));
    assert_eq!(probe.seen.lock().unwrap().len(), 1);

    let (sim, _) = chip(prewire_a5::a5());
    assert!(!sim.set_path(lane, false), "a5 has no such word");
}

#[test]
fn breaches_of_the_protocol_are_kept() {
    let lane = LaneId(0);
    let (sim, _) = chip(prewire_a2a3::a2a3());
    for token in 2..5 {
        assert_eq!(sim.fault(), None);
        sim.dispatch(lane, Token(token), work(token));
    }
    assert_eq!(sim.fault(), Some(Fault::TooMany { lane, token: Token(4) }));
    assert!(sim.fault().unwrap().to_string().contains("core 0 got token 4"));

    let (sim, _) = chip(prewire_a2a3::a2a3());
    sim.dispatch(LaneId(72), Token(2), work(0));
    assert_eq!(sim.fault(), Some(Fault::NoSuchLane { lane: LaneId(72), cores: 72 }));
    assert_eq!(sim.status(LaneId(72)), LaneStatus::Exited);

    let (sim, _) = chip(prewire_a2a3::a2a3());
    let token = Token(sim.spec().tokens.exit);
    sim.dispatch(lane, token, work(0));
    assert_eq!(sim.fault(), Some(Fault::BadToken { lane, token, exit: token.0 }));
    assert!(!sim.step());
}
