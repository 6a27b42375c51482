//! One submit, as the program writes it.
//!
//! The scalars of a published task begin with a plan, which the scheduler and the dispatch read: how many members there are,
//! a word for each, and two words for each tensor, that say where in its buffer it begins and how large that is.

use std::panic::Location;

use prewire_abi::{DataType, EdgeKind, Shape, TensorArgType};
use prewire_chip::{AsTensor, Refusal, Scalar, Task};
use prewire_orchestrator::{Arg, Record};
use prewire_platform::LaneId;
use prewire_ring::Cold;

use crate::callable::{Callable, Kind};
use crate::error::{Error, Result};
use crate::orch::{Orch, refused};

/// In a member's word: no child is named, any SUB worker will do.
const ANY: u64 = 0xFFFF;
/// Where a member's word has how many tensors it takes, and how many scalars.
const TENSORS: u32 = 16;
const SCALARS: u32 = 32;

/// What a member's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The child; none: any SUB worker.
    pub(crate) lane: Option<LaneId>,
    /// Its tensors, of the task's: from which one on, and how many.
    pub(crate) tensors: (usize, usize),
    /// Among the scalars of the task, the first of two words for each of them.
    pub(crate) places: usize,
    /// Its scalars, likewise.
    pub(crate) scalars: (usize, usize),
}

/// Member `index` of a published task.
pub(crate) fn member(record: &Record<'_>, index: u32) -> Option<Member> {
    let mut words = record.scalar_words();
    let count = words.next()? as usize;
    let (mut tensors, mut scalars) = (0, 1 + count + 2 * record.tensors());
    for at in 0..count {
        let word = words.next()?;
        let (takes, has) = ((word >> TENSORS & 0xFFFF) as usize, (word >> SCALARS & 0xFFFF) as usize);
        if at == index as usize {
            let lane = (word & 0xFFFF != ANY).then_some(LaneId(word as u16));
            let places = 1 + count + 2 * tensors;
            return Some(Member { lane, tensors: (tensors, takes), places, scalars: (scalars, has) });
        }
        (tensors, scalars) = (tensors + takes, scalars + has);
    }
    None
}

/// A task in the making. Arguments are added in the order in which the callable counts them: tensors from 0, scalars from
/// 0 on their own; in a group, to the member that was begun last. A mistake is kept and told by [`go`](Submit::go);
/// nothing exists before that.
#[derive(Debug)]
#[must_use = "a task is submitted by go()"]
pub struct Submit<'o, 'r> {
    orch: &'o mut Orch<'r>,
    callable: Option<&'o Callable>,
    group: bool,
    site: &'static Location<'static>,
    mistake: Option<Error>,
}

impl<'o, 'r> Submit<'o, 'r> {
    pub(crate) fn new(
        orch: &'o mut Orch<'r>,
        callable: Option<&'o Callable>,
        group: bool,
        site: &'static Location<'static>,
    ) -> Self {
        orch.scratch.clear();
        if !group {
            orch.scratch.members.push(ANY);
        }
        Self { orch, callable, group, site, mistake: None }
    }

    fn what(&self) -> String {
        self.callable.map_or_else(|| "a dummy task".into(), |c| format!("{} {:?}", c.kind(), c.name()))
    }

