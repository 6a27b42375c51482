//! One loaded orchestration library.
//!
//! Invariant: while no run goes on, the library is bound to a runtime in which everything has failed.

use core::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};
use prewire_abi::{ChipCallable, ChipTensor};
use prewire_os::Scratch;

use super::error::LoadError;
use super::form::Forms;
use super::ops::Dead;
use super::shim::{Configure, Entry};
use crate::layout::{ChipArgs, FullTail, Runtime};

/// What a library exports that tells it its runtime.
const BIND: &str = "framework_bind_runtime";

/// The entry's name where the callable gives none.
const ENTRY: &str = "aicpu_orchestration_entry";
/// The same for what says how many arguments there must be.
const CONFIG: &str = "aicpu_orchestration_config";

type Bind = unsafe extern "C" fn(*mut Runtime);

/// An orchestration library. Its symbols are good as long as it is loaded.
pub(super) struct Library {
    pub(super) entry: Entry,
    pub(super) config: Option<Configure>,
    bind: Bind,
    /// What goes on in it, one run at a time.
    turn: Mutex<Turn>,
    /// Before `dead`: its destructors run when it goes, and call what it is bound to.
    _loaded: Loaded,
    /// What it is bound to between runs.
    dead: Box<Dead>,
}

/// What the runs of a library share, one after the other.
pub(super) struct Turn {
    pub(super) forms: Forms,
    /// The arguments of the run, in the longer form.
    pub(super) args: Box<EntryArgs>,
}

/// The arguments of an orchestration, with the zeros that follow them in whatever form a library has.
#[repr(C)]
pub(super) struct EntryArgs {
    pub(super) head: ChipArgs,
    tail: [u8; size_of::<FullTail>()],
}

// SAFETY: the addresses in it are those of the run that holds the turn, which writes them before they are read.
unsafe impl Send for EntryArgs {}

impl EntryArgs {
    fn new() -> Box<Self> {
        // SAFETY: zero is a value of every field: numbers, addresses, and what need not be written at all.
        unsafe { Box::new_zeroed().assume_init() }
    }

    /// Puts the arguments of a run in. There are no more than the record takes.
    pub(super) fn stage(&mut self, tensors: &[ChipTensor], scalars: &[u64]) {
        const INPUT: i32 = 0;
        let head = &mut self.head;
        for ((to, tag), tensor) in head.tensors.iter_mut().zip(&mut head.tags).zip(tensors) {
            to.write(core::ptr::from_ref(tensor).cast::<c_void>());
            tag.write(INPUT);
        }
        for (to, &scalar) in head.scalars.iter_mut().zip(scalars) {
            to.write(scalar);
        }
        head.tensor_count = tensors.len() as i32;
        head.scalar_count = scalars.len() as i32;
        head.launch.block_num = 1;
        head.timing_slot = -1;
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("config", &self.config.is_some()).finish_non_exhaustive()
    }
}

impl Library {
    /// Loads the orchestration library of `callable`, from a file of its own: two loads of the same bytes share nothing.
    pub(super) fn load(callable: &ChipCallable<'_>) -> Result<Self, LoadError> {
        let loaded = open(callable.binary())?;
        let entry = or(callable.func_name(), ENTRY);
        let config = or(callable.config_name(), CONFIG);
        // SAFETY: a symbol of that name is a function of this type, by what an orchestration library is.
        let entry = unsafe { symbol::<Entry>(&loaded, entry) }.ok_or(LoadError::NoSymbol {
            symbol: entry.into(),
            hint: "export the orchestration under the name that its callable gives (`func_name`), as extern \"C\"",
        })?;
        // SAFETY: as above.
        let config = unsafe { symbol::<Configure>(&loaded, config) };
        // SAFETY: as above.
        let bind = unsafe { symbol::<Bind>(&loaded, BIND) }.ok_or(LoadError::NoSymbol {
            symbol: BIND.into(),
            hint: "compile the source file that keeps the current runtime into the library",
        })?;
        let dead = Dead::new();
        let turn = Mutex::new(Turn { forms: Forms::default(), args: EntryArgs::new() });
        let library = Self { entry, config, bind, turn, _loaded: loaded, dead };
        library.unbind();
        Ok(library)
    }

    /// Waits until no run goes on in the library, and keeps it so.
    pub(super) fn turn(&self) -> std::sync::MutexGuard<'_, Turn> {
        // A run that panicked has left nothing half done: the arguments are written anew, and forms are only ever set.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the library calls `runtime`, until what is returned is dropped.
    ///
    /// # Safety
    ///
    /// The caller has the library's turn, and `runtime` outlives what is returned.
    pub(super) unsafe fn bind(&self, runtime: *mut Runtime) -> Binding<'_> {
        // SAFETY: the library stores the address, which is good as long as the binding lives.
        unsafe { (self.bind)(runtime) };
        Binding(self)
    }

    fn unbind(&self) {
        // SAFETY: the library stores the address, which is good as long as the library is loaded.
        unsafe { (self.bind)(self.dead.runtime()) };
    }
}

/// A library that is bound to the runtime of a run.
pub(super) struct Binding<'l>(&'l Library);

impl Drop for Binding<'_> {
    fn drop(&mut self) {
        self.0.unbind();
    }
}

fn or<'a>(name: &'a str, default: &'a str) -> &'a str {
    if name.is_empty() { default } else { name }
}

fn open(bytes: &[u8]) -> Result<Loaded, LoadError> {
    let not_loaded = |why: String| LoadError::NotLoaded { why };
    prewire_chip::check_shared_object(bytes).map_err(|fault| not_loaded(fault.to_string()))?;
    let mut failed = None;
    for folder in Scratch::folders() {
        let file = match Scratch::new(&folder, "prewire-orchestration", bytes) {
            Ok(file) => file,
            Err(error) => {
                failed.get_or_insert(LoadError::File(error));
                continue;
            }
        };
        // Now, not at the first call: a function that is nowhere is a refusal here, and the end of the process there.
        // SAFETY: what a library does when it is loaded is what its front end wants done: it is trusted as this process is.
        match unsafe { Loaded::open(Some(file.path()), RTLD_NOW | RTLD_LOCAL) } {
            Ok(loaded) => return Ok(loaded),
            // The folder may be one that nothing may be run from.
            Err(error) => {
                failed.get_or_insert(not_loaded(said(&error)));
            }
        }
    }
    Err(failed.unwrap_or_else(|| not_loaded("there is no folder for temporary files".into())))
}

/// What the loader said, which the error itself does not repeat.
fn said(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// # Safety
///
/// What is exported under this name is a function of type `T`.
unsafe fn symbol<T: Copy>(library: &Loaded, name: &str) -> Option<T> {
    const { assert!(size_of::<T>() == size_of::<*const c_void>()) };
    // SAFETY: any symbol has an address.
    let found = unsafe { library.get::<*const c_void>(name) }.ok()?;
    // A symbol may be there and be at address 0, where no function is.
    let at = found.into_raw();
    // SAFETY: the address is that of a function of type `T`, which is as large, by the caller's word.
    (!at.is_null()).then(|| unsafe { core::mem::transmute_copy::<*mut c_void, T>(&at) })
}
