//! Random programs on random nodes, beside a slow and obvious model of what is placed where.

use std::collections::{BTreeMap, BTreeSet};

use prewire_abi::TaskId;
use prewire_platform::Standing;
use prewire_ring::{Cold, Placed, SlotRef, Verdict};
use proptest::prelude::*;

use crate::children::Node;

const WORKERS: u16 = 4;
const SUBS: u16 = 3;

/// What a program does next.
#[derive(Clone, Debug)]
enum Step {
    /// A task for each of these workers, a group if there are several; behind the task so many before it, if that is there
    /// and nothing else waits for it.
    Name(Vec<u16>, Option<usize>),
    /// Host functions in so many pieces.
    Sub(u16, Option<usize>),
    /// The lane, of those that run something, finishes; it has failed if the second is true.
    Finish(usize, bool),
    /// A lane dies, comes back, or is given up.
    Stand(u16, Standing),
    /// A poll in which nothing is new.
    Poll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lanes: Vec<u16> = (0..WORKERS).collect();
    let behind = || proptest::option::of(0..6usize);
    let named = proptest::sample::subsequence(lanes, 1..=usize::from(WORKERS)).prop_shuffle();
    let single = (0..WORKERS).prop_map(|lane| vec![lane]);
    let standing = prop_oneof![4 => Just(Standing::Down), 5 => Just(Standing::Up), 1 => Just(Standing::Gone)];
    proptest::collection::vec(
        prop_oneof![
            4 => (single, behind()).prop_map(|(lanes, behind)| Step::Name(lanes, behind)),
            3 => (named, behind()).prop_map(|(lanes, behind)| Step::Name(lanes, behind)),
            4 => (1..5u16, behind()).prop_map(|(pieces, behind)| Step::Sub(pieces, behind)),
            9 => (0..16usize, proptest::bool::weighted(0.1)).prop_map(|(at, fails)| Step::Finish(at, fails)),
            1 => (0..WORKERS + SUBS, standing).prop_map(|(lane, standing)| Step::Stand(lane, standing)),
            1 => Just(Step::Poll),
        ],
        1..80,
    )
}

/// One task, as the program knows it.
#[derive(Clone, Debug)]
struct Task {
    placed: Placed,
    /// The workers that it names; none for host functions.
    lanes: Vec<u16>,
    pieces: u16,
    waits_for: Option<usize>,
    has_consumer: bool,
}

/// What waits, and where: ready tasks in the order in which they became ready, and what is on the workers.
#[derive(Debug, Default)]
struct Model {
    tasks: Vec<Task>,
    /// Ready, and not started.
    waiting: Vec<usize>,
    /// By worker: what runs and what is behind.
    on: BTreeMap<u16, Vec<usize>>,
    standing: BTreeMap<u16, Standing>,
    /// The first group that waits, chosen when there was none: it stays so until it starts or fails.
    first_group: Option<usize>,
}

impl Model {
    fn stands(&self, lane: u16) -> Standing {
        self.standing.get(&lane).copied().unwrap_or(Standing::Up)
    }

    fn is_group(&self, task: usize) -> bool {
        self.tasks[task].lanes.len() > 1
    }

    /// Applies the rules until none of them does anything: whoever names a worker that is gone has failed; the first
    /// group starts if it can, and while it cannot its workers start nothing else; what is left goes in order.
    fn settle(&mut self) -> Vec<usize> {
        let gone = |model: &Self, task: usize| {
            model.tasks[task].lanes.iter().any(|&l| model.stands(l) == Standing::Gone)
        };
        let failed: Vec<usize> = self.waiting.iter().copied().filter(|&task| gone(self, task)).collect();
        self.waiting.retain(|task| !failed.contains(task));
        self.first_group = self.first_group.filter(|task| !failed.contains(task));
        let count = |model: &Self, lane| model.on.get(&lane).map_or(0, Vec::len);
        loop {
            self.first_group =
                self.first_group.or(self.waiting.iter().copied().find(|&task| self.is_group(task)));
            let Some(group) = self.first_group else { break };
            let lanes = self.tasks[group].lanes.clone();
            if lanes.iter().any(|&lane| count(self, lane) > 0 || self.stands(lane) != Standing::Up) {
                break;
            }
            lanes.iter().for_each(|&lane| self.on.entry(lane).or_default().push(group));
            self.waiting.retain(|&task| task != group);
            self.first_group = None;
        }
        let reserved = self.first_group.map_or(vec![], |group| self.tasks[group].lanes.clone());
        for task in self.waiting.clone() {
            let &[lane] = &self.tasks[task].lanes[..] else { continue };
            if !reserved.contains(&lane) && self.stands(lane) == Standing::Up && count(self, lane) < 2 {
                self.on.entry(lane).or_default().push(task);
                self.waiting.retain(|&other| other != task);
            }
        }
        failed
    }
}

