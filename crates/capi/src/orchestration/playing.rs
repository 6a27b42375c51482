//! One run of a library: what each operation does.
//!
//! Invariant: after the first failure nothing is submitted, opened or accessed any more; and that failure, with its code,
//! is the one that the run returns.

use std::time::Duration;

use prewire_abi::{
    ChipTensor, EdgeKind, ErrorCode, PredicateOp, ScopeMode, TaskId, TensorArgType, TensorCreateInfo,
};
use prewire_chip::{Error, Foreign, ForeignTask, Kernel};

use super::error::{Fatal, status_of};
use super::form::{Forms, List, Undecided};
use super::program::Bound;
use crate::host::log;
use crate::layout::{CORE_SCALARS, CORE_TENSORS, CoreArgs, Kernels, Outputs, Runtime};

/// As long as an element is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The slots that the times of tasks are kept in.
const TIMING_SLOTS: core::ops::Range<i32> = -1..16;

/// A runtime, and what is behind it. The library knows the address of the first member.
#[repr(C)]
pub(super) struct Playing<'o, 'r> {
    pub(super) runtime: Runtime,
    pub(super) foreign: Foreign<'o, 'r>,
    pub(super) bound: &'o Bound,
    pub(super) forms: &'o mut Forms,
    /// An address of the stack above all frames of the library.
    pub(super) top: usize,
    pub(super) patience: Duration,
    /// It has failed.
    pub(super) failed: bool,
}

/// What an operation was refused for.
enum Refused {
    /// By the chip.
    Chip(Error),
    /// The arguments make no sense.
    Args(String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Chip(error)
    }
}

