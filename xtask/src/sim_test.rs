//! `cargo xtask sim-test`: builds the scenes with optimisation and runs them; arguments and exit code pass through.

use crate::built;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::process::{Command, ExitCode, ExitStatus};

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
    Ok(built::ended(scenes(args)?))
}

/// Builds and runs the scenes.
pub(crate) fn scenes(args: &[OsString]) -> Result<ExitStatus> {
    let binary = built::release(SCENES, SCENES)?;
    Command::new(&binary)
        .args(args)
        .status()
        .with_context(|| format!("{} could not be run", binary.display()))
}
