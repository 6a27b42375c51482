//! The fuzzer: libFuzzer over the target that `PREWIRE_FUZZ_TARGET` names. `cargo xtask fuzz` builds and runs it.
#![no_main]
#![forbid(unsafe_code)]

use prewire_fuzz::Target;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("PREWIRE_FUZZ_TARGET").unwrap_or_default();
        prewire_fuzz::target(&name)
            .unwrap_or_else(|| panic!("PREWIRE_FUZZ_TARGET is {name:?}, which is no target"))
    });
    (target.check)(bytes);
});
