//! Libraries that cannot be loaded: each is refused with what to do, and the chip goes on.

use std::path::Path;

use prewire_chip::{Chip, Core, ElfFault, Error, LibraryError, LibrarySource};

use crate::Case;
use crate::compile::{kernel, object};

pub(crate) const CASES: &[Case] = &[
    ("bad::what_cannot_be_loaded_is_refused", what_cannot_be_loaded_is_refused),
    ("bad::every_truncation_is_refused", every_truncation_is_refused),
];

/// Why it is refused.
#[track_caller]
fn refused(chip: &Chip, from: LibrarySource<'_>) -> LibraryError {
    // SAFETY: it is not loaded, or has nothing that runs.
    match unsafe { chip.kernel_library("bad", from, Core::Aiv) } {
        Err(Error::Library(error)) => *error,
        other => panic!("{other:?}"),
    }
}

fn what_cannot_be_loaded_is_refused() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let error = refused(&chip, LibrarySource::Path(Path::new("/no/such/kernel.so")));
    assert!(matches!(error, LibraryError::File { .. }));
    assert!(error.to_string().contains("/no/such/kernel.so") && error.to_string().contains("bad"), "{error}");
    let error = refused(&chip, LibrarySource::Bytes(b"#!/bin/sh"));
    assert!(matches!(error, LibraryError::NotElf { bytes: 9, fault: ElfFault::Magic, .. }), "{error}");
    assert!(error.to_string().contains("-shared -fPIC"), "{error}");
    assert!(matches!(refused(&chip, LibrarySource::Bytes(&[])), LibraryError::NotElf { bytes: 0, .. }));
    let error = refused(&chip, LibrarySource::Bytes(&object("void kernel(int64_t *args) { (void)args; }")));
    assert!(matches!(error, LibraryError::NoSymbol { symbol: "kernel_entry", .. }));
    assert!(error.to_string().contains("extern \"C\""), "{error}");
    let undefined = "int elsewhere(void); void kernel_entry(int64_t *args) { args[0] = elsewhere(); }";
    let error = refused(&chip, LibrarySource::Bytes(&object(undefined)));
    assert!(matches!(error, LibraryError::Open { .. }) && error.to_string().contains("elsewhere"), "{error}");
    let nop = kernel(&chip, "bad", Core::Aiv, "(void)args;");
    chip.run(|orch| orch.submit(&nop).go().map(drop)).unwrap();
}

/// The loader maps what the headers speak of, and a page that is not there would be the end of the process.
fn every_truncation_is_refused() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let bytes =
        object("static int big[4096] = {1}; void kernel_entry(int64_t *args) { args[0] = big[args[0]]; }");
    for kept in (0..bytes.len() / 2).step_by(97) {
        let error = refused(&chip, LibrarySource::Bytes(&bytes[..kept]));
        assert!(matches!(error, LibraryError::NotElf { .. }), "{kept} bytes: {error}");
    }
}
