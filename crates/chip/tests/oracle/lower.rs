//! From drawn bytes to a legal program: what is drawn is bent until it is one, and the oracle runs it on the way.
//! Invariant: every pair of accesses that conflict is ordered, by what the engine infers or by an explicit edge, and no
//! element is read that nobody wrote.

use prewire_chip::{EdgeKind, Hazards, PredicateOp};
use prewire_tensormap::Overlap;

use crate::oracle::cut::{cut, index, shape};
use crate::oracle::ledger::Ledger;
use crate::oracle::program::{
    Arg, Cores, External, Fault, Kind, Op, Predicate, Program, Span, Task, Use, View,
};
use crate::oracle::raw::{RawCase, RawExternal, RawOp, RawTask, RawView};
use crate::oracle::world::{Access, Set, TASKS, World};

/// What kinds of programs are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    /// Some tasks fail.
    pub(crate) faults: bool,
    /// Manual scopes, and `no_dep` arguments.
    pub(crate) manual: bool,
    /// Many outputs, in many short scopes, used at once: memory is reused as soon as it may be.
    pub(crate) churn: bool,
    pub(crate) hazards: Hazards,
}

/// A program, what it comes to, and the rings that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) program: Program,
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    /// Explicit edges that nothing else replaces: the task, and which of its edges.
    pub(crate) needed: Vec<(usize, usize)>,
}

/// Bends `raw` into a program for a chip of so many clusters and rings of so many slots.
pub(crate) fn lower(raw: &RawCase, theme: Theme, clusters: u32, window: usize) -> Lowered {
    let externals: Vec<External> = raw.externals.iter().map(external).collect();
    let mut lowering = Lowering {
        theme,
        clusters,
        window,
        world: World::new(&externals, theme.hazards),
        ledger: Ledger::new(),
        ops: Vec::new(),
        scopes: vec![(false, Vec::new())],
        tasks: Vec::new(),
        needed: Vec::new(),
    };
    for op in &raw.ops {
        if lowering.world.fates.len() < TASKS {
            lowering.op(op);
        }
    }
    while lowering.scopes.len() > 1 {
        lowering.close();
    }
    let Lowering { world, ledger, ops, needed, .. } = lowering;
    Lowered { program: Program { externals, ops, hazards: theme.hazards }, world, ledger, needed }
}

fn external(raw: &RawExternal) -> External {
    let (kind, shape) = (Kind::ALL[usize::from(raw.kind) % 3], shape(raw));
    let count: u32 = shape.iter().product();
    let data = (0..count).map(|i| kind.wrap(i64::from(i) * 37 + i64::from(raw.seed))).collect();
    External { kind, shape, data }
}

fn overlap(a: &Span, b: &Span) -> bool {
    a.tensor == b.tensor && a.region().overlap(&b.region()) != Overlap::None
}

struct Lowering {
    theme: Theme,
    clusters: u32,
    window: usize,
    world: World,
    ledger: Ledger,
    ops: Vec<Op>,
    /// Open scopes: whether manual, and the tensors made in each.
    scopes: Vec<(bool, Vec<usize>)>,
    /// Tasks that an explicit edge can name.
    tasks: Vec<usize>,
    needed: Vec<(usize, usize)>,
}

impl Lowering {
    fn is_manual(&self) -> bool {
        self.scopes.last().is_some_and(|scope| scope.0)
    }

    fn close(&mut self) {
        if self.scopes.len() > 1
            && let Some((_, tensors)) = self.scopes.pop()
        {
            tensors.into_iter().for_each(|tensor| self.world.memory[tensor].live = false);
            self.ledger.close();
            self.ops.push(Op::Close);
        }
    }

    /// Makes sure that the ring of the open scope has a slot, by closing scopes if there are any.
    fn has_slot(&mut self) -> bool {
        while self.ledger.held() + 2 > self.window {
            if self.scopes.len() == 1 {
                return false;
            }
            self.close();
        }
        true
    }

