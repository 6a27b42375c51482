//! Task Bench on prewire or rayon, as `cargo xtask bench versus` asks for it: `taskbench RUNTIME key=value...`.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use prewire::prelude::{Chip, RingSizes, a2a3};
use prewire_benches::taskbench::{Asked, Kernel, Layout, OnChip, OnRayon, Way};
use prewire_os::process::{self, Signal};
use std::sync::Arc;

fn main() -> Result<()> {
    // Where nobody reads what it prints it has nothing more to do.
    let _ = process::restore(Signal::PIPE);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (runtime, words) =
        words.split_first().context("which runtime? prewire, prewire-rows, rayon or rayon-steps")?;
    let asked = Asked::parse(words.iter().map(String::as_str)).map_err(anyhow::Error::msg)?;
    let measured = match runtime.as_str() {
        "prewire" | "prewire-rows" => {
            let layout = if runtime == "prewire" { Layout::Buffers } else { Layout::Rows };
            // Empty tasks run as fast as they are submitted: in rings that a processor's own cache holds, and whose pages are there
            // after the run that warms up. Others do not, and the rings hold the whole graph, so that the orchestration leaves its
            // processor to them.
            let rings = match asked.kernel {
                Kernel::Empty => RingSizes::default().with_window(1024).with_deps(4096),
                _ => RingSizes::default().with_deps(1 << 17),
            };
            let builder = Chip::sim(a2a3()).clusters(8).domains(1).threads(asked.workers).rings(rings);
            let mut chip = OnChip::new(builder, layout, asked.width, asked.fields)?;
            asked.measure(|graph, iterations| {
                chip.run(&Arc::new(graph.clone()), asked.kernel, iterations, asked.fault)
            })?
        }
        "rayon" | "rayon-steps" => {
            let way = if runtime == "rayon" { Way::Counts } else { Way::Steps };
            let mut pool = OnRayon::new(asked.workers, way)?;
            asked.measure(|graph, iterations| pool.run(graph, asked.kernel, iterations, asked.fault))?
        }
        other => {
            bail!("there is no runtime {other:?}; there are prewire, prewire-rows, rayon and rayon-steps")
        }
    };
    measured.iter().for_each(|one| println!("{one}"));
    Ok(())
}
