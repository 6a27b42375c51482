//! A program: an orchestration library and its kernels, loaded once, and bound to the chips that it runs on.
//!
//! Invariant: the kernels of a program are registered with a chip for as long as it is bound to it, and no longer.

use std::collections::BTreeMap;
use std::sync::Arc;

use prewire_abi::{
    ArgDirection, CHIP_MAX_SCALAR_ARGS, CHIP_MAX_TENSOR_ARGS, ChipCallable, ChipTensor, ErrorCode,
};
use prewire_chip::{Chip, Error, Kernel, KernelLibrary, LibrarySource, Orch, Registrar};
use prewire_sync::atomic::{AtomicU64, Ordering};

use super::error::{Fatal, LoadError};
use super::library::{Library, Turn};
use super::ops;
use super::playing::{PATIENCE, Playing};
use super::shim;
use crate::layout::Runtime;

/// Tells the programs of a process apart, in the names of their kernels. Raised by every load.
static PROGRAMS: AtomicU64 = AtomicU64::new(0);

/// A callable whose libraries are loaded. It needs no chip; [`bind`](Program::bind) it to each that is to run it.
#[derive(Debug)]
pub struct Program {
    number: u64,
    library: Library,
    /// By function id.
    kernels: BTreeMap<u32, KernelLibrary>,
    signature: Box<[ArgDirection]>,
}

/// What a run is played with: tensors in the chip's memory, and scalars. Both stay where they are until the run has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct StagedArgs<'a> {
    /// The tensors, in the order of the signature.
    pub tensors: &'a [ChipTensor],
    /// The scalars.
    pub scalars: &'a [u64],
}

impl Program {
    /// Loads the libraries of a callable, each from a file of its own that is gone when this returns.
    ///
    /// # Errors
    ///
    /// A library cannot be loaded, or has not the symbols that it must have; or two kernels have the same id.
    ///
    /// # Safety
    ///
    /// The libraries of the callable are what they say: an orchestration and kernels, compiled for this runtime. They run in
    /// this process and do there what they do.
    pub unsafe fn load(callable: &ChipCallable<'_>) -> Result<Arc<Self>, LoadError> {
        let library = Library::load(callable)?;
        let number = PROGRAMS.fetch_add(1, Ordering::Relaxed);
        let mut kernels = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (place, (id, kernel)) in callable.children().enumerate() {
            if let Some(first) = places.insert(id, place) {
                return Err(LoadError::SameId { first, second: place, id });
            }
            let name = format!("program {number} kernel {id}");
            // SAFETY: the caller's word.
            let loaded = unsafe { KernelLibrary::load(&name, LibrarySource::Bytes(kernel.binary())) }
                .map_err(|error| LoadError::Kernel { id, error: error.into() })?;
            kernels.insert(id, loaded);
        }
        let signature = callable.signature().collect();
        Ok(Arc::new(Self { number, library, kernels, signature }))
    }

    /// What the program does with its arguments, tensors first.
    #[must_use]
    pub fn signature(&self) -> &[ArgDirection] {
        &self.signature
    }

    /// Registers the program's kernels with `chip`, until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// The chip has as many kernels as it takes.
    pub fn bind(self: &Arc<Self>, chip: &Chip) -> Result<Bound, LoadError> {
        let size = self.kernels.last_key_value().map_or(0, |(&id, _)| id as usize + 1);
        let mut bound = Bound {
            program: Arc::clone(self),
            kernels: std::iter::repeat_with(|| None).take(size).collect(),
            registrar: chip.registrar(),
            patience: PATIENCE,
        };
        for (&id, library) in &self.kernels {
            let name = format!("program {} kernel {id}", self.number);
            let kernel = chip
                .kernel_of(library, &name, None)
                .map_err(|error| LoadError::Kernel { id, error: error.into() })?;
            bound.kernels[id as usize] = Some(kernel);
        }
        Ok(bound)
    }
}

/// A program on a chip.
#[derive(Debug)]
pub struct Bound {
    program: Arc<Program>,
    /// By function id.
    kernels: Box<[Option<Kernel>]>,
    registrar: Registrar,
    patience: std::time::Duration,
}

