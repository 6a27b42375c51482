//! The sequential oracle: tasks run one by one, on plain memory, with a plain list of accesses. Invariant: what it says
//! of a task depends on the tasks before it alone.

use std::collections::BTreeMap;

use prewire_chip::Hazards;
use prewire_tensormap::{Overlap, Region};

use crate::oracle::arithmetic;
use crate::oracle::program::{Arg, External, Fault, Kind, Span, Task, Use};

/// A set of tasks, by number.
pub(crate) type Set = u128;

/// As many tasks as a program may have.
pub(crate) const TASKS: usize = 100;

/// Memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<u32>,
    /// None: nobody has written it.
    pub(crate) data: Vec<Option<i64>>,
    /// The task that created it.
    pub(crate) creator: Option<usize>,
    /// Its ring, for heap memory.
    pub(crate) ring: Option<usize>,
    /// Its scope, for heap memory: gone when that closes.
    pub(crate) live: bool,
}

/// An access that later ones are ordered by.
#[derive(Clone, Debug)]
struct Entry {
    task: usize,
    tensor: usize,
    region: Region,
    places: u64,
    write: bool,
}

/// What ran, of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    Nothing,
    /// Each sub-task once.
    All,
    /// It failed: each sub-task at most once, and this one, if it is known which.
    Some(Option<u32>),
}

/// What became of a task.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// It failed, or depends on one that did.
    pub(crate) bad: bool,
    pub(crate) ran: Ran,
    pub(crate) total: u32,
    /// The tasks that have ended before it begins.
    pub(crate) before: Set,
}

/// An access that a task is about to make.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) tensor: usize,
    pub(crate) region: Region,
    /// Its elements, as bits.
    pub(crate) places: u64,
    pub(crate) write: bool,
    /// Whether it waits for writes: a write that does not read need not, where only such hazards are inferred.
    pub(crate) reads: bool,
    /// Whether it asks the tensor map, and tells it.
    pub(crate) inferred: bool,
}

impl Access {
    pub(crate) fn of(span: &Span, how: Use, inferred: bool) -> Self {
        let inferred = inferred && how.is_inferred();
        let places = span.places().into_iter().fold(0, |places, at| places | 1 << at);
        let (write, reads) = (how.writes(), how.reads());
        Self { tensor: span.tensor, region: span.region(), places, write, reads, inferred }
    }

    fn conflicts(&self, other: &Self) -> bool {
        (self.write || other.write) && self.tensor == other.tensor && self.places & other.places != 0
    }
}

/// Everything that the tasks so far have brought about.
#[derive(Clone, Debug)]
pub(crate) struct World {
    hazards: Hazards,
    pub(crate) memory: Vec<Memory>,
    pub(crate) fates: Vec<Fate>,
    map: Vec<Entry>,
    /// All accesses, whatever orders them.
    done: Vec<(usize, Access)>,
    /// What elements may hold beside what is in memory, because a task failed half-way.
    pub(crate) or: BTreeMap<(usize, usize), i64>,
}

impl World {
    pub(crate) fn new(externals: &[External], hazards: Hazards) -> Self {
        let memory = externals.iter().map(|external| Memory {
            kind: external.kind,
            shape: external.shape.clone(),
            data: external.data.iter().copied().map(Some).collect(),
            creator: None,
            ring: None,
            live: true,
        });
        Self {
            hazards,
            memory: memory.collect(),
            fates: Vec::new(),
            map: Vec::new(),
            done: Vec::new(),
            or: BTreeMap::new(),
        }
    }

    /// The tasks that the tensor map says an access waits for. Memory of closed scopes is another tensor here.
    pub(crate) fn found(&self, access: &Access) -> Set {
        let raw = self.hazards == Hazards::Raw;
        self.map
            .iter()
            .filter(|entry| entry.tensor == access.tensor)
            .filter(|entry| if raw { access.reads && entry.write } else { access.write || entry.write })
            .filter(|entry| {
                let apart = entry.region.overlap(&access.region) == Overlap::None;
                assert!(
                    !apart || entry.places & access.places == 0,
                    "{entry:?} and {access:?} have elements in common"
                );
                !apart
            })
            .fold(0, |found, entry| found | 1 << entry.task)
    }

    /// The tasks that `edges` make sure of, themselves included.
    pub(crate) fn closure(&self, edges: Set) -> Set {
        members(edges).fold(edges, |all, task| all | self.fates[task].before)
    }

    /// The latest task that conflicts with one of `accesses` and is not in `ordered`.
    pub(crate) fn loose(&self, accesses: &[Access], ordered: Set) -> Option<usize> {
        self.done
            .iter()
            .filter(|(task, _)| ordered >> task & 1 == 0)
            .filter(|(_, done)| accesses.iter().any(|access| access.conflicts(done)))
            .map(|(task, _)| *task)
            .max()
    }

    /// Whether one of them failed, or did not run because of a failure.
    pub(crate) fn any_bad(&self, tasks: Set) -> bool {
        members(tasks).any(|task| self.fates[task].bad)
    }

    /// How many recorded accesses of tasks in `tasks` the map may hold.
    pub(crate) fn entries(&self, tasks: Set) -> u32 {
        self.map.iter().filter(|entry| tasks >> entry.task & 1 != 0).count() as u32
    }

    /// The tasks that an access may find beside those that it is to find: they accessed memory that is gone, and may
    /// have been where the accessed memory is now.
    pub(crate) fn haunting(&self, access: &Access) -> Set {
        let Some(ring) = self.memory[access.tensor].ring else { return 0 };
        let gone = |tensor: usize| self.memory[tensor].ring == Some(ring) && !self.memory[tensor].live;
        self.map.iter().filter(|entry| gone(entry.tensor)).fold(0, |all, entry| all | 1 << entry.task)
    }

