//! One call of a kernel library: its arguments laid out, its identity set, and what it left behind read.

use std::cell::Cell;
use std::mem::MaybeUninit;

use prewire_abi::{CORE_MAX_SCALAR_ARGS, CORE_MAX_TENSOR_ARGS, ChipTensor};

use crate::context::KernelCtx;
use crate::error::KernelError;
use crate::library::abi::{CAPACITY, Deferral, GLOBAL, GlobalContext, LOCAL, LocalContext, Slab, WORDS};
use crate::library::hooks::Identified;
use crate::library::load::KernelLibrary;

thread_local! {
    /// The slab that the kernels of this thread write to, while none runs. Made once a thread: it is cleared by writing
    /// two words.
    static SLAB: Cell<Option<Box<Slab>>> = const { Cell::new(None) };
}

/// What a kernel finds behind its argument array. It stays where it is while the kernel runs.
struct Frame {
    tensors: [MaybeUninit<ChipTensor>; CORE_MAX_TENSOR_ARGS],
    words: [i64; WORDS],
    local: LocalContext,
    global: GlobalContext,
}

/// The address of something, for code that makes a pointer of it.
fn addr<T>(of: *mut T) -> u64 {
    of.expose_provenance() as u64
}

/// Runs the kernel of `library` as the sub-task `ctx`.
pub(crate) fn run(library: &KernelLibrary, ctx: &KernelCtx<'_>) -> Result<(), KernelError> {
    let (tensors, scalars) = (ctx.tensors(), ctx.scalars());
    if tensors > CORE_MAX_TENSOR_ARGS || scalars > CORE_MAX_SCALAR_ARGS {
        return Err(KernelError::new(format!(
            "the task has {tensors} tensors and {scalars} scalars, and a kernel of a library takes at most \
             {CORE_MAX_TENSOR_ARGS} and {CORE_MAX_SCALAR_ARGS}"
        )));
    }
    let mut slab = SLAB.take().unwrap_or_else(|| Box::new(Slab::new()));
    (slab.count, slab.error) = (0, 0);
    let identity = ctx.identity();
    let mut frame = Frame {
        tensors: [const { MaybeUninit::uninit() }; CORE_MAX_TENSOR_ARGS],
        words: [0; WORDS],
        local: LocalContext {
            block: ctx.block() as i32,
            blocks: ctx.blocks() as i32,
            deferral: Deferral {
                count: addr(&raw mut slab.count),
                error: addr(&raw mut slab.error),
                entries: addr(&raw mut slab.entries),
                capacity: CAPACITY as u32,
                pad: 0,
                task: ctx.task().raw(),
            },
        },
        global: GlobalContext { subblock: identity.subblock as i32, pad: 0, workspace: [0; 2] },
    };
    for (arg, place) in frame.tensors[..tensors].iter_mut().enumerate() {
        frame.words[arg] = addr(place.write(ctx.chip_tensor(arg)?)) as i64;
    }
    for i in 0..scalars {
        frame.words[tensors + i] = ctx.scalar_word(i)? as i64;
    }
    frame.words[LOCAL] = addr(&raw mut frame.local) as i64;
    frame.words[GLOBAL] = addr(&raw mut frame.global) as i64;
    let words = (&raw mut frame.words).cast::<i64>();
    ctx.while_it_may_wait(|| {
        let _identified = Identified::as_core(identity, ctx.pipes());
        // SAFETY:
        // - The library is loaded as long as `library` lives, and its entry is such a function: whoever loaded it said so.
        // - `words` points at the argument array, and that to records, which all live until it has returned.
        // - What it does with its arguments was promised by whoever loaded it.
        unsafe { library.entry()(words) };
    });
    let left = ctx.defer(&slab);
    SLAB.set(Some(slab));
    left
}