    fn try_to(mut self, add: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Self {
        if self.mistake.is_none()
            && let Err(why) = add(&mut self)
        {
            self.mistake = Some(refused(self.what(), self.site, why));
        }
        self
    }

    fn lane(&mut self, worker: &str) -> u64 {
        match self.orch.engine.children().lane(worker) {
            Some(lane) => u64::from(lane.0),
            None => {
                if self.mistake.is_none() {
                    let why = Refusal::Call(self.orch.engine.children().unknown(worker).to_string());
                    self.mistake = Some(refused(self.what(), self.site, why));
                }
                ANY
            }
        }
    }

    /// The child that runs it, by name.
    pub fn to(mut self, worker: &str) -> Self {
        let lane = self.lane(worker);
        if self.group {
            return self.try_to(|_| Err(Refusal::Call("a group names its children with member()".into())));
        }
        if self.callable.is_none() {
            return self.try_to(|_| Err(Refusal::Call("it runs nowhere, so it has no child".into())));
        }
        if let Some(word) = self.orch.scratch.members.last_mut() {
            *word = *word & !ANY | lane;
        }
        self
    }

    /// Begins the member of a group that runs on the child of that name. Arguments that follow are this member's.
    pub fn member(mut self, worker: &str) -> Self {
        let lane = self.lane(worker);
        self.try_to(|this| {
            if !this.group {
                return Err(Refusal::Call("only a group has members; begin it with Orch::group".into()));
            }
            if this.orch.scratch.members.iter().any(|word| word & ANY == lane) {
                let why =
                    format!("two members of the group are on {worker:?}; a group has one on each child");
                return Err(Refusal::Call(why));
            }
            this.orch.scratch.members.push(lane);
            Ok(())
        })
    }

    /// Counts an argument of the current member, and says how many of its kind there were before.
    fn count(&mut self, shift: u32) -> Result<usize, Refusal> {
        let word = self.orch.scratch.members.last_mut();
        let word =
            word.ok_or_else(|| Refusal::Call("begin a member of the group first, with member()".into()))?;
        let so_far = *word >> shift & 0xFFFF;
        if so_far == 0xFFFF {
            return Err(Refusal::Call("a task has at most 65535 arguments of a kind".into()));
        }
        *word += 1 << shift;
        Ok(so_far as usize)
    }

    fn existing(self, tensor: &impl AsTensor, tag: TensorArgType) -> Self {
        self.try_to(|this| {
            let arg = this.count(TENSORS)?;
            let tensor = tensor.as_tensor(arg)?;
            this.orch.check(arg, tensor)?;
            if tensor.is_read_only() && tag != TensorArgType::Input {
                return Err(Refusal::ReadOnly { arg });
            }
            let scope = tensor.scope();
            let inner = tensor.inner();
            this.orch.scratch.places.extend([inner.start_addr() - inner.buffer_addr(), inner.buffer_size()]);
            this.orch.scratch.args.existing(inner, tag, scope);
            Ok(())
        })
    }

    /// A tensor that the task reads. It waits for what writes it.
    pub fn input(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::Input)
    }

