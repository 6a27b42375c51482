//! Loading a kernel library: its bytes, a file for the loader, and its symbols.
//!
//! Invariant: a library is loaded as long as there is a handle or a kernel of it, and then unloaded once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use prewire_os::Scratch;

use crate::context::KernelCtx;
use crate::error::KernelError;
use crate::library::error::LibraryError;
use crate::library::{call, elf, hooks};

/// What a kernel begins with. An exception that leaves it ends the process: nobody here could say what it left undone.
pub(crate) type Entry = unsafe extern "C-unwind" fn(*mut i64);

const ENTRY: &str = "kernel_entry";
const REGISTER_HOOKS: &str = "pto_sim_register_hooks";

/// Where a kernel library comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LibrarySource<'a> {
    /// A file. It is read once: what happens to it later does not matter.
    Path(&'a Path),
    /// The bytes of the whole shared object.
    Bytes(&'a [u8]),
}

/// A loaded kernel library. A handle, which is cloned freely; the library is unloaded with the last handle and the last
/// kernel of it. The module's documentation says what it has to have: [`Chip::kernel_library`](crate::Chip::kernel_library)
/// loads one and registers it in one step.
#[derive(Clone)]
pub struct KernelLibrary {
    loaded: Arc<Loaded>,
}

struct Loaded {
    name: String,
    entry: Entry,
    /// Dropped last of all, and unloads.
    _library: Library,
}

impl fmt::Debug for KernelLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelLibrary").field("name", &self.loaded.name).finish_non_exhaustive()
    }
}

impl KernelLibrary {
    /// Loads a library, for any number of chips. `name` is what messages call it.
    ///
    /// ```no_run
    /// use prewire_chip::{Chip, Core, KernelLibrary, LibrarySource};
    /// use std::path::Path;
    ///
    /// // SAFETY: I compiled it, and it keeps to its arguments.
    /// let library = unsafe { KernelLibrary::load("add", LibrarySource::Path(Path::new("add.so")))? };
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let add = chip.kernel_of(&library, "add", Some(Core::Aiv))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LibraryError`] says what, and what to do.
    ///
    /// # Safety
    ///
    /// The library's code becomes part of this process: its initializers run now, its kernel on threads of the simulator,
    /// its finalizers when it is unloaded. None of them does what Rust code must not; the symbols are what their names
    /// say, with the signatures that the module's documentation gives; and a kernel touches nothing but its arguments, as
    /// its tasks pass them, and memory that nobody else uses at the same time.
    pub unsafe fn load(name: &str, from: LibrarySource<'_>) -> Result<Self, LibraryError> {
        let read;
        let bytes = match from {
            LibrarySource::Bytes(bytes) => bytes,
            LibrarySource::Path(path) => {
                let failed = |source| LibraryError::File { name: name.into(), path: path.into(), source };
                read = Scratch::read(path).map_err(failed)?;
                &read
            }
        };
        let not_elf = |fault| LibraryError::NotElf { name: name.into(), bytes: bytes.len(), fault };
        elf::check_shared_object(bytes).map_err(not_elf)?;
        let mut refused = None;
        for folder in Scratch::folders() {
            let opened = match Scratch::new(&folder, "prewire-kernel", bytes) {
                // SAFETY: the caller's promise.
                Ok(file) => unsafe { open(name, &file) },
                Err(source) => Err(scratch(name, folder, source)),
            };
            match opened {
                // SAFETY: the caller's promise.
                Ok(library) => return unsafe { Self::of(name, library) },
                // The folder may be full, or one that no code is loaded from. What is wrong with the library itself is
                // so in every folder, and told once.
                Err(error) => refused.get_or_insert(error),
            };
        }
        Err(refused.unwrap_or_else(|| {
            scratch(name, PathBuf::new(), io::Error::other("there is no folder for temporary files"))
        }))
    }

    /// Its symbols.
    ///
    /// # Safety
    ///
    /// As [`load`](KernelLibrary::load).
    unsafe fn of(name: &str, library: Library) -> Result<Self, LibraryError> {
        let none = |why| LibraryError::NoSymbol { name: name.into(), symbol: ENTRY, why };
        // A symbol may be there and be at address 0, where no function is.
        // SAFETY: the caller's promise: the symbol, if there is one, is such a function.
        let entry: Result<Symbol<Option<Entry>>, _> = unsafe { library.get(ENTRY) };
        let entry =
            entry.map_err(|error| none(said(&error)))?.ok_or_else(|| none("it is at address 0".into()))?;
        // SAFETY: as above.
        let register: Result<Symbol<Option<hooks::Register>>, _> = unsafe { library.get(REGISTER_HOOKS) };
        if let Some(register) = register.ok().and_then(|register| *register) {
            let [subblock, pipe] = hooks::addresses();
            // SAFETY: the caller's promise: it is a function of this signature, and it stores what it is given. Both
            // functions live as long as the process, or this library.
            unsafe { register(subblock, pipe) };
        }
        Ok(Self { loaded: Arc::new(Loaded { name: name.into(), entry, _library: library }) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.loaded.name
    }

    /// Runs its kernel as the sub-task `ctx`.
    pub(crate) fn run(&self, ctx: &KernelCtx<'_>) -> Result<(), KernelError> {
        call::run(self, ctx)
    }

    /// Where its kernel begins, valid as long as this handle.
    pub(crate) fn entry(&self) -> Entry {
        self.loaded.entry
    }
}

/// Loads `file`. It can lose its name after that: what is mapped stays, and no other file gets its number before.
///
/// # Safety
///
/// As [`KernelLibrary::load`].
unsafe fn open(name: &str, file: &Scratch) -> Result<Library, LibraryError> {
    // SAFETY: the caller's promise, for the initializers; finalizers run when it is dropped.
    let opened = unsafe { Library::open(Some(file.path()), RTLD_NOW | RTLD_LOCAL) };
    opened.map_err(|error| LibraryError::Open { name: name.into(), why: said(&error) })
}

fn scratch(name: &str, folder: PathBuf, source: io::Error) -> LibraryError {
    LibraryError::Scratch { name: name.into(), folder, source }
}

/// What the loader said.
fn said(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
