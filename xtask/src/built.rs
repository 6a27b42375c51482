//! Binaries of the workspace that tasks run: built with optimisation, without a word unless that fails.

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use core::num::NonZeroU8;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// Builds a binary of `package`, and says where it is.
pub(crate) fn release(package: &str, binary: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", package, "--bin", binary])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(crate::workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started; is it on the PATH?")?;
    let output = cargo.stdout.take().context("the output of cargo is not piped")?;
    let mut found = None;
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("cargo's messages could not be read")?
            && artifact.target.name == binary
        {
            found = artifact.executable.or(found);
        }
    }
    let status = cargo.wait().context("cargo could not be waited for")?;
    if !status.success() {
        bail!(
            "{package} does not build ({status}); the reason is above. `cargo check --package {package}` repeats it"
        );
    }
    Ok(found.with_context(|| format!("cargo built {package} but named no binary {binary}"))?.into())
}

/// The exit code to end with after a program that ended so.
pub(crate) fn ended(status: ExitStatus) -> ExitCode {
    code_of(status).map_or(ExitCode::SUCCESS, |code| ExitCode::from(code.get()))
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