    fn op(&mut self, raw: &RawOp) {
        match raw {
            RawOp::Task(raw) => self.task(raw),
            RawOp::Crowd(raw, count) => {
                let mut raw = raw.clone();
                raw.args.iter_mut().for_each(|arg| arg.how = 0);
                for _ in 0..*count {
                    if self.world.fates.len() < TASKS {
                        self.task(&raw);
                    }
                }
            }
            RawOp::Alloc(raw) => self.alloc(raw),
            RawOp::Open(how) => {
                if self.ledger.depth() <= 6 {
                    let manual = self.is_manual() || (self.theme.manual && how % 4 == 0);
                    self.scopes.push((manual, Vec::new()));
                    self.ledger.open();
                    self.ops.push(Op::Open { manual });
                }
            }
            RawOp::Close => self.close(),
            RawOp::Read(view, at) => self.host(view, *at, None),
            RawOp::Write(view, at, value) => self.host(view, *at, Some(i64::from(*value) * 1_234_567)),
        }
    }

    fn view(&self, raw: &RawView) -> View {
        let live: Vec<usize> =
            (0..self.world.memory.len()).filter(|&tensor| self.world.memory[tensor].live).collect();
        // Small numbers are recent tensors: those of the innermost scopes.
        let near = if self.theme.churn { live.len().min(4) } else { live.len() };
        let tensor = live[live.len() - 1 - usize::from(raw.tensor) % near];
        let memory = &self.world.memory[tensor];
        let mut view = View { steps: Vec::new(), span: Span::whole(tensor, memory.kind, &memory.shape) };
        for &step in &raw.steps {
            if let Some(step) = cut(&view.span, step) {
                view.span = view.span.after(&step);
                view.steps.push(step);
            }
        }
        view
    }

    fn alloc(&mut self, raw: &RawExternal) {
        if self.scopes.len() == 1 && self.window < 16 || !self.has_slot() {
            return;
        }
        let (number, ring) = (self.world.fates.len(), self.ledger.ring());
        let kind = Kind::ALL[usize::from(raw.kind) % 3];
        let span = Span::whole(self.world.memory.len(), kind, &shape(raw));
        self.charge(number, std::slice::from_ref(&span), 0, 1);
        self.create(&span, number, ring);
        self.world.settle(false, 0);
        self.ops.push(Op::Alloc { span });
    }

    fn create(&mut self, span: &Span, creator: usize, ring: usize) {
        self.world.create(span, creator, ring);
        if let Some((_, tensors)) = self.scopes.last_mut() {
            tensors.push(span.tensor);
        }
    }

    fn charge(&mut self, number: usize, outputs: &[Span], deps: u32, args: u32) {
        let stays = self.ledger.pinned().fold(self.world.bad(), |set, task| set | 1 << task);
        let entries = self.world.entries(stays) + args;
        let bytes: Vec<u64> =
            outputs.iter().map(|s| u64::from(s.len()) * u64::from(s.kind.bytes())).collect();
        self.ledger.take(number, &bytes, deps, entries);
    }

    /// What a task with these arguments waits for, by what the engine infers.
    fn waits(&self, accesses: &[Access]) -> Set {
        accesses.iter().fold(0, |set, access| {
            let creator = self.world.memory[access.tensor].creator.map_or(0, |task| 1 << task);
            set | creator | if access.inferred { self.world.found(access) } else { 0 }
        })
    }

    fn accesses(&self, args: &[Arg], predicate: Option<&Predicate>) -> Vec<Access> {
        let auto = !self.is_manual();
        let existing = args.iter().filter_map(|arg| match arg {
            Arg::Existing { how, view } => Some(Access::of(&view.span, *how, auto)),
            Arg::Create { .. } => None,
        });
        existing.chain(predicate.map(|p| Access::of(&p.view.span, Use::Input, auto))).collect()
    }

