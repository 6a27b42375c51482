//! One submit, as the program writes it.

use std::panic::Location;
use std::sync::Arc;

use prewire_abi::{DataType, EdgeKind, PredicateOp, TaskId, TensorArgType};
use prewire_orchestrator::{Args, Predicate, ScopeKey, SubmitError, Submitted};
use prewire_ring::{Cold, Packed};

use crate::element::Scalar;
use crate::error::{Error, Refusal, Result};
use crate::kernel::{Kernel, Param, task_of};
use crate::orch::{Orch, refused};
use crate::races::Submission;
use crate::task::Task;
use crate::tensor::{AsTensor, Origin, Tensor};

/// A task in the making. Arguments are added in the order in which the kernel counts them: tensors from 0, scalars from
/// 0 on their own. A mistake is kept and told by [`go`](Submit::go); nothing exists before that.
///
/// Two words, which are handed from call to call: all else of the task is in the orchestration.
#[derive(Debug)]
#[must_use = "a task is submitted by go()"]
pub struct Submit<'o, 'r> {
    orch: &'o mut Orch<'r>,
    kernel: Option<&'o Kernel>,
}

/// What is known of the task in the making, beside its arguments.
#[derive(Debug)]
pub(crate) struct Draft {
    site: &'static Location<'static>,
    blocks: u32,
    sync_start: bool,
    mistake: Option<Box<Refusal>>,
}

impl Draft {
    /// Of a task that was begun at `site`.
    #[inline]
    pub(crate) const fn new(site: &'static Location<'static>) -> Self {
        Self { site, blocks: 1, sync_start: false, mistake: None }
    }
}

impl<'o, 'r> Submit<'o, 'r> {
    #[inline]
    pub(crate) fn new(
        orch: &'o mut Orch<'r>,
        kernel: Option<&'o Kernel>,
        site: &'static Location<'static>,
    ) -> Self {
        orch.args.clear();
        orch.draft.site = site;
        orch.draft.blocks = 1;
        orch.draft.sync_start = false;
        if orch.draft.mistake.is_some() {
            orch.forget_mistake();
        }
        if let Some(kernel) = kernel {
            if kernel.library {
                orch.args.keep_whole();
            }
            if kernel.chip != orch.chip {
                orch.mistake(Refusal::OtherChipKernel);
            }
        }
        Self { orch, kernel }
    }

    #[inline]
    fn existing(self, tensor: &impl AsTensor, tag: TensorArgType) -> Self {
        let arg = self.orch.args.count();
        match tensor.as_tensor(arg) {
            Ok(tensor) => self.orch.add(tensor, tag),
            Err(mistake) => self.orch.mistake(mistake),
        }
        self
    }