/// The program as it runs.
struct Play {
    node: Node,
    model: Model,
    /// The tasks whose verdict the model has been told.
    over: BTreeSet<usize>,
}

impl Play {
    fn submit(&mut self, cold: Cold, lanes: &[u16], behind: Option<usize>) {
        let tasks = &mut self.model.tasks;
        // One consumer a task at most: then it is known in which order tasks become ready.
        let producer =
            behind.and_then(|back| tasks.len().checked_sub(back + 1)).filter(|&at| !tasks[at].has_consumer);
        let id: Vec<TaskId> = producer.map(|at| tasks[at].placed.id).into_iter().collect();
        if let Some(at) = producer {
            tasks[at].has_consumer = true;
        }
        let placed = self.node.submit(cold, lanes, &id);
        let task = Task {
            placed,
            lanes: lanes.to_vec(),
            pieces: cold.blocks,
            waits_for: producer,
            has_consumer: false,
        };
        self.model.tasks.push(task);
        let ready = match producer
            .map(|at| (self.over.contains(&at), self.node.verdict(self.model.tasks[at].placed.id)))
        {
            None | Some((true, Some(Verdict::Sound))) => true,
            Some(_) => false,
        };
        if ready {
            self.model.waiting.push(self.model.tasks.len() - 1);
        }
    }

    /// Polls, and compares what is where.
    fn poll(&mut self) {
        let _ = self.node.poll();
        // What has ended makes ready what waited for it.
        let completed = self.node.told.completed();
        for (id, verdict) in completed {
            let Some(at) = self.model.tasks.iter().position(|task| task.placed.id == id) else { continue };
            if !self.over.insert(at) {
                continue;
            }
            self.model
                .on
                .values_mut()
                .for_each(|on| on.retain(|&task| task != at || verdict == Verdict::Sound));
            if verdict == Verdict::Sound {
                let next = self.model.tasks.iter().position(|task| task.waits_for == Some(at));
                self.model.waiting.extend(next);
            }
        }
        for lane in 0..WORKERS {
            // A worker is in the model what it is in fact, less what it has been given in this poll.
            let held = self.held(lane);
            let on = self.model.on.entry(lane).or_default();
            on.retain(|task| held.contains(task));
        }
        let failed = self.model.settle();
        for task in failed {
            assert_eq!(self.node.verdict(self.model.tasks[task].placed.id), Some(Verdict::Failed));
        }
        for lane in 0..WORKERS {
            assert_eq!(self.held(lane), self.model.on[&lane], "on worker {lane}");
        }
        self.check_subs();
        assert!(!self.node.poll().any(), "a poll leaves something undone");
    }

    fn index(&self, slot: SlotRef) -> usize {
        self.model.tasks.iter().position(|task| task.placed.slot == slot).unwrap()
    }

    fn held(&self, lane: u16) -> Vec<usize> {
        self.node.held(lane).into_iter().map(|slot| self.index(slot)).collect()
    }

