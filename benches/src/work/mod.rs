//! The workloads, a file for each suite. Nothing here knows how it is measured.

mod chip;
pub mod growth;
mod life;
mod mailbox;
mod ring;
mod scopes;
mod submit;
mod tensormap;
mod threads;

use crate::Case;
use prewire_abi::{DataType, TensorArgType, ValidTensor};
use prewire_orchestrator::{Arg, ScopeKey};

/// A suite: its name, and what makes its cases.
pub type Suite = (&'static str, fn() -> Vec<Case>);

/// The suites.
pub const SUITES: &[Suite] = &[
    ("submit", submit::cases),
    ("life", life::cases),
    ("threads", threads::cases),
    ("scope end", scopes::cases),
    ("ring", ring::cases),
    ("tensor map", tensormap::cases),
    ("mailbox", mailbox::cases),
    ("chip", chip::cases),
    ("growth", growth::cases),
];

/// The cases of one suite; none if there is no suite of that name.
#[must_use]
pub fn suite(name: &str) -> Vec<Case> {
    SUITES.iter().find(|(suite, _)| *suite == name).map(|(_, cases)| cases()).unwrap_or_default()
}

/// The cases of all suites.
#[must_use]
pub fn all() -> Vec<Case> {
    SUITES.iter().flat_map(|(_, cases)| cases()).collect()
}

/// What this process holds in memory, in KiB.
///
/// # Panics
///
/// If `/proc` cannot be read.
#[must_use]
pub fn resident() -> f64 {
    let held = prewire_os::process::statistics().expect("/proc/self can be read").resident;
    held as f64 / 1024.0
}

/// So many buffers of 4 KiB as arguments, made once: a program has its tensors when it submits.
fn buffers(count: u64, tag: TensorArgType) -> Vec<Arg> {
    let tensor = |at| ValidTensor::contiguous(0x10_0000 + at * 4096, &[16, 16], DataType::F32);
    (0..count).map(|at| Arg::existing(tensor(at).expect("a small tensor"), tag, ScopeKey::NONE)).collect()
}

/// A fresh output of 1 KiB.
fn output() -> Arg {
    Arg::output(&[16, 16], DataType::F32).expect("a small tensor")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use std::collections::HashSet;

    #[test]
    fn names_are_told_apart() {
        let names: Vec<String> = all().iter().map(Case::full_name).collect();
        let set: HashSet<&String> = names.iter().collect();
        assert_eq!(set.len(), names.len());
        for (suite, cases) in SUITES {
            assert!(cases().iter().all(|case| case.suite == *suite), "{suite}");
        }
    }

    #[test]
    fn every_case_that_is_not_slow_runs_twice() {
        for case in all().into_iter().filter(|case| !case.slow) {
            let mut round = case.set_up();
            for _ in 0..2 {
                let mut clock = Clock::new();
                let held = round(&mut clock);
                assert!(held.is_some() || !clock.spent().is_zero(), "{} measures nothing", case.full_name());
            }
        }
    }
}