    fn task(&mut self, raw: &RawTask) {
        if !self.has_slot() {
            return;
        }
        let (number, ring) = (self.world.fates.len(), self.ledger.ring());
        let (cores, blocks, sync_start) = self.cores(raw);
        let mut args = self.arguments(raw, cores);
        let mut after = Vec::new();
        for &(which, kind) in &raw.after {
            if kind < 128 && !self.tasks.is_empty() {
                let task = self.tasks[self.tasks.len() - 1 - usize::from(which) % self.tasks.len()];
                after.push((task, [EdgeKind::WAIT, EdgeKind::RETAIN, EdgeKind::BOTH][usize::from(kind) % 3]));
            }
        }
        let mut predicate = raw.predicate.as_ref().and_then(|raw| self.predicate(raw));
        if args.iter().any(|arg| matches!(arg, Arg::Create { .. })) {
            // Outputs of a task that does not run hold nothing that may be read.
            predicate = None;
        }
        let said: Set = after.iter().filter(|edge| edge.1.waits()).fold(0, |set, edge| set | 1 << edge.0);

        // What nobody wrote is not read, unless the task will not run.
        loop {
            let accesses = self.accesses(&args, predicate.as_ref());
            let sure = self.ordered(&accesses, self.waits(&accesses) | said).0;
            let hollow = |span: &Span| !self.world.any_bad(sure) && !self.world.is_defined(span);
            if predicate.as_ref().is_some_and(|p| hollow(&p.view.span)) {
                predicate = None;
                continue;
            }
            let unread = args.iter().position(|arg| arg.how().reads() && hollow(arg.span()));
            let Some(at) = unread else { break };
            let clash = |(i, other): (usize, &Arg)| i != at && overlap(args[at].span(), other.span());
            if args.iter().enumerate().any(clash) {
                args.remove(at);
            } else if let Arg::Existing { how, .. } = &mut args[at] {
                *how = Use::Into;
            }
        }

        let accesses = self.accesses(&args, predicate.as_ref());
        let inferred = self.waits(&accesses);
        let (edges, missing) = self.ordered(&accesses, inferred | said);
        let count = missing.len();
        for (i, task) in missing.into_iter().enumerate() {
            let kind = if raw.flags >> (i % 8) & 1 == 0 { EdgeKind::WAIT } else { EdgeKind::BOTH };
            after.push((task, kind));
            if i + 1 == count {
                self.needed.push((number, after.len() - 1));
            }
        }
        let exchange = raw.flags & 32 != 0
            && (sync_start || matches!(cores, Cores::Mix(_)))
            && blocks * cores.places() > 1;
        let total = blocks * cores.places();
        let fault = self.fault(raw, total, exchange);
        let task = Task { number, cores, blocks, sync_start, exchange, args, after, predicate, fault };

        let named = task.after.iter().fold(inferred, |set, edge| set | 1 << edge.0);
        let haunting = accesses.iter().fold(0, |set, access| set | self.world.haunting(access));
        let deps = (named | haunting).count_ones();
        let outputs: Vec<Span> = task
            .args
            .iter()
            .filter_map(|arg| if let Arg::Create { span } = arg { Some(span.clone()) } else { None })
            .collect();
        self.charge(number, &outputs, deps, task.args.len() as u32 + 1);
        outputs.iter().for_each(|span| self.create(span, number, ring));
        self.world.run(&task, edges, &accesses);
        self.tasks.push(number);
        self.ops.push(Op::Task(task));
    }

    /// `edges`, and those that must be added so that everything that conflicts is ordered.
    fn ordered(&self, accesses: &[Access], edges: Set) -> (Set, Vec<usize>) {
        let (mut edges, mut missing) = (edges, Vec::new());
        while let Some(task) = self.world.loose(accesses, self.world.closure(edges)) {
            let inferred = self.theme.hazards == Hazards::All && !self.theme.manual;
            assert!(!inferred, "the list of accesses has lost the order after task {task}");
            missing.push(task);
            edges |= 1 << task;
        }
        (edges, missing)
    }

