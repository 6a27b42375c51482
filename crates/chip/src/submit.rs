//! One submit, as the program writes it.

use std::panic::Location;

use prewire_abi::{DataType, EdgeKind, LaneMask, PredicateOp, Shape, TensorArgType};
use prewire_orchestrator::{Args, Predicate, SubmitError};
use prewire_ring::{Attrs, Cold};

use crate::element::Scalar;
use crate::error::{Refusal, Result};
use crate::kernel::{Kernel, Param};
use crate::orch::{Orch, refused};
use crate::races::Submission;
use crate::task::Task;
use crate::tensor::{AsTensor, Origin, Tensor};

/// A task in the making. Arguments are added in the order in which the kernel counts them: tensors from 0, scalars from
/// 0 on their own. A mistake is kept and told by [`go`](Submit::go); nothing exists before that.
#[derive(Debug)]
#[must_use = "a task is submitted by go()"]
pub struct Submit<'o, 'r> {
    orch: &'o mut Orch<'r>,
    kernel: Option<&'o Kernel>,
    site: &'static Location<'static>,
    blocks: u32,
    sync_start: bool,
    /// In a box: a task in the making is handed from call to call.
    mistake: Option<Box<Refusal>>,
}

impl<'o, 'r> Submit<'o, 'r> {
    #[inline]
    pub(crate) fn new(
        orch: &'o mut Orch<'r>,
        kernel: Option<&'o Kernel>,
        site: &'static Location<'static>,
    ) -> Self {
        orch.args.clear();
        if kernel.is_some_and(|kernel| kernel.library) {
            orch.args.keep_whole();
        }
        let mistake = match kernel {
            Some(kernel) if kernel.chip != orch.chip => Some(Box::new(Refusal::OtherChipKernel)),
            _ => None,
        };
        Self { orch, kernel, site, blocks: 1, sync_start: false, mistake }
    }

    #[inline]
    fn try_to(mut self, add: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Self {
        if self.mistake.is_none()
            && let Err(mistake) = add(&mut self)
        {
            self.mistaken(mistake);
        }
        self
    }

    #[cold]
    fn mistaken(&mut self, mistake: Refusal) {
        self.mistake = Some(Box::new(mistake));
    }

    #[inline]
    fn existing(self, tensor: &impl AsTensor, tag: TensorArgType) -> Self {
        self.try_to(|this| {
            let arg = this.orch.args.tensors().len();
            let tensor = tensor.as_tensor(arg)?;
            this.orch.check(arg, tensor)?;
            if tensor.is_read_only() && tag != TensorArgType::Input {
                return Err(Refusal::ReadOnly { arg });
            }
            let scope = tensor.scope();
            this.orch.args.existing(&tensor.inner, tag, scope);
            Ok(())
        })
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
        self.try_to(|this| {
            let arg = this.orch.args.tensors().len();
            this.orch.args.output(shape, dtype).map_err(|error| Refusal::Tensor { arg, error })
        })
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
        self.try_to(|this| {
            if task.run() != this.orch.run {
                return Err(Refusal::OtherRunTask { task: task.id() });
            }
            this.orch.args.after(task.id(), kind);
            Ok(())
        })
    }

    /// How many blocks the task has: the kernel runs once for each. 1 unless said.
    #[inline]
    pub fn blocks(mut self, blocks: u32) -> Self {
        self.blocks = blocks;
        self
    }

    /// All blocks start together, or none does yet.
    #[inline]
    pub fn sync_start(mut self) -> Self {
        self.sync_start = true;
        self
    }

    /// Looks, when the task is ready, whether the integer element at `index` compares so with `target`; if not, the task
    /// completes without running. The task waits for what writes the tensor.
    pub fn predicate(self, tensor: &impl AsTensor, index: &[u32], op: PredicateOp, target: i64) -> Self {
        self.try_to(|this| {
            let arg = this.orch.args.tensors().len();
            let tensor: &Tensor = tensor.as_tensor(arg)?;
            this.orch.check(arg, tensor)?;
            let dtype = tensor.dtype();
            let addr = tensor.element(index)?;
            if !is_integer(dtype) {
                return Err(tensor.bad_element(index, "a predicate compares integers"));
            }
            let scope = tensor.scope();
            this.orch.args.predicate(Predicate { addr, dtype, op, target });
            this.orch.args.read(&tensor.inner, scope);
            Ok(())
        })
    }

    /// Submits the task. When this returns, it is queued, or linked to every task that it waits for.
    ///
    /// # Errors
    ///
    /// A mistake in what was added; too many tensors or scalars; more blocks than there may be, or start together; a
    /// tensor that is not good any more; a scope that outgrows its ring; or a request larger than the ring. Nothing of
    /// the task exists then.
    pub fn go(self) -> Result<Task> {
        let Self { orch, kernel, site, blocks, sync_start, mistake } = self;
        let what = || kernel.map_or_else(|| "a dummy task".into(), |k| format!("kernel {:?}", k.name));
        if let Some(mistake) = mistake {
            return Err(refused(what(), site, *mistake));
        }
        let signature = kernel.and_then(|kernel| kernel.signature.as_ref());
        if let Some((params, scalars)) = signature
            && let Err(why) = matches_signature(orch.args, params, *scalars)
        {
            return Err(refused(what(), site, why));
        }
        if kernel.is_none() && (blocks != 1 || sync_start) {
            return Err(refused(what(), site, Refusal::DummyBlocks));
        }
        let Ok(blocks) = u16::try_from(blocks) else {
            let allowed = u32::from(orch.engine.spec().limits.blocks);
            let error = SubmitError::Blocks { observed: blocks, allowed };
            return Err(refused(what(), site, error.into()));
        };
        let lanes = kernel.map_or(LaneMask::NONE, |kernel| kernel.lanes);
        let cold = Cold {
            shape: if kernel.is_some() { lanes.shape() } else { Shape::Dummy },
            lanes,
            blocks,
            attrs: Attrs { sync_start, ..Attrs::default() },
            callable: kernel.map_or(u32::MAX, |kernel| kernel.id),
        };
        let (chip, run, mode) = (orch.chip, orch.run, orch.orchestrator.mode());
        orch.waiter.about(site);
        let submitted = orch
            .orchestrator
            .submit(&mut orch.waiter, cold, orch.args, site)
            .map_err(|error| refused(what(), site, error.into()))?;
        if let Some(races) = orch.engine.races() {
            let kernel = kernel.map(|kernel| std::sync::Arc::clone(&kernel.name));
            let task = Submission { id: submitted.id, kernel, site, mode };
            races.submitted(task, orch.args);
            orch.waiter.go_on();
        }
        let origin = Origin::Scope { run, scope: submitted.scope };
        let outputs = orch.args.outputs().map(|&inner| Tensor { inner, chip, origin });
        Ok(Task::new(submitted.id, run, outputs))
    }
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