    /// A tensor that the task reads and writes. It waits for what writes and what reads it.
    pub fn inout(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::InOut)
    }

    /// A tensor that exists and that the task overwrites. It waits for what writes and what reads it.
    pub fn output_into(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::OutputExisting)
    }

    /// A tensor that makes no edges, but for the one to the task that created it.
    pub fn no_dep(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::NoDep)
    }

    /// A tensor that the task is given shared memory for, good until the scope closes.
    pub fn output(self, shape: &[u32], dtype: DataType) -> Self {
        self.try_to(|this| {
            let arg = this.count(TENSORS)?;
            let output = Arg::output(shape, dtype).map_err(|error| Refusal::Tensor { arg, error })?;
            this.orch.scratch.places.extend([0, output.tensor().buffer_size()]);
            this.orch.scratch.args.push(&output);
            Ok(())
        })
    }

    /// A scalar.
    pub fn scalar(self, value: impl Scalar) -> Self {
        self.try_to(|this| {
            this.count(SCALARS)?;
            this.orch.scratch.scalars.push(value.to_bits());
            Ok(())
        })
    }

    /// A task that this one waits for, and whose outputs it keeps alive, whatever they access.
    pub fn after(self, task: &Task) -> Self {
        self.after_kind(task, EdgeKind::BOTH)
    }

    /// As [`after`](Submit::after), with an edge that only waits or only keeps alive.
    pub fn after_kind(self, task: &Task, kind: EdgeKind) -> Self {
        self.try_to(|this| {
            if task.run() != this.orch.run {
                return Err(Refusal::OtherRunTask { task: task.id() });
            }
            this.orch.scratch.args.after(task.id(), kind);
            Ok(())
        })
    }

    /// Submits the task. When this returns, it is queued, or linked to every task that it waits for.
    ///
    /// # Errors
    ///
    /// A mistake in what was added; a callable that is not registered, or of another kind than the child runs; arguments
    /// that do not fit in a message; a tensor that is not good any more; a scope that outgrows its ring; or a request
    /// larger than the ring. Nothing of the task exists then.
    pub fn go(mut self) -> Result<Task> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        let (callable, shape) = match self.callable {
            None => (u32::MAX, Shape::Dummy),
            Some(callable) => self.place(callable)?,
        };
        self.fits()?;
        let what = |callable: Option<&Callable>| {
            callable.map_or_else(|| "a dummy task".into(), |c| format!("{} {:?}", c.kind(), c.name()))
        };
        let Self { orch, callable: named, site, .. } = self;
        let members = orch.scratch.members.len();
        orch.scratch.args.scalar(members as u64);
        orch.scratch.args.extend_scalars(&orch.scratch.members);
        orch.scratch.args.extend_scalars(&orch.scratch.places);
        orch.scratch.args.extend_scalars(&orch.scratch.scalars);
        let cold = match shape {
            Shape::Worker => Cold::worker(members as u16, callable),
            Shape::Sub => Cold::sub(1, callable),
            _ => Cold::default(),
        };
        orch.waiter.about(site);
        let submitted = orch
            .orchestrator
            .submit(&mut orch.waiter, cold, &mut orch.scratch.args, site)
            .map_err(|error| refused(what(named), site, error.into()))?;
        let origin = prewire_chip::Origin::Scope { run: orch.run, scope: submitted.scope };
        let owner = orch.store.id();
        let outputs =
            orch.scratch.args.outputs().map(|&inner| prewire_chip::Tensor::new(inner, owner, origin));
        Ok(Task::new(submitted.id, orch.run, outputs))
    }

    /// The number of the callable, and what kind of lane it takes. Every child named can run it.
    fn place(&self, callable: &Callable) -> Result<(u32, Shape)> {
        let engine = self.orch.engine;
        let refuse = |why: String| Err(refused(self.what(), self.site, Refusal::Call(why)));
        let Some(id) = engine.number_of(callable)? else {
            return refuse(format!(
                "it is not registered with {}; use Builder::callable of that worker, or Worker::register",
                engine.path()
            ));
        };
        let members = &self.orch.scratch.members;
        if members.is_empty() {
            return refuse("the group has no members; begin one with member()".into());
        }
        if !self.group && members[0] & ANY == ANY {
            return match callable.kind() {
                Kind::HostFunction if engine.children().subs() > 0 => Ok((id, Shape::Sub)),
                Kind::HostFunction => {
                    refuse("the worker has no SUB workers; add some with Builder::subs".into())
                }
                kind => refuse(format!("a {kind} runs on one child; say which with to()")),
            };
        }
        for word in members {
            let child = engine.children().get(LaneId(*word as u16));
            if child.runs() != callable.kind() {
                let (path, runs, kind) = (child.path(), child.runs(), callable.kind());
                let why = match child.runs() {
                    Kind::HostFunction => {
                        "SUB workers are not named: any idle one takes a host function".into()
                    }
                    _ => format!("{path} runs callables of the kind {runs}, and this is a {kind}"),
                };
                return refuse(why);
            }
            if child.runs() == Kind::HostFunction {
                return refuse("SUB workers are not named: any idle one takes a host function".into());
            }
        }
        Ok((id, Shape::Worker))
    }

    /// The arguments of each member fit into a message, and device memory is that of the child that gets it.
    fn fits(&self) -> Result<()> {
        let engine = self.orch.engine;
        let mut first = 0;
        for word in &self.orch.scratch.members {
            let (tensors, scalars) =
                ((word >> TENSORS & 0xFFFF) as usize, (word >> SCALARS & 0xFFFF) as usize);
            engine
                .children()
                .fits(tensors, scalars)
                .map_err(|why| refused(self.what(), self.site, Refusal::Call(why)))?;
            let lane = (word & ANY != ANY).then_some(LaneId(*word as u16));
            let args = &self.orch.scratch.args.tensors()[first..first + tensors];
            for (arg, existing) in args.iter().enumerate() {
                if !existing.creates() {
                    engine.children().reaches(lane, existing.tensor()).map_err(|why| {
                        refused(self.what(), self.site, Refusal::Call(format!("argument {arg} {why}")))
                    })?;
                }
            }
            first += tensors;
        }
        Ok(())
    }
}