impl Bound {
    /// The program.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The kernel of a function id.
    #[inline]
    pub(super) fn kernel(&self, id: i32) -> Option<&Kernel> {
        self.kernels.get(usize::try_from(id).ok()?)?.as_ref()
    }

    /// That there is none.
    #[cold]
    pub(super) fn unknown(&self, id: i32) -> String {
        let known: Vec<u32> = self.program.kernels.keys().copied().collect();
        format!("kernel {id} is not one of the program's, which are {known:?}")
    }

    /// Waits for elements no longer than this, instead of 15 s.
    #[must_use]
    pub fn element_patience(mut self, allowed: std::time::Duration) -> Self {
        self.patience = allowed;
        self
    }

    /// Plays the orchestration in a run of the chip that this is bound to. Runs of one program follow one another, whatever
    /// chips they are of: a library knows one run at a time.
    ///
    /// # Errors
    ///
    /// Too many or too few arguments; what the orchestration threw; or the failure of the run, if it fails before the
    /// orchestration has ended. [`status_of`](super::status_of) the run's error gives its code.
    ///
    /// # Safety
    ///
    /// The chip's [`Hazards`](prewire_chip::Hazards) are `RawWaw`. Each tensor is memory that the program may use as it was
    /// compiled to, until the run has ended.
    pub unsafe fn play(&self, orch: &mut Orch<'_>, args: &StagedArgs<'_>) -> prewire_chip::Result<()> {
        let refuse = |text: String| Err(Error::user(Fatal::new(ErrorCode::InvalidArgs, text)));
        let (tensors, scalars) = (args.tensors.len(), args.scalars.len());
        if tensors > CHIP_MAX_TENSOR_ARGS || scalars > CHIP_MAX_SCALAR_ARGS {
            return refuse(format!(
                "{tensors} tensors and {scalars} scalars were passed, but a program takes at most \
                 {CHIP_MAX_TENSOR_ARGS} and {CHIP_MAX_SCALAR_ARGS}"
            ));
        }
        let library = &self.program.library;
        let mut turn = library.turn();
        let Turn { forms, args: entry } = &mut *turn;
        entry.stage(args.tensors, args.scalars);
        let entry = &raw const entry.head;
        let threw = |what: &str, text: &str| {
            Error::user(Fatal::new(
                ErrorCode::ExplicitOrchFatal,
                format!("{what} threw an exception: {text}"),
            ))
        };
        // SAFETY: the caller's word.
        let foreign = unsafe { orch.foreign() }?;
        let top = 0_usize;
        let mut playing = Playing {
            runtime: Runtime { ops: ops::live(), pending_scope_mode: 0 },
            foreign,
            bound: self,
            forms,
            top: (&raw const top).addr(),
            patience: self.patience,
            failed: false,
        };
        let at = &raw mut playing;
        // SAFETY: this has the turn, and `playing` outlives the binding, which goes first.
        let binding = unsafe { library.bind(at.cast()) };
        if let Some(config) = library.config {
            // SAFETY: the library is loaded and bound, and the arguments are staged.
            let expected = unsafe { shim::call_config(config, entry) }
                .map_err(|text| threw("what says how many arguments there are", &text))?;
            let passed = tensors + scalars;
            if usize::try_from(expected).is_ok_and(|expected| passed < expected) {
                return refuse(format!(
                    "{tensors} tensors and {scalars} scalars were passed, but the orchestration takes {expected} \
                     arguments"
                ));
            }
        }
        // SAFETY: as above.
        let called = unsafe { shim::call_entry(library.entry, entry) };
        drop(binding);
        // SAFETY: the library does not know the address any more.
        let playing = unsafe { &*at };
        playing.warn();
        called.map_err(|text| threw("the orchestration", &text))?;
        if playing.failed {
            // The run knows why: its first failure stays its cause.
            return refuse("the orchestration failed".into());
        }
        Ok(())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        for kernel in self.kernels.iter_mut().filter_map(Option::take) {
            self.registrar.unregister(kernel);
        }
    }
}