impl Playing<'_, '_> {
    /// Whether everything has been for nothing.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.failed || self.foreign.is_over()
    }

    /// The run fails, with this code, unless it has failed before.
    #[cold]
    pub(super) fn fail_with(&mut self, code: ErrorCode, text: &str) {
        self.fail(Refused::Chip(Error::user(Fatal::new(code, text))), "orchestration");
    }

    /// The library declares the run failed.
    #[cold]
    pub(super) fn report(&mut self, code: i32, func: &str, text: &str) {
        if self.is_over() {
            return;
        }
        self.failed = true;
        let code = if code == 0 { ErrorCode::ExplicitOrchFatal.code() } else { code };
        log::error(func, format_args!("the orchestration declares the run failed, with code {code}: {text}"));
        let error = Fatal::with(code, format!("{func} declared the run failed, with code {code}: {text}"));
        self.foreign.fail(Error::user(error));
    }

    #[cold]
    fn fail(&mut self, why: Refused, what: &str) {
        if self.failed {
            return;
        }
        self.failed = true;
        let error = match why {
            Refused::Chip(error) => error,
            Refused::Args(text) => Error::user(Fatal::new(ErrorCode::InvalidArgs, text)),
        };
        // The run may have ended for a reason of its own, which is told where it is known.
        if !self.foreign.is_over() {
            let code = status_of(&error).number();
            log::error(what, format_args!("the run fails with {code}: {error}"));
            self.foreign.fail(error);
        }
    }

    /// Submits a task that runs `kernels`.
    #[inline]
    pub(super) fn submit(&mut self, kernels: *const Kernels, args: *const CoreArgs, outputs: &mut Outputs) {
        if self.is_over() {
            return;
        }
        if let Err(why) = self.try_submit(kernels, args, outputs) {
            *outputs = Outputs::none();
            self.foreign.begin();
            self.fail(why, "submit_task");
        }
    }

    #[inline]
    fn try_submit(
        &mut self,
        kernels: *const Kernels,
        args: *const CoreArgs,
        outputs: &mut Outputs,
    ) -> Result<(), Refused> {
        let head = head(args)?;
        let places = places(self.bound, kernels)?;
        self.add_args(head)?;
        self.add_producers(args)?;
        if head.predicate.op != 0 {
            self.add_predicate(head)?;
        }
        if !TIMING_SLOTS.contains(&head.timing_slot) {
            return Err(bad(format!("timing slot {} is not one of 0 to 15", head.timing_slot)));
        }
        let Ok(blocks) = u32::try_from(head.launch.block_num) else {
            return Err(bad(format!("a task of {} blocks", head.launch.block_num)));
        };
        let task = ForeignTask::new(places).blocks(blocks, head.launch.sync_start != 0);
        let id = self.foreign.submit(&task, &mut |tensor| outputs.push(tensor))?;
        outputs.task = id;
        Ok(())
    }

    /// Makes memory without a task.
    pub(super) fn alloc(&mut self, args: *const CoreArgs, outputs: &mut Outputs) {
        if self.is_over() {
            return;
        }
        if let Err(why) = self.try_alloc(args, outputs) {
            *outputs = Outputs::none();
            self.foreign.begin();
            self.fail(why, "alloc_tensors");
        }
    }

    fn try_alloc(&mut self, args: *const CoreArgs, outputs: &mut Outputs) -> Result<(), Refused> {
        self.add_args(head(args)?)?;
        let id = self.foreign.alloc(&mut |tensor| outputs.push(tensor))?;
        outputs.task = id;
        Ok(())
    }

    /// Adds the tensors and scalars of a task.
    #[inline]
    fn add_args(&mut self, head: &CoreArgs) -> Result<(), Refused> {
        if head.has_error != 0 {
            // SAFETY: a library sets the mark together with a text that stays.
            let text = unsafe { super::shim::text(head.error_msg) };
            return Err(bad(format!("its arguments were built wrongly: {text}")));
        }
        let (tensors, scalars) = (head.tensor_count as usize, head.scalar_count as usize);
        if tensors > CORE_TENSORS || scalars > CORE_SCALARS {
            return Err(bad(format!(
                "{} tensors and {} scalars, but a task has at most {CORE_TENSORS} and {CORE_SCALARS}",
                head.tensor_count, head.scalar_count
            )));
        }
        for arg in 0..tensors {
            // SAFETY: a library writes the tag of each argument that it counts.
            let tag = unsafe { head.tags[arg].assume_init() };
            // SAFETY: and its address.
            let record = unsafe { head.tensors[arg].assume_init() };
            let Ok(tag) = TensorArgType::try_from(tag) else {
                return Err(bad(format!("argument {arg} has the tag {tag}, which is none")));
            };
            if record.is_null() || record.addr() % align_of::<ChipTensor>() != 0 {
                return Err(bad(format!("argument {arg} is at {record:p}, where no tensor can be")));
            }
            if tag == TensorArgType::Output {
                // SAFETY: the record is that of an output to be created, by its tag, and stays during the call.
                self.foreign.create(unsafe { &*record.cast::<TensorCreateInfo>() })?;
            } else {
                // SAFETY: the record is that of a tensor, by its tag, and stays during the call.
                self.foreign.tensor(unsafe { &*record.cast::<ChipTensor>() }, tag)?;
            }
        }
        for scalar in 0..scalars {
            // SAFETY: a library writes each scalar that it counts.
            self.foreign.scalar(unsafe { head.scalars[scalar].assume_init() });
        }
        Ok(())
    }

    /// Adds the producers that a task names.
    #[inline]
    fn add_producers(&mut self, args: *const CoreArgs) -> Result<(), Refused> {
        let (foreign, forms, top) = (&mut self.foreign, &mut *self.forms, self.top);
        // SAFETY: the arguments are those of a task of this library.
        let list = unsafe { forms.list(args, top, |id| foreign.is_task(TaskId::from_raw(id))) };
        let list = list.map_err(|why| {
            bad(match why {
                Undecided::Arguments => {
                    "its explicit dependencies cannot be told from what else its arguments can hold".into()
                }
                Undecided::Unseen => {
                    "where its explicit dependencies are could not be looked up: that takes /proc, and a \
                                      descriptor; or arguments on the stack"
                        .into()
                }
            })
        })?;
        if list.count > 0 {
            self.add_list(&list)?;
        }
        Ok(())
    }

    fn add_list(&mut self, list: &List) -> Result<(), Refused> {
        let &List { ids, kinds, count } = list;
        let (ids, kinds) = (ids as *const TaskId, kinds as *const u8);
        if ids.is_null() || !ids.is_aligned() {
            return Err(bad(format!("{count} explicit dependencies at {ids:p}, where there are none")));
        }
        let count = count as usize;
        // SAFETY: a library that names so many producers has their ids there.
        let ids = unsafe { core::slice::from_raw_parts(ids, count) };
        // SAFETY: and, if it says where, their kinds.
        let kinds = (!kinds.is_null()).then(|| unsafe { core::slice::from_raw_parts(kinds, count) });
        for (number, &id) in ids.iter().enumerate() {
            let kind = match kinds {
                None => EdgeKind::BOTH,
                Some(kinds) => EdgeKind::from_bits(kinds[number])
                    .map_err(|_| bad(format!("dependency {number} is of kind {}", kinds[number])))?,
            };
            if !kind.is_none() {
                self.foreign.after(id, kind);
            }
        }
        Ok(())
    }

    fn add_predicate(&mut self, head: &CoreArgs) -> Result<(), Refused> {
        let predicate = &head.predicate;
        let Ok(op) = PredicateOp::try_from(predicate.op) else {
            return Err(bad(format!("a predicate of operator {}", predicate.op)));
        };
        let Some(index) = predicate.indices.get(..predicate.ndims as usize) else {
            return Err(bad(format!("a predicate of {} indices", predicate.ndims)));
        };
        let tensor = tensor(predicate.tensor, "the predicate")?;
        Ok(self.foreign.predicate(tensor, index, op, predicate.target)?)
    }

    pub(super) fn open_scope(&mut self) {
        let mode = core::mem::take(&mut self.runtime.pending_scope_mode);
        if self.is_over() {
            return;
        }
        let opened = match ScopeMode::try_from(mode) {
            Ok(mode) => self.foreign.open_scope(mode).map_err(Refused::Chip),
            Err(_) => Err(bad(format!("a scope of mode {mode}"))),
        };
        if let Err(why) = opened {
            self.fail(why, "scope_begin");
        }
    }

    pub(super) fn close_scope(&mut self) {
        if self.is_over() {
            return;
        }
        if let Err(error) = self.foreign.close_scope() {
            self.fail(error.into(), "scope_end");
        }
    }

    /// The bits of one element; 0 if the run fails.
    pub(super) fn read(&mut self, at: *const ChipTensor, count: u32, indices: *const u32) -> u64 {
        if self.is_over() {
            return 0;
        }
        let patience = self.patience;
        let read = place(at, count, indices)
            .and_then(|(tensor, index)| Ok(self.foreign.read_element(tensor, index, patience)?));
        read.unwrap_or_else(|why| {
            self.fail(why, "get_tensor_data");
            0
        })
    }

    pub(super) fn write(&mut self, at: *const ChipTensor, count: u32, indices: *const u32, bits: u64) {
        if self.is_over() {
            return;
        }
        let patience = self.patience;
        let written = place(at, count, indices)
            .and_then(|(tensor, index)| Ok(self.foreign.write_element(tensor, index, bits, patience)?));
        if let Err(why) = written {
            self.fail(why, "set_tensor_data");
        }
    }

    /// What looks wrong with a run that has been played, and is no failure.
    pub(super) fn warn(&self) {
        if let Some(stale) = self.foreign.stale() {
            log::warn("orchestration", format_args!("{stale}"));
        }
    }

    pub(super) fn clusters(&self) -> i32 {
        self.foreign.clusters().cast_signed()
    }

    pub(super) fn aiv_cores(&self) -> i32 {
        self.foreign.aiv_cores().cast_signed()
    }
}

