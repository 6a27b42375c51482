//! A trace as text: one line an event. Invariant: no event has a line break in its line, so lines are events.

use std::fmt;

use prewire_abi::{EdgeKind, Shape};

use super::{Ending, Event, Head, SubTask, What};
use crate::place::Place;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chip, clusters, domains, seed } = self;
        write!(f, "prewire-trace 1 chip {chip} clusters {clusters} domains {domains} ")?;
        match seed {
            Some(seed) => write!(f, "seed {seed} time steps"),
            None => f.write_str("unseeded time nanoseconds"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunBegan { site } => write!(f, "run at {site}"),
            Self::Submitted { task, kernel, shape, blocks, sync_start, producers, site } => {
                write!(f, "submit {task} ")?;
                match kernel {
                    Some(name) => write!(f, "kernel {name:?} {} blocks {blocks}", of_shape(*shape))?,
                    None => f.write_str("dummy")?,
                }
                if *sync_start {
                    f.write_str(" together")?;
                }
                for (at, (producer, kind)) in producers.iter().enumerate() {
                    let kind = match *kind {
                        EdgeKind::BOTH => "",
                        EdgeKind::WAIT => "/wait",
                        _ => "/retain",
                    };
                    write!(f, "{}{producer}{kind}", if at == 0 { " after " } else { "," })?;
                }
                site.map_or(Ok(()), |site| write!(f, " at {site}"))
            }
            Self::Allocated { task, site } => write!(f, "alloc {task} at {site}"),
            Self::ScopeOpened { depth, manual, site } => {
                write!(f, "open {} scope {depth} at {site}", if *manual { "manual" } else { "auto" })
            }
            Self::ScopeClosed { depth } => write!(f, "close scope {depth}"),
            Self::Began(sub) => write!(f, "begin {sub}"),
            Self::Ended(sub) => write!(f, "end {sub}"),
            Self::Failed { task, block, core: Some(core) } => {
                write!(f, "fail {task} block {block} core {core}")
            }
            Self::Failed { task, .. } => write!(f, "fail {task} undispatched"),
            Self::Off { task } => write!(f, "off {task}"),
            Self::Completed { task, how } => {
                let how = match how {
                    Ending::Ok => "ok",
                    Ending::Failed => "failed",
                    Ending::Skipped => "skipped",
                };
                write!(f, "complete {task} {how}")
            }
            Self::Host { write, site } => {
                write!(f, "host {} at {site}", if *write { "write" } else { "read" })
            }
            Self::WaitBegan { what } => write!(f, "wait for {what}"),
            Self::WaitEnded { met } => write!(f, "wait over {}", if *met { "met" } else { "impossible" }),
            Self::RunEnded { ok, tasks } => {
                write!(f, "run {} tasks {tasks}", if *ok { "ok" } else { "failed" })
            }
        }
    }
}

impl fmt::Display for SubTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Aic => "aic",
            Place::Aiv0 => "aiv0",
            Place::Aiv1 => "aiv1",
        };
        write!(f, "{} block {} {place} core {}", self.task, self.block, self.core)
    }
}

const fn of_shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Aic => "AIC",
        Shape::Aiv => "AIV",
        Shape::Mix => "MIX",
        Shape::Dummy => "DUMMY",
        // No task of a chip has these; see `Capacity::chip`.
        Shape::Worker => "WORKER",
        Shape::Sub => "SUB",
    }
}
