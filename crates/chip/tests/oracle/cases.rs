//! Which programs are run: each is drawn from a seed, its theme and its number. Invariant: what is printed of one that
//! goes wrong draws it again, alone.

use std::cell::Cell;
use std::fmt;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// How many of [`WHOLE`] programs each theme has.
const SHARES: [(&str, u64); 21] = [
    ("auto", 8),
    ("faults", 6),
    ("churn", 5),
    ("churn-faults", 1),
    ("short", 3),
    ("manual", 4),
    ("raw-waw", 2),
    ("raw-waw-manual", 1),
    ("raw", 2),
    ("fit", 1),
    ("fit-churn", 1),
    ("fit-manual", 1),
    ("fit-raw-waw", 1),
    ("races", 1),
    ("races-churn", 1),
    ("races-manual", 1),
    ("races-raw-waw", 1),
    ("races-raw", 1),
    ("frayed", 1),
    ("frayed-raw-waw", 1),
    ("frayed-raw", 1),
];
const WHOLE: u64 = 44;
/// Programs of all themes, unless the environment says how many.
const USUAL: u64 = 880;

/// How often a program that was not seeded is run when it is replayed, and then how many seeds are tried.
const AGAIN: u64 = 200;

/// One program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) theme: &'static str,
    pub(crate) seed: u64,
    pub(crate) number: u64,
}

thread_local! {
    static CURRENT: Cell<Option<Case>> = const { Cell::new(None) };
}

/// The case that this thread runs, as it is printed.
pub(crate) fn current() -> String {
    CURRENT.get().map_or_else(String::new, |case| case.to_string())
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { theme, seed, number } = self;
        write!(
            f,
            "run it again, alone: PREWIRE_ORACLE_CASE={theme}:{seed}:{number} cargo test --package prewire-chip --test \
             oracle"
        )
    }
}

impl Case {
    /// From its printed form; none if it is of another theme.
    pub(crate) fn parse(text: &str, theme: &'static str) -> Result<Option<Self>, String> {
        let wrong = || format!("PREWIRE_ORACLE_CASE is {text:?}, not <theme>:<seed>:<number>");
        let mut parts = text.split(':');
        let (Some(named), Some(seed), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        if SHARES.iter().all(|(known, _)| *known != named) {
            return Err(format!("{}; the themes are {:?}", wrong(), SHARES.map(|(theme, _)| theme)));
        }
        let number_of = |part: &str| part.parse().map_err(|_| wrong());
        let (seed, number) = (number_of(seed)?, number_of(number)?);
        Ok((named == theme).then_some(Self { theme, seed, number }))
    }

    fn runner(&self) -> TestRunner {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        for (at, byte) in self.theme.bytes().enumerate() {
            bytes[16 + at % 16] ^= byte;
        }
        let config = Config { failure_persistence: None, max_shrink_iters: 4096, ..Config::default() };
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }
}

/// What is drawn for a case.
pub(crate) fn draw<S: Strategy>(strategy: &S, case: &Case) -> S::Value {
    strategy.new_tree(&mut case.runner()).expect("bytes can be drawn").current()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is not a number")))
}

/// Runs one case, and makes it smaller if it fails: whether it was of use.
fn run_one<S: Strategy>(
    strategy: &S,
    case: &Case,
    run: impl Fn(&S::Value) -> Result<bool, TestCaseError>,
) -> bool {
    CURRENT.set(Some(*case));
    let mut runner = case.runner();
    let tree = strategy.new_tree(&mut runner).expect("bytes can be drawn");
    let used = Cell::new(false);
    let result = runner.run_one(tree, |value| {
        used.set(run(&value)?);
        Ok(())
    });
    CURRENT.set(None);
    match result {
        Ok(_) => used.get(),
        Err(TestError::Fail(why, _) | TestError::Abort(why)) => panic!("{why}\n{case}"),
    }
}

/// Runs the programs of a theme that the environment asks for: `run` is given what was drawn, and a seed of the chip that
/// takes the place of the drawn one, if any. It answers false if a program is of no use, which is then not counted.
pub(crate) fn run<S: Strategy>(
    theme: &'static str,
    strategy: &S,
    run: impl Fn(&S::Value, Option<u64>) -> Result<bool, TestCaseError>,
) {
    if let Ok(text) = std::env::var("PREWIRE_ORACLE_CASE") {
        match Case::parse(&text, theme) {
            Err(wrong) => panic!("{wrong}"),
            Ok(None) => return,
            Ok(Some(case)) => return replay(strategy, &case, run),
        }
    }
    let share = SHARES.iter().find(|(name, _)| *name == theme).expect("a theme with a share").1;
    let seed = number("PREWIRE_ORACLE_SEED").unwrap_or(1);
    let wanted = (number("PREWIRE_ORACLE_CASES").unwrap_or(USUAL) * share).div_ceil(WHOLE);
    let (mut ran, mut drawn) = (0, 0);
    while ran < wanted && drawn < 16 * wanted {
        ran += u64::from(run_one(strategy, &Case { theme, seed, number: drawn }, |value| run(value, None)));
        drawn += 1;
        if drawn.is_multiple_of(20_000) {
            eprintln!("oracle: {theme} is at {ran} of {wanted} programs");
        }
    }
    // Whoever runs many reads this.
    println!("oracle: {theme} ran {ran} programs");
    assert!(ran >= wanted, "{theme}: of {drawn} programs only {ran} were of use, {wanted} were wanted");
}

/// Runs one case often: threads may interleave otherwise the next time. Then under seeds, each of which is one order.
fn replay<S: Strategy>(
    strategy: &S,
    case: &Case,
    run: impl Fn(&S::Value, Option<u64>) -> Result<bool, TestCaseError>,
) {
    for _ in 0..AGAIN {
        run_one(strategy, case, |value| run(value, None));
    }
    for seed in 0..AGAIN {
        run_one(strategy, case, |value| run(value, Some(seed)));
    }
    println!("oracle: {} ran {} programs", case.theme, 2 * AGAIN);
    println!(
        "{} number {} of seed {} is right, {AGAIN} times as drawn and under {AGAIN} seeds",
        case.theme, case.number, case.seed
    );
}

#[test]
fn a_case_is_drawn_from_what_is_printed_of_it() {
    let case = Case { theme: "raw", seed: 7, number: 123 };
    let text = case.to_string();
    let named = text.split_once('=').and_then(|(_, rest)| rest.split_once(' ')).map(|(named, _)| named);
    let named = named.expect("it is told how to run it again");
    assert_eq!(Case::parse(named, "raw"), Ok(Some(case)));
    assert_eq!(Case::parse(named, "auto"), Ok(None));
    for bad in ["raw:7", "raw:7:1:2", "row:7:1", "raw:x:1", ""] {
        assert!(Case::parse(bad, "raw").is_err(), "{bad:?}");
    }
    let bytes = proptest::collection::vec(proptest::prelude::any::<u8>(), 32);
    let drawn = |case: &Case| draw(&bytes, case);
    assert_eq!(drawn(&case), drawn(&Case::parse(named, "raw").unwrap().unwrap()));
    assert_ne!(drawn(&case), drawn(&Case { number: 124, ..case }));
    assert_ne!(drawn(&case), drawn(&Case { seed: 8, ..case }));
    assert_ne!(drawn(&case), drawn(&Case { theme: "auto", ..case }));
    assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u64>(), WHOLE);
}
