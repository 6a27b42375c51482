//! The sources under `fixtures` to shared objects, once a process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// In the order of the function ids that the orchestrations name.
const KERNELS: [&str; 14] = [
    "add",
    "mul",
    "shift",
    "bump",
    "place",
    "meet",
    "hang",
    "nothing",
    "defer",
    "raise",
    "look",
    "defer_wrong",
    "defer_many",
    "own",
];

/// The first of these compilers that there is; what the environment names comes first.
fn find(variable: &str, names: &[&str]) -> Option<String> {
    let works = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let named = std::env::var(variable).ok().into_iter();
    named.chain(names.iter().map(|name| (*name).to_owned())).find(works)
}

fn cc() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    FOUND.get_or_init(|| find("CC", &["cc", "gcc", "clang"])).as_deref()
}

fn cxx() -> Option<&'static str> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    FOUND.get_or_init(|| find("CXX", &["c++", "g++", "clang++"])).as_deref()
}

/// What is needed and not there.
pub(crate) fn missing() -> Option<&'static str> {
    match (cc(), cxx()) {
        (None, _) => Some("a C compiler (cc, gcc, clang, or what $CC names)"),
        (_, None) => Some("a C++ compiler (c++, g++, clang++, or what $CXX names)"),
        _ => None,
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The shared object that a source file under `fixtures`, or a source given as text, is compiled to with these options.
#[track_caller]
fn object(compiler: &str, source: &Path, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("library.so");
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg("-I")
        .arg(fixtures().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(to).unwrap()
}

/// The orchestrations, in the form with the dump member or without it.
pub(crate) fn recipes(dump: bool) -> Vec<u8> {
    static MADE: Mutex<Option<HashMap<bool, Vec<u8>>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    made.entry(dump)
        .or_insert_with(|| {
            let form = format!("-DFIXTURE_DUMP={}", u8::from(dump));
            object(cxx().unwrap(), &fixtures().join("recipes.cpp"), &["-std=c++17", &form])
        })
        .clone()
}

/// A kernel of `kernels.c`, by its name there; `own` is of a file of its own.
pub(crate) fn kernel(name: &'static str) -> Vec<u8> {
    static MADE: Mutex<Option<HashMap<&'static str, Vec<u8>>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    made.entry(name)
        .or_insert_with(|| {
            if name == "own" {
                return object(cxx().unwrap(), &fixtures().join("own.cpp"), &["-std=c++17"]);
            }
            object(cc().unwrap(), &fixtures().join("kernels.c"), &["-std=c11", &format!("-DKERNEL={name}")])
        })
        .clone()
}

/// The kernels that the orchestrations name, with their function ids.
pub(crate) fn kernels() -> Vec<(u32, Vec<u8>)> {
    (0..).zip(KERNELS.map(kernel)).collect()
}

/// A library of this C source.
#[track_caller]
pub(crate) fn c(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("library.c");
    std::fs::write(&from, source).unwrap();
    object(cc().unwrap(), &from, &["-std=c11"])
}
