//! The runtimes that are measured: how each is built, what it is run with, and what is said where it is not installed.

use anyhow::{Context, Result, ensure};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a program comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The program of this workspace, asked for this runtime.
    Ours,
    /// A file of `benches/versus`.
    File {
        name: &'static str,
        compiler: &'static str,
        flags: &'static [&'static str],
        /// Names that pkg-config may know the library by, the best one first; none if the compiler has it.
        library: &'static [&'static str],
        /// A header that has to be there.
        header: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
}

/// A runtime.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) source: Source,
}

const C: &[&str] = &["-O2", "-std=gnu11"];
const OPENMP: &[&str] = &["-O2", "-std=gnu11", "-fopenmp"];
const CPP: &[&str] = &["-O2", "-std=c++17"];
const CPP_PREBUILT: &[&str] = &["-O2", "-std=c++17", "-DTB_PREBUILT"];
const STARPU: &[&str] = &["starpu-1.4", "starpu-1.3"];

/// All of them; the first is what the others are compared with.
pub(super) const PEERS: &[Peer] = &[
    Peer { name: "prewire", what: "edges inferred from the slots, task by task", source: Source::Ours },
    Peer {
        name: "openmp",
        what: "tasks with depend(in, out), created by one thread (libgomp)",
        source: Source::File {
            name: "openmp.c",
            compiler: "gcc",
            flags: OPENMP,
            library: &[],
            header: "omp.h",
            package: "gcc",
        },
    },
    Peer {
        name: "starpu",
        what: "data handles read and written, scheduler lws",
        source: Source::File {
            name: "starpu.c",
            compiler: "gcc",
            flags: C,
            library: STARPU,
            header: "starpu.h",
            package: "libstarpu-dev",
        },
    },
    Peer {
        name: "onetbb",
        what: "flow graph with explicit edges, making it is measured",
        source: Source::File {
            name: "onetbb.cpp",
            compiler: "g++",
            flags: CPP,
            library: &["tbb"],
            header: "oneapi/tbb/flow_graph.h",
            package: "libtbb-dev",
        },
    },
    Peer {
        name: "onetbb-prebuilt",
        what: "the same, made before the clock starts",
        source: Source::File {
            name: "onetbb.cpp",
            compiler: "g++",
            flags: CPP_PREBUILT,
            library: &["tbb"],
            header: "oneapi/tbb/flow_graph.h",
            package: "libtbb-dev",
        },
    },
    Peer { name: "rayon", what: "spawns and a hand-made count a task, no graph", source: Source::Ours },
    Peer {
        name: "rayon-steps",
        what: "a parallel loop and a barrier a timestep, no graph",
        source: Source::Ours,
    },
];

/// A runtime that can be run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    path: PathBuf,
    /// Words before those that say what is asked.
    words: Vec<String>,
    folder: PathBuf,
}

/// A runtime that is not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) name: &'static str,
    lacks: String,
    package: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, lacks, package } = self;
        write!(f, "{name} is missing: there is no {lacks}; `apt-get install {package}` brings it (Debian)")
    }
}

/// Whether a command ends well.
pub(super) type Probe<'p> = &'p dyn Fn(&[&str]) -> bool;

/// Asks the machine.
pub(super) fn probe(words: &[&str]) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Peer {
    /// The command that builds it to `program`, or what is missing for that.
    pub(super) fn builder(
        &self,
        sources: &Path,
        program: &Path,
        probe: Probe<'_>,
    ) -> Result<Vec<String>, Missing> {
        let Source::File { name, compiler, flags, library, header, package } = self.source else {
            return Ok(Vec::new());
        };
        let missing = |lacks: String, package| Missing { name: self.name, lacks, package };
        if !probe(&[compiler, "--version"]) {
            return Err(missing(format!("compiler `{compiler}`"), compiler));
        }
        let found = library.iter().find(|library| probe(&["pkg-config", "--exists", library]));
        if found.is_none() && !library.is_empty() {
            let why = if probe(&["pkg-config", "--version"]) {
                (format!("library {} known to pkg-config", library.join(" or ")), package)
            } else {
                ("program `pkg-config`, which finds libraries".into(), "pkg-config")
            };
            return Err(missing(why.0, why.1));
        }
        if found.is_none() && !probe(&[compiler, "-E", "-xc", "-fopenmp", "-include", header, "/dev/null"]) {
            return Err(missing(format!("header `{header}`"), package));
        }
        let source = sources.join(name).display().to_string();
        let program = program.display().to_string();
        let mut words: Vec<String> = [compiler].iter().chain(flags).map(|word| (*word).to_owned()).collect();
        words.extend([source, "-o".into(), program]);
        if let Some(found) = found {
            // The library's flags are asked for when it is built.
            words.push(format!("pkg-config:{found}"));
        }
        Ok(words)
    }

    /// Builds it into `folder`. `ours` is the program of this workspace.
    pub(super) fn build(
        &self,
        sources: &Path,
        folder: &Path,
        ours: &Path,
    ) -> Result<Result<Program, Missing>> {
        let folder = folder.to_owned();
        if matches!(self.source, Source::Ours) {
            let (path, words) = (ours.to_owned(), vec![self.name.to_owned()]);
            return Ok(Ok(Program { name: self.name, path, words, folder }));
        }
        let path = folder.join(self.name);
        let words = match self.builder(sources, &path, &probe) {
            Ok(words) => words,
            Err(missing) => return Ok(Err(missing)),
        };
        let mut flags = Vec::new();
        for word in &words[1..] {
            match word.strip_prefix("pkg-config:") {
                Some(library) => {
                    let told = Command::new("pkg-config").args(["--cflags", "--libs", library]).output()?;
                    flags.extend(String::from_utf8_lossy(&told.stdout).split_whitespace().map(str::to_owned));
                }
                None => flags.push(word.clone()),
            }
        }
        // What it was built with last is beside it.
        let (with, beside) = (format!("{} {}", words[0], flags.join(" ")), path.with_extension("built"));
        if std::fs::read_to_string(&beside).is_ok_and(|before| before == with) && is_newer(&path, sources) {
            return Ok(Ok(Program { name: self.name, path, words: Vec::new(), folder }));
        }
        let status = Command::new(&words[0]).args(&flags).status();
        let status = status.with_context(|| format!("{} could not be started", words[0]))?;
        ensure!(status.success(), "{} does not build ({status}); the reason is above", self.name);
        std::fs::write(&beside, with).with_context(|| format!("write {}", beside.display()))?;
        Ok(Ok(Program { name: self.name, path, words: Vec::new(), folder }))
    }
}