/// The kernels of a task, by place.
#[inline]
fn places(bound: &Bound, kernels: *const Kernels) -> Result<[Option<&Kernel>; 3], Refused> {
    if kernels.is_null() || !kernels.is_aligned() {
        return Err(bad("no kernels are named".into()));
    }
    // SAFETY: the library has built the record, which stays during the call.
    let &Kernels { aic, aiv0, aiv1 } = unsafe { &*kernels };
    let find = |id: i32| match id {
        -1 => Ok(None),
        _ => bound.kernel(id).map(Some).ok_or_else(|| bad(bound.unknown(id))),
    };
    Ok([find(aic)?, find(aiv0)?, find(aiv1)?])
}

#[cold]
fn bad(text: String) -> Refused {
    Refused::Args(text)
}

/// What the arguments of a task begin with.
#[inline]
fn head<'a>(args: *const CoreArgs) -> Result<&'a CoreArgs, Refused> {
    if args.is_null() || !args.is_aligned() {
        return Err(bad(format!("the arguments of a task are at {args:p}")));
    }
    // SAFETY: the library has built the record, which stays during the call.
    Ok(unsafe { &*args })
}

fn tensor<'a>(at: *const ChipTensor, what: &str) -> Result<&'a ChipTensor, Refused> {
    if at.is_null() || !at.is_aligned() {
        return Err(bad(format!("the tensor of {what} is at {at:p}, where no tensor can be")));
    }
    // SAFETY: the library has built the record, which stays during the call.
    Ok(unsafe { &*at })
}

/// The element that an access names.
fn place<'a>(
    at: *const ChipTensor,
    count: u32,
    indices: *const u32,
) -> Result<(&'a ChipTensor, &'a [u32]), Refused> {
    const MOST: u32 = prewire_abi::MAX_TENSOR_DIMS as u32;
    let tensor = tensor(at, "an access")?;
    if count > MOST || (count > 0 && (indices.is_null() || !indices.is_aligned())) {
        return Err(bad(format!("{count} indices at {indices:p}")));
    }
    if count == 0 {
        return Ok((tensor, &[]));
    }
    // SAFETY: the library passes as many indices as it says, and they stay during the call.
    Ok((tensor, unsafe { core::slice::from_raw_parts(indices, count as usize) }))
}
