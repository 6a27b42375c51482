//! The command line of `prewire-scenes`.

use std::path::PathBuf;

use clap::Parser;
use prewire_scenes::{Platform, Scene, Size, Unknown, platforms, select};

/// Runs real programs on simulated chips and compares every result with its golden.
#[derive(Debug, Parser)]
#[command(name = "prewire-scenes", version)]
pub(crate) struct Args {
    /// Only on this platform (repeatable) [default: all].
    #[arg(long, value_name = "NAME")]
    platform: Vec<String>,
    /// Only scenes of this name, where * stands for any characters (repeatable) [default: all].
    #[arg(long, value_name = "GLOB")]
    scene: Vec<String>,
    /// Say what there is, and run nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Run the simulator one thing at a time, in the order that this number draws.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Write the rows of the table to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Say what each scene took of the sizes of its rings, and warn where that is close to what there is.
    #[arg(long)]
    pub(crate) usage: bool,
    /// Full width: a layer of 14-billion-parameter size, whole chips that start together. Takes some GiB.
    #[arg(long, conflicts_with = "small")]
    full: bool,
    /// The sizes of a debug build.
    #[arg(long)]
    small: bool,
}

impl Args {
    /// The scenes and platforms that were asked for.
    pub(crate) fn choose(&self) -> Result<(Vec<Scene>, Vec<Platform>), Unknown> {
        let scenes = select(&self.scene)?;
        let named: Vec<Platform> =
            self.platform.iter().map(|name| Platform::named(name)).collect::<Result<_, _>>()?;
        Ok((scenes, if named.is_empty() { platforms().to_vec() } else { named }))
    }

    /// How much work the scenes do.
    pub(crate) const fn size(&self) -> Size {
        if self.full {
            Size::Full
        } else if self.small {
            Size::Small
        } else {
            Size::Usual
        }
    }
}