    /// A tensor that the task reads. It waits for what writes it.
    #[inline]
    pub fn input(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::Input)
    }

    /// A tensor that the task reads and writes. It waits for what writes and what reads it.
    #[inline]
    pub fn inout(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::InOut)
    }

    /// A tensor that exists and that the task overwrites. It waits for what writes and what reads it.
    #[inline]
    pub fn output_into(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::OutputExisting)
    }

    /// A tensor that makes no edges, but for the one to the task that created it. From the first such task on, a run
    /// checks the accesses of its tasks while they run, as in a [manual scope](Orch::manual_scope).
    #[inline]
    pub fn no_dep(self, tensor: &impl AsTensor) -> Self {
        self.existing(tensor, TensorArgType::NoDep)
    }

    /// A tensor that the task is given memory for, good until the scope closes; see [`Task::tensor`].
    #[inline]
    pub fn output(self, shape: &[u32], dtype: DataType) -> Self {
        if let Err(error) = self.orch.args.output(shape, dtype) {
            let arg = self.orch.args.count();
            self.orch.mistake(Refusal::Tensor { arg, error });
        }
        self
    }

    /// A scalar.
    #[inline]
    pub fn scalar(self, value: impl Scalar) -> Self {
        self.orch.args.scalar(value.to_bits());
        self
    }

    /// A task that this one waits for, and whose outputs it keeps alive, whatever they access.
    #[inline]
    pub fn after(self, task: &Task) -> Self {
        self.after_kind(task, EdgeKind::BOTH)
    }

    /// As [`after`](Submit::after), with an edge that only waits or only keeps alive.
    #[inline]
    pub fn after_kind(self, task: &Task, kind: EdgeKind) -> Self {
        if task.run() == self.orch.run {
            self.orch.args.after(task.id(), kind);
        } else {
            self.orch.mistake(Refusal::OtherRunTask { task: task.id() });
        }
        self
    }

    /// How many blocks the task has: the kernel runs once for each. 1 unless said.
    #[inline]
    pub fn blocks(self, blocks: u32) -> Self {
        self.orch.draft.blocks = blocks;
        self
    }

    /// All blocks start together, or none does yet.
    #[inline]
    pub fn sync_start(self) -> Self {
        self.orch.draft.sync_start = true;
        self
    }

    /// Looks, when the task is ready, whether the integer element at `index` compares so with `target`; if not, the task
    /// completes without running. The task waits for what writes the tensor.
    pub fn predicate(self, tensor: &impl AsTensor, index: &[u32], op: PredicateOp, target: i64) -> Self {
        let arg = self.orch.args.count();
        let added = tensor.as_tensor(arg).and_then(|tensor| {
            let scope = self.orch.check(arg, tensor)?;
            let dtype = tensor.dtype();
            let addr = tensor.element(index)?;
            if !is_integer(dtype) {
                return Err(tensor.bad_element(index, "a predicate compares integers"));
            }
            self.orch.args.predicate(Predicate { addr, dtype, op, target });
            self.orch.args.read(&tensor.inner, scope);
            Ok(())
        });
        if let Err(mistake) = added {
            self.orch.mistake(mistake);
        }
        self
    }

    /// Submits the task. When this returns, it is queued, or linked to every task that it waits for.
    ///
    /// # Errors
    ///
    /// A mistake in what was added; too many tensors or scalars; more blocks than there may be, or start together; a
    /// tensor that is not good any more; a scope that outgrows its ring; or a request larger than the ring. Nothing of
    /// the task exists then.
    #[inline]
    pub fn go(self) -> Result<Task> {
        self.orch.submit_draft(self.kernel)
    }
}

