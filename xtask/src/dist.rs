//! `cargo xtask dist`: what a program of another system looks for, as a tree of files that its own can be exchanged for.

use crate::workspace;
use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use clap::{Args, ValueEnum};
use prewire_abi::Arch;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What the command is asked for.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Whose programs are to run.
    #[arg(long = "for", value_enum)]
    whose: Whose,
    /// The folder to write to; `dist/<whose>` in cargo's target folder without it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// A folder that has both libraries, as cargo builds them; without it they are built, with optimisation.
    #[arg(long)]
    built: Option<PathBuf>,
}

/// Whose programs are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// Programs compiled for simpler.
    Simpler,
}

/// The runtime that is replaced.
const RUNTIME: &str = "tensormap_and_ringbuffer";
/// What stands in files that a front end reads and hands over, and that nothing here runs.
const NOTHING: &str = "prewire simulates this processor in libhost_runtime.so. This file is here because a front end reads it.\n";

/// `cargo xtask dist`.
pub(crate) fn run(asked: &Asked) -> Result<ExitCode> {
    let Whose::Simpler = asked.whose;
    let out = match &asked.out {
        Some(out) => out.clone(),
        None => workspace::metadata()?.target_directory.join("dist/simpler").into(),
    };
    for path in simpler(&out, asked.built.as_deref())? {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the tree, and says what is in it.
fn simpler(out: &Path, built: Option<&Path>) -> Result<Vec<PathBuf>> {
    let [host, context] = match built {
        Some(folder) => ["libhost_runtime.so", "libcpu_sim_context.so"].map(|name| folder.join(name)),
        None => build()?,
    };
    let read = |path: &Path| fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let mut files = vec![(PathBuf::from("libcpu_sim_context.so"), read(&context)?)];
    let host = read(&host)?;
    for arch in Arch::ALL {
        let folder = Path::new(arch.name()).join("sim").join(RUNTIME);
        let mut library = host.clone();
        arch.mark(&mut library)?;
        files.push((folder.join("libhost_runtime.so"), library));
        for name in ["libaicpu_kernel.so", "libaicore_kernel.so"] {
            files.push((folder.join(name), NOTHING.into()));
        }
    }
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = out.join("build/lib").join(name);
        write(&path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Puts `bytes` where `path` is, at once: a program that has the file before mapped goes on with what it has.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("it is in no folder")?;
    fs::create_dir_all(folder)?;
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, bytes)?;
    Ok(fs::rename(&new, path)?)
}

/// Builds both libraries, and says where they are.
fn build() -> Result<[PathBuf; 2]> {
    let mut cargo = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--lib"])
        .args(["--package", "prewire-capi", "--package", "prewire-capi-context"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started; is it on the PATH?")?;
    let output = cargo.stdout.take().context("the output of cargo is not piped")?;
    let (mut host, mut context) = (None, None);
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's messages could not be read")? {
            let place = match artifact.target.name.as_str() {
                "host_runtime" => &mut host,
                "cpu_sim_context" => &mut context,
                _ => continue,
            };
            let library = artifact.filenames.into_iter().find(|file| file.extension() == Some("so"));
            *place = library.map(PathBuf::from).or(place.take());
        }
    }
    let status = cargo.wait().context("cargo could not be waited for")?;
    if !status.success() {
        bail!(
            "the libraries do not build ({status}); the reason is above. `cargo check -p prewire-capi` repeats it"
        );
    }
    match (host, context) {
        (Some(host), Some(context)) => Ok([host, context]),
        _ => bail!("cargo built the libraries but did not say where they are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_exchanged_and_not_written_into() {
        use std::io::Read;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/lib.so");
        write(&path, b"before").unwrap();
        let mut open = fs::File::open(&path).unwrap();
        write(&path, b"after").unwrap();
        let mut seen = String::new();
        open.read_to_string(&mut seen).unwrap();
        assert_eq!((seen.as_str(), fs::read(&path).unwrap()), ("before", b"after".to_vec()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "something is left over");
    }
}
