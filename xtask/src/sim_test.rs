//! `cargo xtask sim-test`: builds the scenes with optimisation and runs them; arguments and exit code pass through.

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use core::num::NonZeroU8;
use std::ffi::OsString;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// The package and the binary of the scenes.
const SCENES: &str = "prewire-scenes";

/// Flags that the scenes know. The documents may show these, and the scenes' source must name each.
#[cfg(test)]
pub(crate) const FLAGS: &[&str] = &[
    "--platform",
    "--scene",
    "--list",
    "--seed",
    "--seeds",
    "--trace",
    "--check-races",
    "--json",
    "--usage",
    "--full",
    "--small",
    "--help",
];

/// Builds and runs the scenes; ends as they end.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    let status = scenes(args)?;
    Ok(code_of(status).map_or(ExitCode::SUCCESS, |code| ExitCode::from(code.get())))
}

/// Builds and runs the scenes.
pub(crate) fn scenes(args: &[OsString]) -> Result<ExitStatus> {
    let binary = build(SCENES, SCENES)?;
    Command::new(&binary)
        .args(args)
        .status()
        .with_context(|| format!("{} could not be run", binary.display()))
}

/// Builds a binary with optimisation, without a word unless it fails, and says where it is.
pub(crate) fn build(package: &str, binary: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", package, "--bin", binary])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(crate::workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started; is it on the PATH?")?;
    let output = cargo.stdout.take().context("the output of cargo is not piped")?;
    let mut path = None;
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's messages could not be read")?
            && artifact.target.name == binary
        {
            path = artifact.executable.or(path);
        }
    }
    let status = cargo.wait().context("cargo could not be waited for")?;
    if !status.success() {
        bail!(
            "{binary} does not build ({status}); the reason is above. `cargo check --package {package}` repeats it"
        );
    }
    Ok(path.with_context(|| format!("cargo built {binary} but named no binary"))?.into())
}

/// The exit code to end with; `None` is success. A death by signal is 128 and the signal, as a shell has it.
fn code_of(status: ExitStatus) -> Option<NonZeroU8> {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signal).unwrap_or(1);
    if code == 0 {
        None
    } else {
        Some(u8::try_from(code).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn exit_codes_pass_through_and_a_signal_is_not_a_success() {
        let code = |raw| code_of(ExitStatus::from_raw(raw)).map(NonZeroU8::get);
        assert_eq!(code(0), None);
        assert_eq!(code(3 << 8), Some(3));
        assert_eq!(code(255 << 8), Some(255));
        assert_eq!(code(11), Some(139));
    }
}
