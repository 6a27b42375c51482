//! Counts what drawn programs have in them. Invariant: a feature that is counted is one that the run of the program
//! depends on, so that a generator that no longer draws it is noticed.

use std::collections::BTreeMap;

use prewire_chip::EdgeKind;

use crate::oracle::drive::Setting;
use crate::oracle::lower::Lowered;
use crate::oracle::program::{Arg, Cores, Fault, Op, Span, Task, Use};
use crate::oracle::world::Ran;

/// How many programs have each feature.
#[derive(Debug, Default)]
pub(crate) struct Census(BTreeMap<&'static str, u32>);

impl Census {
    /// Those of the wanted features that fewer than `least` programs have.
    pub(crate) fn rare(&self, wanted: &[&'static str], least: u32) -> Vec<(&'static str, u32)> {
        let count = |&name| (name, self.0.get(name).copied().unwrap_or(0));
        wanted.iter().map(count).filter(|(_, count)| *count < least).collect()
    }

    /// Counts a program.
    pub(crate) fn add(&mut self, lowered: &Lowered, setting: &Setting) {
        let mut has: BTreeMap<&'static str, bool> = BTreeMap::new();
        let mut note = |name, yes: bool| *has.entry(name).or_default() |= yes;
        let (mut depth, mut deepest) = (0, 0);
        let mut used: Vec<(&Span, bool)> = Vec::new();
        for op in &lowered.program.ops {
            match op {
                Op::Task(task) => {
                    let fate = &lowered.world.fates[task.number];
                    self::task(task, fate.ran, fate.bad, &mut note);
                    for arg in &task.args {
                        let Arg::Existing { how, view } = arg else { continue };
                        let (span, writes) = (&view.span, how.writes());
                        let partly = |(other, wrote): &(&Span, bool)| {
                            (writes || *wrote) && is_partly(other, span) && fate.ran == Ran::All
                        };
                        note("overlap in part", used.iter().any(partly));
                        used.push((span, writes));
                    }
                }
                Op::Alloc { .. } => note("allocation", true),
                Op::Open { manual } => {
                    depth += 1;
                    deepest = deepest.max(depth);
                    note("manual scope", *manual);
                }
                Op::Close => depth -= 1,
                Op::Read { value, .. } => {
                    note("host read", value.is_some());
                    note("host read of a failure", value.is_none());
                }
                Op::Write { lands, .. } => {
                    note("host write", *lands);
                    note("host write to a failure", !lands);
                }
            }
        }
        note("scopes beyond the rings", deepest > 3);
        note("a full window of four", setting.sizes.window.contains(&4) && lowered.world.fates.len() > 8);
        note("seeded", setting.seed.is_some());
        note("one domain", setting.domains == 1);
        note("three domains", setting.domains == 3);
        note("smallest rings", setting.sizes == lowered.ledger.smallest());
        note("smallest dep pool", setting.sizes.deps.contains(&4));
        note("two rounds", setting.rounds == 2);
        note("half-written by a failure", !lowered.world.or.is_empty());
        for (name, yes) in has {
            *self.0.entry(name).or_default() += u32::from(yes);
        }
    }
}

/// Whether two views of a tensor have elements in common, and each has some of its own.
fn is_partly(a: &Span, b: &Span) -> bool {
    let (in_a, in_b) = (a.places(), b.places());
    a.tensor == b.tensor
        && in_a.iter().any(|place| in_b.contains(place))
        && in_a.iter().any(|place| !in_b.contains(place))
        && in_b.iter().any(|place| !in_a.contains(place))
}

fn task(task: &Task, ran: Ran, bad: bool, note: &mut impl FnMut(&'static str, bool)) {
    let ok = ran == Ran::All;
    note("dummy", task.cores == Cores::Dummy && !task.args.is_empty());
    note("mix", ok && matches!(task.cores, Cores::Mix(_)));
    note("blocks", ok && task.blocks > 1 && !task.sync_start);
    note("cohort", ok && task.blocks > 1 && task.sync_start);
    note("exchange over a barrier", ok && task.exchange);
    note("skipped", bad && ran == Ran::Nothing);
    note("failed", matches!(ran, Ran::Some(_)));
    note("panicked", task.fault == Fault::Panic && bad);
    note("predicate that holds", ok && task.predicate.is_some());
    note("predicate that does not hold", task.predicate.is_some() && !bad && ran == Ran::Nothing);
    for (_, kind) in &task.after {
        note("edge that only waits", *kind == EdgeKind::WAIT);
        note("edge that only retains", *kind == EdgeKind::RETAIN);
    }
    for arg in &task.args {
        match arg {
            Arg::Create { .. } => note("output", true),
            Arg::Existing { how, view } => {
                let span = &view.span;
                note("input", ok && *how == Use::Input);
                note("inout", ok && *how == Use::InOut);
                note("output into", ok && *how == Use::Into);
                note("no_dep", ok && matches!(how, Use::Peek | Use::Poke));
                note("strided", ok && !span.is_packed() && span.len() > 1);
                note("three dimensions", ok && span.shape.len() == 3);
                note("empty", span.len() == 0);
                let descending = span.strides.windows(2).all(|pair| pair[0] >= pair[1]);
                note("transposed", ok && !descending && span.len() > 1);
            }
        }
    }
}
