//! What is promised of the decoders of foreign bytes, as functions of bytes: each panics if a promise is broken.
//!
//! A fuzzer drives them (`cargo xtask fuzz`), and the tests of this package replay the inputs that it kept, which are
//! in `corpus`, a folder for each target. A target does not only look for panics: what decodes must encode to the same
//! bytes, what validates must lie inside its buffer, by arithmetic of its own.
//!
//! ```
//! let target = prewire_fuzz::target("blob").expect("it is one of the targets");
//! (target.check)(&[0; 8]);
//! ```
#![forbid(unsafe_code)]

mod arguments;
mod blob;
mod callables;
mod chip_tensor;
mod comm;
mod config;
mod mailbox;
mod reach;
mod shared;
mod source;
mod tensor;

use std::path::{Path, PathBuf};

/// A decoder, or a family of them, with what is promised of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// Checks the promise on any bytes.
    ///
    /// # Panics
    ///
    /// If the promise is broken.
    pub check: fn(&[u8]),
}

impl Target {
    /// Where its inputs are kept.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "blob",
        promise: "a blob that parses writes the same bytes, and its valid tensors survive a rebuild",
        check: blob::check,
    },
    Target {
        name: "tensor",
        promise: "a valid wire tensor is inside its buffer, on the chip too; overlap misses no common byte",
        check: tensor::check,
    },
    Target {
        name: "shared",
        promise: "a tensor that arrives is refused, or a host function and a chip see the bytes that it names",
        check: shared::check,
    },
    Target {
        name: "chip_tensor",
        promise: "a valid chip tensor is inside its buffer, and so is each view of a view",
        check: chip_tensor::check,
    },
    Target {
        name: "callables",
        promise: "a callable that parses is rebuilt byte for byte from its parts, and found whole where its end is not known",
        check: callables::check,
    },
    Target {
        name: "config",
        promise: "a configuration keeps its bytes, and what validates is inside the documented limits",
        check: config::check,
    },
    Target {
        name: "arguments",
        promise: "the producers that a task names are found, or none, in whichever form its arguments are",
        check: arguments::check,
    },
    Target {
        name: "comm",
        promise: "what ranks tell each other is refused, or leads to windows that are there",
        check: comm::check,
    },
    Target {
        name: "mailbox",
        promise: "whatever is in a mailbox, both sides read inside of it, and it can be made ready again",
        check: mailbox::check,
    },
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