    /// Nothing waits, in the queue or behind another, where an idle lane could take it; nothing waits in the queue where
    /// there is a place behind another; and they have started in the order in which they became ready.
    fn check_subs(&mut self) {
        let node = &self.node;
        let up = |lane: &u16| self.model.stands(*lane) == Standing::Up;
        let held = |lane: u16| node.held(lane).len();
        let lanes: Vec<u16> = (WORKERS..WORKERS + SUBS).filter(up).collect();
        let all_gone = (WORKERS..WORKERS + SUBS).all(|lane| self.model.stands(lane) == Standing::Gone);
        let sub = |&task: &usize| self.model.tasks[task].lanes.is_empty();
        let is_over = |&task: &usize| node.verdict(self.model.tasks[task].placed.id).is_some();
        let unstarted = |&task: &usize| {
            let task = &self.model.tasks[task];
            // Those that were taken back count: they have a place.
            let log = node.children.log();
            let started =
                log.iter().filter(|d| d.work.slot == task.placed.slot.raw() && !d.retracted).count();
            let failed = node.rings.slot(task.placed.slot).verdict() != Verdict::Sound;
            !failed && started < usize::from(task.pieces)
        };
        let waiting: Vec<usize> = self
            .model
            .waiting
            .iter()
            .copied()
            .filter(sub)
            .filter(|t| !is_over(t))
            .filter(unstarted)
            .collect();
        if lanes.iter().any(|&lane| held(lane) == 0) {
            assert!(
                lanes.iter().all(|&lane| held(lane) < 2),
                "one waits behind another beside an idle worker"
            );
        }
        if lanes.iter().any(|&lane| held(lane) < 2) || all_gone {
            assert_eq!(waiting, [], "there is a place, or there never will be");
        }
        self.model
            .waiting
            .retain(|&task| !self.model.tasks[task].lanes.is_empty() || waiting.contains(&task));
        // In order: nothing later has begun while something earlier waits, but for pieces of one that has begun.
        let ready: Vec<usize> = waiting.iter().skip(1).copied().collect();
        for task in ready {
            assert_eq!(node.placed(self.model.tasks[task].placed.slot), [], "it has overtaken another");
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Name(lanes, behind) => self.submit(Cold::worker(lanes.len() as u16, 0), &lanes, behind),
            Step::Sub(pieces, behind) => self.submit(Cold::sub(pieces, 0), &[], behind),
            Step::Finish(at, fails) => {
                let busy = self.node.children.busy();
                let Some(&lane) = busy.get(at % busy.len().max(1)) else { return };
                if fails {
                    self.node.rings.slot(self.node.held(lane)[0]).fail();
                }
                self.node.children.finish(lane);
                self.poll();
            }
            Step::Stand(lane, standing) => {
                if self.model.stands(lane) != Standing::Gone {
                    self.model.standing.insert(lane, standing);
                    self.node.children.stand(&self.node.rings, lane, standing);
                }
                self.poll();
            }
            Step::Poll => self.poll(),
        }
    }

    /// Each piece of each task was dispatched once, to the lane that it names, a group all at once on idle lanes; but for
    /// tasks that have failed, of which no piece was dispatched twice.
    fn check_log(&self) {
        let log = self.node.children.log();
        for task in &self.model.tasks {
            let slot = task.placed.slot;
            let verdict = self.node.verdict(task.placed.id).expect("every task comes to an end");
            let placed = self.node.placed(slot);
            let pieces: BTreeSet<u32> = placed.iter().map(|&(_, piece)| piece).collect();
            assert_eq!(pieces.len(), placed.len(), "a piece was run twice");
            assert!(
                verdict != Verdict::Sound || placed.len() == usize::from(task.pieces),
                "a piece was lost"
            );
            assert!(placed.iter().all(|&(lane, piece)| match task.lanes.get(piece as usize) {
                Some(&named) => lane == named,
                None => lane >= WORKERS,
            }));
            let lines: Vec<usize> = (0..log.len()).filter(|&at| log[at].work.slot == slot.raw()).collect();
            if task.lanes.len() > 1 && !lines.is_empty() {
                assert_eq!(lines.len(), task.lanes.len(), "a part of a group");
                assert_eq!(lines[lines.len() - 1] - lines[0], lines.len() - 1, "something came between");
                assert!(lines.iter().all(|&at| !log[at].behind), "a member behind something");
            }
        }
    }
}

fn play(steps: Vec<Step>, ends: bool) {
    let node = Node::new(WORKERS, SUBS);
    let mut play = Play { node, model: Model::default(), over: BTreeSet::new() };
    steps.into_iter().for_each(|step| play.step(step));
    play.poll();
    if ends {
        play.node.rings.end();
        let _ = play.node.poll();
        for lane in 0..WORKERS + SUBS {
            assert!(play.node.held(lane).len() < 2, "what waits behind another was not taken back");
        }
    } else {
        // Whoever is being replaced comes back, or what waits for it would wait for ever.
        for lane in 0..WORKERS + SUBS {
            if play.model.stands(lane) == Standing::Down {
                play.step(Step::Stand(lane, Standing::Up));
            }
        }
        while !play.node.children.busy().is_empty() {
            play.step(Step::Finish(0, false));
        }
    }
    play.node.drain();
    play.check_log();
    play.node.assert_drained();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 400 }, ..ProptestConfig::default() })]

    #[test]
    fn what_is_placed_is_what_the_rules_say(steps in steps(), ends in proptest::bool::weighted(0.3)) {
        play(steps, ends);
    }
}
