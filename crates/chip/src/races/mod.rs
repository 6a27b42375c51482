//! The race checker: whether what tasks touch is ordered by what the program asked for, in whatever order they ran.
//!
//! It keeps a graph of its own, in which an edge is an order that the program asked for: an explicit edge that waits,
//! the creator of a tensor, a hazard between declared accesses, a host access that waited. That a producer had retired,
//! or that a full ring held a submit back, is no edge. Beside it is a shadow of the memory with the accesses that
//! kernels really made: the views that they took, the elements that predicates looked at, and what they wrote behind
//! their declaration. Two accesses of the same bytes, one a write, that no path joins are a race.
//!
//! Invariant: everything here happens in the order of a seeded simulation, one thing at a time, so that the same seed
//! gives the same report.

mod check;
mod graph;
mod report;
mod shadow;
mod watch;

use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_abi::{ChipTensor, ScopeMode, TaskId, TensorArgType};
use prewire_orchestrator::{Args, asks, tells};
use prewire_tensormap::{Access, Hazards, Life, Region, TensorMap};

use crate::span::Span;
pub use check::Check;
use graph::{Graph, Info, Who};
pub use report::{Missing, Party, Race, RaceReport, Through, Undeclared};
use shadow::{Conflict, Shadow, Touch};
pub(crate) use watch::{Eye, Watch};

/// A task that was submitted.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) id: TaskId,
    /// None: a dummy.
    pub(crate) kernel: Option<Arc<str>>,
    pub(crate) site: &'static Location<'static>,
    /// Of the scope that it was submitted in.
    pub(crate) mode: ScopeMode,
}

/// The race checker of a chip.
#[derive(Debug)]
pub(crate) struct Races {
    hazards: Hazards,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    graph: Graph,
    shadow: Shadow,
    /// What accesses were declared, by node. Nothing in it ever retires.
    map: TensorMap,
    /// The node of each task, and where the addresses of its buffers are: of each tensor, then of the predicate.
    tasks: HashMap<u64, (u32, usize)>,
    buffers: Vec<u64>,
    /// Pairs that were told.
    told: HashSet<(u32, u32)>,
    /// The pairs of the races in the report.
    pairs: Vec<(u32, u32)>,
    report: RaceReport,
}

/// Nodes travel through the tensor map in the place of task ids.
fn named(node: u32) -> TaskId {
    TaskId::from_raw(node.into())
}

/// Races after which no more are looked at closely, so that a program with very many ends.
const LOOKS: usize = 4096;

fn never_ends(_: TaskId) -> Life {
    Life::Live
}

