//! The fixed programs: cases that do the same instructions each time, with the number of rounds that are counted. One
//! thread, or one whose path does not depend on what the others do.

use crate::case::Case;
use crate::clock::Clock;
use crate::work;

/// Rounds before those that are counted: afterwards no page is touched and no vector grows for the first time.
const WARM: u32 = 2;

/// A case that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What it is called on the command line and in the record.
    pub name: &'static str,
    suite: &'static str,
    case: &'static str,
    rounds: u32,
}

const fn program(name: &'static str, suite: &'static str, case: &'static str, rounds: u32) -> Program {
    Program { name, suite, case, rounds }
}

/// All of them.
#[rustfmt::skip]
pub const PROGRAMS: &[Program] = &[
    program("submit-independent",   "submit",     "0 explicit edges/256", 16),
    program("submit-4-explicit",    "submit",     "4 explicit edges/256", 16),
    program("submit-4-inferred",    "submit",     "4 inferred inputs and an output/256", 16),
    program("submit-4-inout",       "submit",     "4 in-out of 1024 buffers/256", 16),
    program("life-independent",     "life",       "independent/256", 1),
    program("life-chain",           "life",       "chain/256", 1),
    program("life-4-producers",     "life",       "four producers/256", 1),
    program("life-4-inputs",        "life",       "four inputs and an output/256", 1),
    program("complete-4-fanins",    "ring",       "complete and release, 4 fan-ins, waits and holds", 2),
    program("complete-fanout-16",   "ring",       "complete and release, fan-out 16", 8),
    program("ready-queue",          "ring",       "ready queue, push and pop", 1),
    program("scope-end",            "scope end",  "1024 tasks, complete", 1),
    program("map-hit-1024-tiles",   "tensor map", "hit, 1024 tiles", 1),
    program("map-write-1024-tiles", "tensor map", "write, 1024 tiles", 1),
    program("map-2048-buffers",     "tensor map", "write, 2048 buffers", 1),
    program("mailbox-round-trip",   "mailbox",    "round trip, one thread", 1),
    program("chip-independent",     "chip",       "independent/one thread, seeded", 1),
    program("chip-chain",           "chip",       "chain/one thread, seeded", 1),
    program("facade-submit",        "chip",       "facade submit, an edge", 1),
    program("facade-4-inputs",      "chip",       "facade submit, 4 inputs and an output", 1),
    program("growth-1-thousand",    "growth",     "engine, a run of 1 thousand", 1),
    program("growth-20-thousand",   "growth",     "engine, a run of 20 thousand", 1),
];

impl Program {
    /// The program of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROGRAMS.iter().find(|program| program.name == name)
    }

    fn find(&self) -> Option<Case> {
        work::suite(self.suite).into_iter().find(|case| case.name == self.case)
    }

    /// Runs it, once around to warm up and then so that its sections are counted: how many items they were.
    ///
    /// # Panics
    ///
    /// If there is no such case, which a test rules out.
    #[must_use]
    pub fn run(&self) -> u64 {
        let case = self.find().expect("the case is there");
        let mut round = case.set_up();
        for _ in 0..WARM {
            let _ = round(&mut Clock::new());
        }
        let mut clock = Clock::marking();
        for _ in 0..self.rounds {
            let _ = round(&mut clock);
        }
        case.items * u64::from(self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_program_has_a_case_and_a_name_of_its_own() {
        let names: HashSet<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
        for program in PROGRAMS {
            assert!(program.find().is_some(), "{} has no case {}", program.name, program.case);
            assert!(Program::named(program.name).is_some());
        }
        assert!(Program::named("none").is_none());
    }
}
