//! C sources to shared objects, and the declarations that they begin with.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use prewire_chip::{Chip, Core, Kernel, KernelLibrary, LibrarySource};

/// The records of the contract, written from the table in the documentation of `prewire_chip::library`.
const DECLARATIONS: &str = r#"
#include <stddef.h>
#include <stdint.h>
typedef struct {
    uint64_t addr, size, owner, start;
    int32_t version;
    uint32_t ndims;
    uint8_t dtype, manual, contiguous, space;
    uint32_t shape[5];
    uint64_t extent;
    uint32_t strides[5];
    uint32_t pad[9];
} tensor;
typedef struct { uint64_t addr, cookie; uint32_t expected, engine; int32_t kind; uint32_t pad; } entry;
typedef struct {
    int32_t block, blocks;
    volatile uint32_t *count;
    volatile int32_t *error;
    volatile entry *entries;
    uint32_t capacity, pad;
    uint64_t task;
} local;
typedef struct { int32_t subblock; uint32_t pad; uint64_t workspace[2]; } global;
#define TENSOR(i) ((tensor *)(uintptr_t)args[i])
#define LOCAL ((local *)(uintptr_t)args[48])
#define GLOBAL ((global *)(uintptr_t)args[49])
#define FLOATS(i) ((float *)(uintptr_t)TENSOR(i)->addr + TENSOR(i)->start)
#define WORDS(i) ((volatile uint32_t *)(uintptr_t)TENSOR(i)->addr + TENSOR(i)->start)
static inline void wait_for(volatile uint32_t *word, uint32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {}
}
static inline void arrive(volatile uint32_t *word) { __atomic_fetch_add(word, 1, __ATOMIC_ACQ_REL); }
"#;

/// A C compiler, if there is one.
pub(crate) fn compiler() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let works = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let find = || {
        let named = std::env::var("CC").ok().into_iter();
        named.chain(["cc", "gcc", "clang"].map(String::from)).find(works)
    };
    FOUND.get_or_init(find).as_deref()
}

/// The bytes of the shared object that `source` is compiled to.
#[track_caller]
pub(crate) fn object(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to): (PathBuf, PathBuf) = (folder.path().join("kernel.c"), folder.path().join("kernel.so"));
    std::fs::write(&from, format!("{DECLARATIONS}{source}")).unwrap();
    let output = Command::new(compiler().unwrap())
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wno-unused-function", "-Werror", "-o"])
        .args([&to, &from])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(to).unwrap()
}

/// A kernel with this body.
#[track_caller]
pub(crate) fn kernel(chip: &Chip, name: &str, core: Core, body: &str) -> Kernel {
    let bytes = object(&format!("void kernel_entry(int64_t *args) {{ {body} }}"));
    // SAFETY: it is written above, for the arguments that the test passes.
    unsafe { chip.kernel_library(name, LibrarySource::Bytes(&bytes), core) }.unwrap()
}

/// A library with this source.
#[track_caller]
pub(crate) fn library(name: &str, source: &str) -> KernelLibrary {
    // SAFETY: it is written in the test, for the arguments that the test passes.
    unsafe { KernelLibrary::load(name, LibrarySource::Bytes(&object(source))) }.unwrap()
}
