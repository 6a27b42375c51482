//! Why a kernel library could not be loaded, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::library::elf::ElfFault;

/// Why a kernel library could not be loaded. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The file could not be read.
    #[error("kernel library {name:?} cannot be read from {path}: {source}; give the path of a shared object", path = path.display())]
    File {
        /// Its name.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not those of a shared object for this machine.
    #[error(
        "kernel library {name:?} ({bytes} bytes) is no shared object that can be loaded here: {fault}; compile it with -shared -fPIC for this machine, and pass all of its bytes"
    )]
    NotElf {
        /// Its name.
        name: String,
        /// How many bytes there are.
        bytes: usize,
        /// What is wrong with them.
        fault: ElfFault,
    },
    /// No file could be made to load it from.
    #[error("kernel library {name:?} cannot be written to a file in {folder} to load it from: {source}; make room there, or set TMPDIR to another folder", folder = folder.display())]
    Scratch {
        /// Its name.
        name: String,
        /// Where the file was to be.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The loader refused it.
    #[error(
        "kernel library {name:?} cannot be loaded: {why}; link it with everything that it uses, and set TMPDIR to a folder that code may be loaded from"
    )]
    Open {
        /// Its name.
        name: String,
        /// What the loader said.
        why: String,
    },
    /// It does not have the symbol that a kernel begins with.
    #[error(
        "kernel library {name:?} has no symbol {symbol:?}: {why}; declare the kernel extern \"C\" with this name, and do not hide it"
    )]
    NoSymbol {
        /// Its name.
        name: String,
        /// The symbol.
        symbol: &'static str,
        /// What the loader said.
        why: String,
    },
}