    /// The tasks that failed, or did not run because of a failure.
    pub(crate) fn bad(&self) -> Set {
        (0..self.fates.len()).filter(|&task| self.fates[task].bad).fold(0, |all, task| all | 1 << task)
    }

    /// Whether all elements of `span` were written.
    pub(crate) fn is_defined(&self, span: &Span) -> bool {
        let data = &self.memory[span.tensor].data;
        span.places().iter().all(|&at| data[at].is_some())
    }

    pub(crate) fn element(&self, span: &Span, index: &[u32]) -> usize {
        span.start as usize + index.iter().zip(&span.strides).map(|(i, s)| (i * s) as usize).sum::<usize>()
    }

    /// New memory.
    pub(crate) fn create(&mut self, span: &Span, creator: usize, ring: usize) {
        debug_assert_eq!(span.tensor, self.memory.len());
        self.memory.push(Memory {
            kind: span.kind,
            shape: span.shape.clone(),
            data: vec![None; span.len() as usize],
            creator: Some(creator),
            ring: Some(ring),
            live: true,
        });
    }

    /// Ends a task that runs nothing.
    pub(crate) fn settle(&mut self, bad: bool, before: Set) {
        self.fates.push(Fate { bad, ran: Ran::Nothing, total: 0, before });
    }

    /// Runs a task whose waits are `edges`, or not, and records what it accesses.
    pub(crate) fn run(&mut self, task: &Task, edges: Set, accesses: &[Access]) {
        let poisoned = self.any_bad(edges);
        let off = !poisoned
            && task.cores.places() > 0
            && task.predicate.as_ref().is_some_and(|p| {
                let at = self.element(&p.view.span, &p.index);
                // A predicate looks at defined elements only.
                !self.memory[p.view.span.tensor].data[at].is_none_or(|value| p.op.holds(value, p.target))
            });
        let ran = if poisoned || off || task.total() == 0 {
            Ran::Nothing
        } else {
            self.execute(task);
            match task.fault {
                Fault::None => Ran::All,
                Fault::Sub(sub) => Ran::Some(Some(sub)),
                Fault::Before | Fault::After | Fault::Panic => Ran::Some(None),
            }
        };
        let bad = poisoned || matches!(ran, Ran::Some(_));
        self.fates.push(Fate { bad, ran, total: task.total(), before: self.closure(edges) });
        for access in accesses {
            self.done.push((task.number, access.clone()));
            if access.inferred && !access.region.is_empty() {
                self.record(task.number, access);
            }
        }
    }

    fn record(&mut self, task: usize, access: &Access) {
        let Access { tensor, region, places, write, .. } = *access;
        if write {
            let raw = self.hazards == Hazards::Raw;
            self.map.retain(|entry| {
                let gone = if raw {
                    entry.region == region
                } else {
                    region.overlap(&entry.region) == Overlap::Covers
                };
                let stays = entry.tensor != tensor || !gone;
                assert!(stays || entry.places & !places == 0, "{access:?} does not cover {entry:?}");
                stays
            });
        } else if self.hazards != Hazards::All {
            return;
        }
        self.map.push(Entry { task, tensor, region, places, write });
    }

    /// The sequential meaning of a task.
    fn execute(&mut self, task: &Task) {
        if matches!(task.fault, Fault::Before | Fault::Panic) {
            return;
        }
        let mut read = 0i64;
        for (i, arg) in task.args.iter().enumerate() {
            if !arg.how().writes() {
                let data = &self.memory[arg.span().tensor].data;
                let values = arg.span().places().into_iter().map(|at| data[at].unwrap_or(0));
                read = read.wrapping_add(arithmetic::read(i, arithmetic::digest(values)));
            }
        }
        for arg in task.args.iter().filter(|arg| arg.how().writes()) {
            self.write(task, read, arg);
        }
    }

    fn write(&mut self, task: &Task, read: i64, arg: &Arg) {
        let (span, total) = (arg.span(), task.total());
        let places = span.places();
        let memory = &mut self.memory[span.tensor];
        let old: Vec<Option<i64>> = places.iter().map(|&at| memory.data[at]).collect();
        let mut new: Vec<i64> = old
            .iter()
            .enumerate()
            .map(|(at, &old)| {
                let old = arg.how().reads().then(|| old.unwrap_or(0));
                span.kind.wrap(arithmetic::write(task.number as u64, read, at, old))
            })
            .collect();
        let row = span.shape[1..].iter().product::<u32>() as usize;
        let part = |from, end| {
            let (from, end) = arithmetic::rows(span.shape[0], from, end, total);
            from as usize * row..end as usize * row
        };
        if task.exchange {
            let group = task.group();
            for first in (0..total).step_by(group as usize) {
                let part = part(first, first + group);
                let digest = arithmetic::digest(new[part.clone()].iter().copied());
                for value in &mut new[part] {
                    *value = span.kind.wrap(arithmetic::exchange(*value, digest));
                }
            }
        }
        let failed = match task.fault {
            Fault::Sub(sub) => part(sub, sub + 1),
            _ => 0..0,
        };
        for (at, &place) in places.iter().enumerate() {
            if failed.contains(&at) {
                continue;
            }
            if let (Fault::Sub(_), Some(old)) = (task.fault, old[at]) {
                self.or.insert((span.tensor, place), old);
            }
            memory.data[place] = Some(new[at]);
        }
    }
}

/// The members of a set.
pub(crate) fn members(set: Set) -> impl DoubleEndedIterator<Item = usize> {
    (0..Set::BITS as usize).filter(move |&task| set >> task & 1 != 0)
}
