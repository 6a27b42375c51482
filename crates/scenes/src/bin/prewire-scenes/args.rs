//! The command line of `prewire-scenes`.

use std::ops::Range;
use std::path::PathBuf;

use clap::Parser;
use prewire_scenes::{Platform, Row, Scene, Size, Unknown, platforms, select};

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
    /// Run each simulated chip one thing at a time, in the order that this number draws.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run under each of these seeds, up to the first that fails.
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// Write what happens in each scene on a chip to a file of its own in this folder: <scene>-<platform>.trace.
    #[arg(long, value_name = "DIR")]
    pub(crate) trace: Option<PathBuf>,
    /// Fail a scene if two of its tasks touch the same bytes and nothing orders them; one thing at a time, with seed 0
    /// unless one is given.
    #[arg(long)]
    pub(crate) check_races: bool,
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

    /// The seeds to run under, in turn; the one without a seed is all threads.
    pub(crate) fn seeds(&self) -> Vec<Option<u64>> {
        match &self.seeds {
            Some(seeds) => seeds.clone().map(Some).collect(),
            None => vec![self.seed],
        }
    }

    /// The command that runs a row again, and what it can be expected to do.
    pub(crate) fn replay(&self, row: &Row) -> String {
        let size = match self.size() {
            Size::Full => " --full",
            Size::Small => " --small",
            Size::Usual => "",
        };
        let check = if self.check_races { " --check-races" } else { "" };
        let again =
            format!("cargo xtask sim-test --scene {} --platform {}{size}{check}", row.scene, row.platform);
        let level =
            select(std::slice::from_ref(&row.scene)).ok().and_then(|found| Some(found.first()?.level));
        match row.seed {
            Some(seed) if level > Some(2) => format!(
                "the same on each chip, but not from chip to chip, which no seed orders: {again} --seed {seed}"
            ),
            Some(seed) => format!("the same again, with what happened: {again} --seed {seed} --trace traces"),
            None => format!(
                "no seed drew the order of this run, so it may go well the next time; to look for a seed that fails: \
                 {again} --seeds 0..1000"
            ),
        }
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

/// A range of seeds that is not empty.
fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is not a range of seeds, like 0..100");
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let (first, end) = (first.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
    if first < end { Ok(first..end) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_range_has_seeds_in_it() {
        assert_eq!(range("3..5"), Ok(3..5));
        for bad in ["", "3", "3..", "..5", "5..5", "6..5", "3..=5", "a..b", "-1..5"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
