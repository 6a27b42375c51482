//! The orchestrations and kernels of these tests, from C, once in a process.

use prewire_abi::ArgDirection;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::worker::callable;

/// The sources.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/front_end");

/// The compiler, or none: then the test says so, and is over.
pub(crate) fn compiler() -> Option<&'static str> {
    static COMPILER: OnceLock<Option<String>> = OnceLock::new();
    let found = COMPILER.get_or_init(|| {
        let named = std::env::var("CC").ok();
        let mut all = named.into_iter().chain(["cc".into(), "gcc".into(), "clang".into()]);
        all.find(|name| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success()))
    });
    if found.is_none() {
        eprintln!("ignored: there is no C compiler (cc, gcc, clang, or what CC names)");
    }
    found.as_deref()
}

fn shared_object(name: &str, source: &str, define: &str) -> Vec<u8> {
    // Cases run in processes of their own, at the same time.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("front-end-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    let output = Command::new(compiler().unwrap())
        .args(["-shared", "-fPIC", "-O2", "-std=gnu11", "-Wall", "-Wno-unused-function", "-o"])
        .arg(&file)
        .arg(Path::new(FOLDER).join(source))
        .arg(define)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let _ = std::fs::remove_dir(&folder);
    bytes
}

/// The orchestrations.
pub(crate) fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| shared_object("program.so", "program.c", "-DPROGRAM"))
}

/// Kernel `number` of the source.
pub(crate) fn kernel(number: u32) -> Vec<u8> {
    shared_object(&format!("kernel-{number}.so"), "kernel.c", &format!("-DKERNEL={number}"))
}

/// A callable that plays orchestration `entry`, with kernels that go by the numbers of the source.
pub(crate) fn with(entry: &str, signature: &[ArgDirection], numbers: &[u32]) -> Vec<u8> {
    let kernels: Vec<(u32, Vec<u8>)> = numbers.iter().map(|&number| (number, kernel(number))).collect();
    let kernels: Vec<(u32, &[u8])> = kernels.iter().map(|(number, bytes)| (*number, &bytes[..])).collect();
    callable(signature, program(), entry, &kernels)
}

/// The callable of which the result is 47.
pub(crate) fn vector() -> Vec<u8> {
    with("vector", &[ArgDirection::In, ArgDirection::In, ArgDirection::Out], &[0, 1, 2])
}