impl Races {
    pub(crate) fn new(hazards: Hazards) -> Self {
        let state = State {
            graph: Graph::default(),
            shadow: Shadow::default(),
            map: TensorMap::new(u32::MAX, hazards),
            tasks: HashMap::new(),
            buffers: Vec::new(),
            told: HashSet::new(),
            pairs: Vec::new(),
            report: RaceReport::default(),
        };
        Self { hazards, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins: runs are ordered, so nothing of the one before counts.
    pub(crate) fn start(&self) {
        let mut state = self.state();
        state.graph.clear();
        state.shadow.clear();
        if !state.map.is_empty() {
            // A new one: its tables are large, and what is not touched of them costs nothing.
            state.map = TensorMap::new(u32::MAX, self.hazards);
        }
        state.tasks.clear();
        state.buffers.clear();
        state.told.clear();
        state.pairs.clear();
        state.report = RaceReport::default();
    }

    /// What was found in the last run, if anything was.
    pub(crate) fn report(&self) -> Option<RaceReport> {
        let state = self.state();
        (!state.report.is_empty()).then(|| state.report.clone())
    }

    /// Everything so far has ended, as a call promises.
    pub(crate) fn fence(&self) {
        self.state().graph.fence();
    }

    /// Memory was given out.
    pub(crate) fn fresh(&self, args: &Args) {
        self.state().fresh(args);
    }

    /// A task was submitted, and none of its kernels has begun.
    pub(crate) fn submitted(&self, task: Submission, args: &Args) {
        let mut state = self.state();
        let state = &mut *state;
        state.fresh(args);
        let (mut waits, mut retains) = (Vec::new(), Vec::new());
        for (id, kind) in args.producers() {
            if let Some(&(node, _)) = state.tasks.get(&id.raw()) {
                if kind.waits() { waits.push(node) } else { retains.push(node) }
            }
        }
        let infer = task.mode == ScopeMode::Auto;
        let hazards = self.hazards;
        let existing = args.tensors().iter().filter(|arg| !arg.creates());
        let existing = existing.map(|arg| (arg.tensor(), asks(arg.tag(), hazards), tells(arg.tag())));
        let read = Some(Access::Read);
        let accesses = existing.chain(args.reads().iter().map(|(tensor, _)| (tensor, read, read)));
        for (tensor, asks, _) in accesses.clone() {
            waits.extend(state.tasks.get(&tensor.owner_task_id().raw()).map(|&(node, _)| node));
            if let Some(access) = asks
                && infer
                && !tensor.is_manual_dep()
            {
                state.find(tensor, access, &mut waits);
            }
        }
        let who = Who::Task { id: task.id, kernel: task.kernel };
        let node = state.graph.add(Info { who, site: task.site, manual: !infer }, &mut waits, &retains);
        for (tensor, _, tells) in accesses {
            if let Some(access) = tells
                && infer
                && !tensor.is_manual_dep()
            {
                let recorded = state.map.record(&Region::from(tensor.get()), access, named(node), never_ends);
                debug_assert!(recorded.is_ok(), "there is room for as many accesses as there are numbers");
            }
        }
        state.tasks.insert(task.id.raw(), (node, state.buffers.len()));
        let buffers = args.tensors().iter().map(|arg| arg.tensor().buffer_addr());
        let reads = args.reads().iter().map(|(tensor, _)| tensor.buffer_addr());
        state.buffers.extend(buffers.chain(reads));
    }

    /// The program itself accesses `tensor`, an element at `span`, now that what it waited for has ended; it does not
    /// touch it if one of those failed.
    pub(crate) fn host(
        &self,
        site: &'static Location<'static>,
        tensor: &ChipTensor,
        access: Access,
        span: Option<&Span>,
    ) {
        let mut state = self.state();
        let mut waits = Vec::new();
        waits.extend(state.tasks.get(&tensor.owner_task_id().raw()).map(|&(node, _)| node));
        for access in [Access::Read, access] {
            state.find(tensor, access, &mut waits);
        }
        let node = state.graph.add(Info { who: Who::Host, site, manual: false }, &mut waits, &[]);
        if let Some(span) = span {
            let write = access == Access::Write;
            let touch = Touch { node, through: shadow::Through::Host, write, declared: true };
            state.touch(self.hazards, tensor.buffer_addr(), span, touch);
        }
    }

    /// A kernel of `task` takes a view of `span` of its argument `arg`.
    pub(crate) fn view(&self, task: TaskId, arg: usize, tag: TensorArgType, span: &Span, write: bool) {
        self.state().argument(self.hazards, task, (arg, tag), span, write);
    }

    /// The predicate of `task`, which has so many tensors, looks at an element.
    pub(crate) fn predicate(&self, task: TaskId, tensors: usize, span: &Span) {
        let mut state = self.state();
        let Some(&(node, first)) = state.tasks.get(&task.raw()) else { return };
        let Some(&buffer) = state.buffers.get(first + tensors) else { return };
        let touch = Touch { node, through: shadow::Through::Predicate, write: false, declared: true };
        state.touch(self.hazards, buffer, span, touch);
    }

    /// A kernel of `task` wrote pieces of its argument `arg` without a view to write.
    pub(crate) fn changed(&self, task: TaskId, arg: usize, tag: TensorArgType, pieces: &[Span]) {
        let mut state = self.state();
        for piece in pieces {
            state.argument(self.hazards, task, (arg, tag), piece, true);
        }
        if tag == TensorArgType::Input {
            state.undeclared(task, arg, tag, pieces);
        }
    }
}

impl State {
    fn fresh(&mut self, args: &Args) {
        for output in args.outputs().filter(|output| output.buffer_size() > 0) {
            self.shadow.forget(output.buffer_addr());
            self.map.forget(output.buffer_addr());
        }
    }

    fn find(&mut self, tensor: &ChipTensor, access: Access, waits: &mut Vec<u32>) {
        let found = &mut |id: TaskId| waits.push(id.raw() as u32);
        self.map.find(&Region::from(tensor), access, never_ends, found);
    }

    fn argument(
        &mut self,
        hazards: Hazards,
        task: TaskId,
        (arg, tag): (usize, TensorArgType),
        span: &Span,
        write: bool,
    ) {
        let Some(&(node, first)) = self.tasks.get(&task.raw()) else { return };
        let Some(&buffer) = self.buffers.get(first + arg) else { return };
        let declared = !write || tag != TensorArgType::Input;
        let touch = Touch { node, through: shadow::Through::Arg(arg as u16, tag), write, declared };
        self.touch(hazards, buffer, span, touch);
    }

    /// An access, now.
    fn touch(&mut self, hazards: Hazards, buffer: u64, span: &Span, touch: Touch) {
        let Some(conflicts) = self.shadow.conflicts(buffer, span, &touch) else { return };
        let loose = self.loose(hazards, buffer, touch, conflicts);
        if !loose.is_empty() && self.report.total < LOOKS {
            let past = self.shadow.past(buffer, span, &touch);
            self.loose(hazards, buffer, touch, past);
        }
        self.shadow.record(buffer, span, touch, &loose);
    }

    /// Tells of those conflicts of `touch` that nothing orders; their nodes.
    fn loose(&mut self, hazards: Hazards, buffer: u64, touch: Touch, conflicts: Vec<Conflict>) -> Vec<u32> {
        let mut nodes: Vec<u32> = conflicts.iter().map(|conflict| conflict.touch.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let loose = self.graph.unordered(touch.node, &nodes);
        for Conflict { touch: other, bytes } in conflicts {
            if loose.binary_search(&other.node).is_ok() {
                self.tell(hazards, buffer, bytes, other, touch);
            }
        }
        loose
    }

    fn tell(&mut self, hazards: Hazards, buffer: u64, (from, end): (u64, u64), a: Touch, b: Touch) {
        let (first, second) = if a.node < b.node { (a, b) } else { (b, a) };
        if !self.told.insert((first.node, second.node)) {
            return;
        }
        self.report.total += 1;
        if self.report.total > LOOKS || self.is_implied(first.node, second.node) {
            return;
        }
        if self.report.races.len() < RaceReport::KEPT {
            let missing = self.missing(hazards, first, second);
            let pair = (first.node, second.node);
            let (first, second) = (self.party(&first), self.party(&second));
            let bytes = from - buffer..end - buffer;
            self.report.races.push(Race { first, second, bytes, missing });
            self.pairs.push(pair);
        }
    }

    /// Whether an edge for a race that is told would order these two as well. Races that their edge would order are told
    /// no more.
    fn is_implied(&mut self, a: u32, b: u32) -> bool {
        let graph = &mut self.graph;
        let mut implies = |(a, b): (u32, u32), (c, d)| graph.is_before(c, a) && graph.is_before(b, d);
        if self.pairs.iter().any(|&told| implies(told, (a, b))) {
            return true;
        }
        let stays: Vec<bool> = self.pairs.iter().map(|&told| !implies((a, b), told)).collect();
        let mut stay = stays.iter();
        self.pairs.retain(|_| stay.next() == Some(&true));
        let mut stay = stays.iter();
        self.report.races.retain(|_| stay.next() == Some(&true));
        false
    }

    fn party(&self, touch: &Touch) -> Party {
        let Info { who, site, .. } = self.graph.info(touch.node);
        let (task, kernel) = match who {
            Who::Task { id, kernel } => (Some(*id), kernel.as_deref().map(str::to_owned)),
            Who::Host => (None, None),
        };
        let through = match touch.through {
            shadow::Through::Arg(arg, tag) => Through::Argument { arg: arg.into(), passed: passed(tag) },
            shadow::Through::Predicate => Through::Predicate,
            shadow::Through::Host => Through::Host,
        };
        Party { task, kernel, site, through, writes: touch.write }
    }

    fn missing(&self, hazards: Hazards, first: Touch, second: Touch) -> Missing {
        for touch in [first, second] {
            let party = self.party(&touch);
            if let (false, Through::Argument { arg, .. }, Some(kernel)) =
                (touch.declared, party.through, party.kernel)
            {
                return Missing::Declaration { kernel, arg };
            }
        }
        if self.graph.only_retains(second.node, first.node) {
            return Missing::Wait;
        }
        let is_manual = |touch: &Touch| self.graph.info(touch.node).manual;
        if [first, second].iter().any(|touch| touch.through == shadow::Through::Host) {
            return Missing::HostWait;
        }
        if is_manual(&first) || is_manual(&second) {
            return Missing::After;
        }
        for touch in [second, first] {
            if let shadow::Through::Arg(arg, TensorArgType::NoDep) = touch.through
                && let Some(task) = self.party(&touch).task
            {
                let pass = if touch.write { "inout" } else { "input" };
                return Missing::OptedOut { task, arg: arg.into(), pass };
            }
        }
        if hazards == Hazards::All { Missing::After } else { Missing::Hazard }
    }

    fn undeclared(&mut self, task: TaskId, arg: usize, tag: TensorArgType, pieces: &[Span]) {
        let Some(&(node, first)) = self.tasks.get(&task.raw()) else { return };
        let Some(&buffer) = self.buffers.get(first + arg) else { return };
        let from = pieces.iter().map(|piece| piece.bytes().0).min().unwrap_or(buffer);
        let end = pieces.iter().map(|piece| piece.bytes().1).max().unwrap_or(buffer);
        let (from, end) = (from - buffer, end - buffer);
        let touch =
            Touch { node, through: shadow::Through::Arg(arg as u16, tag), write: true, declared: false };
        let writer = self.party(&touch);
        // Its other sub-tasks may have done it before.
        match self.report.undeclared.iter_mut().find(|told| told.writer == writer) {
            Some(told) => told.bytes = told.bytes.start.min(from)..told.bytes.end.max(end),
            None => self.report.undeclared.push(Undeclared { writer, bytes: from..end }),
        }
    }
}

/// The call that an argument is passed by.
const fn passed(tag: TensorArgType) -> &'static str {
    match tag {
        TensorArgType::Input => "input",
        TensorArgType::Output => "output",
        TensorArgType::InOut => "inout",
        TensorArgType::OutputExisting => "output_into",
        TensorArgType::NoDep => "no_dep",
    }
}