impl Orch<'_> {
    /// The first thing that is wrong with the task in the making.
    #[cold]
    fn mistake(&mut self, mistake: Refusal) {
        self.draft.mistake.get_or_insert(Box::new(mistake));
    }

    #[cold]
    fn forget_mistake(&mut self) {
        self.draft.mistake = None;
    }

    /// Adds a tensor to the task in the making.
    #[inline]
    fn add(&mut self, tensor: &Tensor, tag: TensorArgType) {
        match self.known(tensor) {
            Some(scope) if tag == TensorArgType::Input || !tensor.is_read_only() => {
                self.args.existing(&tensor.inner, tag, scope);
            }
            _ => self.add_checked(tensor, tag),
        }
    }

    /// Adds a tensor that was not seen in this run, or cannot be used so.
    #[cold]
    fn add_checked(&mut self, tensor: &Tensor, tag: TensorArgType) {
        let arg = self.args.count();
        match self.check(arg, tensor) {
            Ok(_) if tensor.is_read_only() && tag != TensorArgType::Input => {
                self.mistake(Refusal::ReadOnly { arg });
            }
            Ok(scope) => self.args.existing(&tensor.inner, tag, scope),
            Err(mistake) => self.mistake(mistake),
        }
    }

    /// Tells a mistake that was made; or an argument that is not one that the kernel said it takes.
    #[inline(never)]
    fn check_draft(&mut self, kernel: Option<&Kernel>) -> Result<()> {
        let why = match (self.draft.mistake.take(), kernel.and_then(|kernel| kernel.signature.as_ref())) {
            (Some(mistake), _) => Err(*mistake),
            (None, Some((params, scalars))) => matches_signature(self.args, params, *scalars),
            (None, None) => Ok(()),
        };
        why.map_err(|why| refused_task(kernel, self.draft.site, why))
    }

    /// What the task in the making is, where it is not one block of a kernel.
    #[inline(never)]
    fn unusual_draft(&self, kernel: Option<&Kernel>) -> Result<Packed> {
        let Draft { site, blocks, sync_start, .. } = self.draft;
        let why = match (kernel, u16::try_from(blocks)) {
            (Some(kernel), Ok(blocks)) => return Ok(task_of(kernel.id, kernel.lanes, blocks, sync_start)),
            (None, Ok(1)) if !sync_start => return Ok(Cold::default().into()),
            (None, _) => Refusal::DummyBlocks,
            (Some(_), Err(_)) => {
                let allowed = u32::from(self.engine.spec().limits.blocks);
                SubmitError::Blocks { observed: blocks, allowed }.into()
            }
        };
        Err(refused_task(kernel, site, why))
    }

    /// Submits the task in the making.
    fn submit_draft(&mut self, kernel: Option<&Kernel>) -> Result<Task> {
        let Draft { site, blocks, sync_start, .. } = self.draft;
        if self.draft.mistake.is_some() || kernel.is_some_and(|kernel| kernel.signature.is_some()) {
            self.check_draft(kernel)?;
        }
        let task = match kernel {
            Some(kernel) if blocks == 1 && !sync_start => kernel.once,
            _ => self.unusual_draft(kernel)?,
        };
        self.waiter.about(site);
        let Submitted { id, scope } = match self.orchestrator.submit(&mut self.waiter, task, self.args, site)
        {
            Ok(submitted) => submitted,
            Err(error) => return Err(refused_task(kernel, site, error.into())),
        };
        if let Some(races) = self.engine.races() {
            let (kernel, mode) = (kernel.map(|kernel| Arc::clone(&kernel.name)), self.orchestrator.mode());
            races.submitted(Submission { id, kernel, site, mode }, self.args);
            self.waiter.go_on();
        }
        if self.args.outputs().len() == 0 { Ok(Task::bare(id, self.run)) } else { Ok(self.task(id, scope)) }
    }

    /// The task that was submitted, with its outputs.
    #[inline(never)]
    fn task(&self, id: TaskId, scope: ScopeKey) -> Task {
        match self.args.only_output() {
            Some(inner) => Task::with_output(id, self.run, inner, self.chip, scope),
            None => self.task_of_many(id, scope),
        }
    }

    #[cold]
    fn task_of_many(&self, id: TaskId, scope: ScopeKey) -> Task {
        let (chip, origin) = (self.chip, Origin::Scope { run: self.run, scope });
        Task::new(id, self.run, self.args.outputs().map(|&inner| Tensor { inner, chip, origin }))
    }
}

#[cold]
fn refused_task(kernel: Option<&Kernel>, site: &'static Location<'static>, why: Refusal) -> Error {
    let what = kernel.map_or_else(|| "a dummy task".into(), |k| format!("kernel {:?}", k.name));
    refused(what, site, why)
}

/// Whether the arguments are those that the kernel said it takes.
fn matches_signature(args: &Args, params: &[Param], scalars: usize) -> Result<(), Refusal> {
    if args.tensors().len() != params.len() || args.scalars().len() != scalars {
        return Err(Refusal::Count {
            tensors: args.tensors().len(),
            scalars: args.scalars().len(),
            takes: params.len(),
            takes_scalars: scalars,
        });
    }
    for (arg, (passed, &takes)) in args.tensors().iter().zip(params).enumerate() {
        let (dtype, tag) = (passed.tensor().element_type(), passed.tag());
        if dtype != takes.dtype() || !takes.accepts(tag) {
            let passed = match tag {
                TensorArgType::Input => "input",
                TensorArgType::Output => "output",
                TensorArgType::InOut => "inout",
                TensorArgType::OutputExisting => "output_into",
                TensorArgType::NoDep => "unordered (no_dep) argument",
            };
            return Err(Refusal::Param { arg, passed, dtype, takes });
        }
    }
    Ok(())
}

const fn is_integer(dtype: DataType) -> bool {
    use DataType as D;
    matches!(dtype, D::I8 | D::I16 | D::I32 | D::I64 | D::U8 | D::U16 | D::U32 | D::U64 | D::Bool)
}