    fn cores(&self, raw: &RawTask) -> (Cores, u32, bool) {
        let cores = match raw.cores % 16 {
            0..5 => Cores::Aiv,
            5..9 => Cores::Aic,
            9 => Cores::Mix(3),
            10 => Cores::Mix(5),
            11 => Cores::Mix(6),
            12..14 => Cores::Mix(7),
            14 => return (Cores::Dummy, 1, false),
            _ => Cores::Aiv,
        };
        let sync_start = raw.flags & 64 != 0;
        let most = match (sync_start, cores) {
            (false, _) => 7,
            (true, Cores::Aiv) => 2 * self.clusters,
            (true, _) => self.clusters,
        };
        let blocks = if raw.blocks < 128 { 1 } else { u32::from(raw.blocks) % most + 1 };
        (cores, blocks, sync_start)
    }

    fn arguments(&self, raw: &RawTask, cores: Cores) -> Vec<Arg> {
        let mut args: Vec<Arg> = Vec::new();
        let mut created = self.world.memory.len();
        // At the root outputs are held for the whole run.
        let creates = self.scopes.len() > 1 || self.window >= 16 || raw.flags & 15 == 1;
        for raw in &raw.args {
            let view = self.view(&raw.view);
            let how = match raw.how % 16 {
                5..9 if self.theme.churn && creates && cores != Cores::Dummy => 13,
                how => how,
            };
            let how = match how {
                9..13 if self.theme.churn => Use::Input,
                0..5 => Use::Input,
                5..9 => Use::InOut,
                9..11 => Use::Into,
                11 if self.theme.manual => Use::Peek,
                12 if self.theme.manual => Use::Poke,
                11..13 => Use::Input,
                13.. if creates && cores != Cores::Dummy => {
                    let span = Span::whole(created, view.span.kind, &view.span.shape);
                    created += 1;
                    args.push(Arg::Create { span });
                    continue;
                }
                _ => Use::InOut,
            };
            let refused =
                |other: &Arg| (how.writes() || other.how().writes()) && overlap(&view.span, other.span());
            if !args.iter().any(refused) {
                args.push(Arg::Existing { how, view });
            }
        }
        args
    }

    fn fault(&self, raw: &RawTask, total: u32, exchange: bool) -> Fault {
        if !self.theme.faults || raw.fault.0 % 8 != 7 || total == 0 {
            return Fault::None;
        }
        match (raw.fault.0 / 8 % 8, total) {
            (0, _) => Fault::Panic,
            (1..4, 1) => Fault::After,
            (1..4, _) if !exchange => Fault::Sub(u32::from(raw.fault.1) % total),
            _ => Fault::Before,
        }
    }

    fn predicate(&self, (view, at, how): &(RawView, u8, u8)) -> Option<Predicate> {
        let view = self.view(view);
        let index = index(&view.span, *at)?;
        let op = PredicateOp::ALL[usize::from(*how) % PredicateOp::ALL.len()];
        let now = self.world.memory[view.span.tensor].data[self.world.element(&view.span, &index)];
        let target = now.unwrap_or(0) + i64::from(how / 8 % 3) - 1;
        Some(Predicate { view, index, op, target })
    }

    fn host(&mut self, raw: &RawView, at: u8, value: Option<i64>) {
        let view = self.view(raw);
        let Some(index) = index(&view.span, at) else { return };
        let place = self.world.element(&view.span, &index);
        let tensor = view.span.tensor;
        let element = Span { start: place as u32, shape: vec![1; index.len()], ..view.span.clone() };
        let how = if value.is_some() { Use::InOut } else { Use::Input };
        let access = Access::of(&element, how, true);
        let waits = self.waits(std::slice::from_ref(&access));
        if self.world.loose(std::slice::from_ref(&access), self.world.closure(waits)).is_some() {
            // Only an edge could order it, and the host has none.
            return;
        }
        let failed = self.world.any_bad(waits);
        let before = self.world.memory[tensor].data[place];
        match value {
            None if !failed && before.is_none() => {}
            None => self.ops.push(Op::Read { view, index, value: before.filter(|_| !failed) }),
            Some(value) => {
                let value = view.span.kind.wrap(value);
                if !failed {
                    self.world.memory[tensor].data[place] = Some(value);
                }
                self.ops.push(Op::Write { view, index, value, lands: !failed });
            }
        }
    }
}
