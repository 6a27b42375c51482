//! The tree that `cargo xtask dist` writes: the commands of the documentation write it, kernels ask the library in it which
//! core they are on, and a front end in Python runs a collective in two processes. What needs a compiler or Python says so
//! where there is none.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use prewire_chip::{Chip, Core, LibrarySource};
use prewire_test_support::Watchdog;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

/// The first of these programs that there is.
fn program(variable: &str, names: &[&str]) -> Option<String> {
    let named = std::env::var(variable).ok().into_iter();
    let works = |name: &String| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = named.chain(names.iter().map(|&name| name.to_owned())).find(works);
    if found.is_none() {
        eprintln!("skipped: there is none of {names:?}; {variable} may name another");
    }
    found
}

fn compiler() -> Option<String> {
    program("CC", &["cc", "gcc", "clang"])
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{wrong}", output.status);
    output
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compiles one of the sources beside this file.
fn library(compiler: &str, name: &str, folder: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tree");
    let to = folder.join(name).with_extension("so");
    let flags = ["-shared", "-fPIC", "-O2", "-std=gnu11", "-Wall", "-Werror", "-o"];
    succeed(Command::new(compiler).args(flags).arg(&to).arg(sources.join(name)).arg("-ldl"));
    to
}

/// The commands of the page's shell fences.
fn commands(page: &str) -> String {
    let mut fences = page.split("```sh\n");
    fences.next();
    fences.filter_map(|rest| rest.split("```").next()).collect()
}

/// The tree, written once by the commands of `docs/simpler.md`; and what they said. The libraries in it are those that were
/// built with this test. It stays until the next time, among what Cargo cleans up.
fn tree() -> &'static (PathBuf, String) {
    static TREE: OnceLock<(PathBuf, String)> = OnceLock::new();
    TREE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simpler");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        let page = std::fs::read_to_string(root().join("docs/simpler.md")).unwrap();
        let commands = commands(&page);
        assert!(commands.contains("cargo xtask dist"), "{commands}");
        let me = std::env::current_exe().unwrap();
        let script = format!("set -e\ncargo() {{ \"$CARGO\" \"$@\" --built \"$BUILT\"; }}\n{commands}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(root());
        shell.env("SIMPLER", &folder).env("CARGO", env!("CARGO")).env("BUILT", me.parent().unwrap());
        let said = String::from_utf8(succeed(&mut shell).stdout).unwrap();
        (folder, said)
    })
}

#[test]
fn the_commands_of_the_page_write_what_a_front_end_looks_for() {
    let _dog = Watchdog::new(Duration::from_secs(600));
    let (folder, said) = tree();
    let lib = folder.join("build/lib");
    for arch in ["a2a3", "a5"] {
        let sim = lib.join(arch).join("sim/tensormap_and_ringbuffer");
        for file in ["libaicpu_kernel.so", "libaicore_kernel.so"] {
            assert!(
                std::fs::read_to_string(sim.join(file)).unwrap().contains("simulates this processor"),
                "{file}"
            );
        }
        let host = std::fs::read(sim.join("libhost_runtime.so")).unwrap();
        let note = format!("prewire host runtime of {arch}\0");
        assert_eq!(host.windows(note.len()).filter(|bytes| *bytes == note.as_bytes()).count(), 1, "{arch}");
        // SAFETY: it is the library of this crate, which starts nothing when it is loaded.
        unsafe { Library::open(Some(sim.join("libhost_runtime.so")), RTLD_NOW | RTLD_LOCAL) }.unwrap();
    }
    assert_eq!(said.lines().count(), 8, "seven files, and what the second command finds: {said}");
    assert_eq!(said.lines().last(), Some("prewire host runtime of a5"));
}

#[test]
fn kernels_ask_by_name_which_core_they_are_on() {
    let _dog = Watchdog::new(Duration::from_secs(600));
    let Some(compiler) = compiler() else { return };
    let (folder, _) = tree();
    let kernel = library(&compiler, "who.c", folder);
    let context = folder.join("build/lib/libcpu_sim_context.so");
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    // SAFETY: it is the kernel beside this file, which is called with the arguments that it reads.
    let who = unsafe { chip.kernel_library("who", LibrarySource::Path(&kernel), Core::Aiv) }.unwrap();
    let answers = || {
        let out = chip.zeros::<i32>(&[64]).unwrap();
        chip.run(|orch| orch.submit(&who).inout(&out).blocks(64).go().map(drop)).unwrap();
        chip.read::<i32>(&out).unwrap()
    };
    assert_eq!(answers(), [-2; 64], "there is nobody to ask");
    // SAFETY: it is a library of this workspace, which starts nothing when it is loaded.
    let context = unsafe { Library::open(Some(context), RTLD_NOW | RTLD_GLOBAL) }.unwrap();
    assert_eq!(answers(), [-2; 64], "nobody answers");
    let answering = [0, 1].map(host_runtime::context::Answering::for_device);
    assert_eq!(answers(), [1; 64]);
    let [first, second] = answering;
    drop(first);
    assert_eq!(answers(), [1; 64], "another device of this copy is there");
    drop(second);
    assert_eq!(answers(), [-2; 64]);
    drop(context);
}

#[test]
fn a_front_end_in_python_runs_a_collective_in_two_processes() {
    let _dog = Watchdog::new(Duration::from_secs(600));
    let (Some(python), Some(compiler)) = (program("PYTHON", &["python3"]), compiler()) else { return };
    let (folder, _) = tree();
    let [orchestration, kernel] =
        ["orchestration.c", "reduce.c"].map(|name| library(&compiler, name, folder));
    let front_end = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_end.py");
    let mut command = Command::new(python);
    let output = succeed(command.arg(front_end).arg(folder).args([orchestration, kernel]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.matches("all are right").count(), 2, "{said}");
}