/// Whether a file is newer than every file of a folder.
fn is_newer(file: &Path, folder: &Path) -> bool {
    let time = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified());
    let all = || -> std::io::Result<bool> {
        let built = time(file)?;
        for entry in std::fs::read_dir(folder)? {
            if time(&entry?.path())? >= built {
                return Ok(false);
            }
        }
        Ok(true)
    };
    all().unwrap_or(false)
}

impl Program {
    /// What it answers to `asked`.
    pub(super) fn ask(&self, workers: usize, asked: &[String]) -> Result<String> {
        let cpus: Vec<String> = (0..workers).map(|cpu| cpu.to_string()).collect();
        let mut command = Command::new(&self.path);
        command
            .args(&self.words)
            .args(asked)
            // The best that it has: threads that wait for tasks without giving up their processor.
            .env("OMP_PROC_BIND", "true")
            .env("OMP_WAIT_POLICY", "active")
            .env("STARPU_SILENT", "1")
            .env("STARPU_WORKERS_CPUID", cpus.join(" "))
            // What it writes down of the machine.
            .env("STARPU_HOME", &self.folder);
        let output = command.output().with_context(|| format!("{} could not be run", self.path.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} ended with {} when asked for {}: {}",
            self.name,
            output.status,
            asked.join(" "),
            said.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_with(name: &str, probe: Probe<'_>) -> Result<Vec<String>, Missing> {
        let peer = PEERS.iter().find(|peer| peer.name == name).unwrap();
        peer.builder(Path::new("versus"), Path::new("out/program"), probe)
    }

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let compilers = |words: &[&str]| words[1] == "--version";
        for (name, says) in [
            (
                "openmp",
                "openmp is missing: there is no header `omp.h`; `apt-get install gcc` brings it (Debian)",
            ),
            (
                "starpu",
                "starpu is missing: there is no library starpu-1.4 or starpu-1.3 known to pkg-config; \
                 `apt-get install libstarpu-dev` brings it (Debian)",
            ),
            (
                "onetbb",
                "onetbb is missing: there is no library tbb known to pkg-config; `apt-get install libtbb-dev` \
                 brings it (Debian)",
            ),
        ] {
            assert_eq!(built_with(name, &compilers).unwrap_err().to_string(), says);
        }
        let nothing = |_: &[&str]| false;
        let says = built_with("onetbb", &nothing).unwrap_err().to_string();
        assert!(says.contains("no compiler `g++`; `apt-get install g++`"), "{says}");
        let no_pkg_config = |words: &[&str]| words == ["gcc", "--version"];
        let says = built_with("starpu", &no_pkg_config).unwrap_err().to_string();
        assert!(says.contains("`apt-get install pkg-config`"), "{says}");
    }

    #[test]
    fn what_is_installed_is_built_with_the_newest_library() {
        let all = |_: &[&str]| true;
        let words = built_with("starpu", &all).unwrap().join(" ");
        assert_eq!(words, "gcc -O2 -std=gnu11 versus/starpu.c -o out/program pkg-config:starpu-1.4");
        let old = |words: &[&str]| !words.contains(&"starpu-1.4");
        assert!(built_with("starpu", &old).unwrap().join(" ").ends_with("pkg-config:starpu-1.3"));
        let words = built_with("openmp", &all).unwrap().join(" ");
        assert_eq!(words, "gcc -O2 -std=gnu11 -fopenmp versus/openmp.c -o out/program");
    }

    #[test]
    fn the_peers_that_are_installed_run_every_pattern_and_find_a_missing_order() {
        let folder = tempfile::tempdir().unwrap();
        let sources = crate::workspace::root().join("benches/versus");
        for peer in PEERS.iter().filter(|peer| matches!(peer.source, Source::File { .. })) {
            let program = match peer.build(&sources, folder.path(), Path::new("")).unwrap() {
                Ok(program) => program,
                Err(missing) => {
                    println!("skipped: {missing}");
                    continue;
                }
            };
            let ask = |words: &str| program.ask(2, &words.split(' ').map(str::to_owned).collect::<Vec<_>>());
            for pattern in super::super::PATTERNS {
                let answer = ask(&format!("pattern={pattern} width=5 kernel=compute sizes=3x20")).unwrap();
                assert!(answer.starts_with("3 "), "{} on {pattern}: {answer}", peer.name);
            }
            let error = ask("pattern=no_comm width=4 fields=4 sizes=0x20 omit=10:1").unwrap_err().to_string();
            let says = "the task of timestep 10, point 1 finds ";
            assert!(error.contains(says), "{} does not find a missing order: {error}", peer.name);
        }
    }

    #[test]
    fn the_sources_are_there() {
        for peer in PEERS {
            if let Source::File { name, .. } = peer.source {
                let path = crate::workspace::root().join("benches/versus").join(name);
                assert!(path.is_file(), "{} is not there", path.display());
            }
        }
    }
}
