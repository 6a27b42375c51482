//! Random programs against a sequential oracle: whatever the chip, the rings and the interleaving, a program gives the
//! memory of running its tasks one by one.
//!
//! `PREWIRE_ORACLE_CASES` says how many programs all tests run together, `PREWIRE_ORACLE_SEED` which ones: each program
//! is drawn from the seed, its theme and its number, and from nothing else. A program that goes wrong is made smaller
//! and printed as a module with a test, to be put beside `printed.rs`, and with the `PREWIRE_ORACLE_CASE` that draws it
//! again, alone; one that hangs is printed as it is. `cargo xtask oracle` runs many.

use std::sync::{Arc, Once};
use std::time::Duration;

use prewire_chip::{Hazards, RingSizes};
use proptest::test_runner::TestCaseError;

mod oracle {
    pub(crate) mod arithmetic;
    pub(crate) mod cases;
    pub(crate) mod census;
    pub(crate) mod cut;
    pub(crate) mod dog;
    pub(crate) mod drive;
    mod found;
    pub(crate) mod kernels;
    pub(crate) mod ledger;
    pub(crate) mod lower;
    pub(crate) mod print;
    // As it is printed: the test of the printer compares it.
    #[rustfmt::skip]
    mod printed;
    pub(crate) mod program;
    pub(crate) mod races;
    pub(crate) mod raw;
    pub(crate) mod sample;
    pub(crate) mod world;
}

use oracle::cases::{self, Case};
use oracle::census::Census;
use oracle::dog::Dog;
use oracle::drive::{self, Setting};
use oracle::lower::{Lowered, Theme, lower};
use oracle::print::print;
use oracle::races;
use oracle::raw::{RawCase, case};
use oracle::sample::sample;

/// The program that was drawn, and the chip that goes with it.
fn prepare(raw: &RawCase, theme: Theme) -> (Lowered, Setting) {
    let clusters = u16::from(raw.clusters % 4) + 1;
    let window = [4, 4, 8, 32][usize::from(raw.window) % 4];
    let lowered = lower(raw, theme, clusters.into(), window);
    let rounds = 1 + usize::from(raw.rounds.is_multiple_of(4));
    let smallest = lowered.ledger.smallest();
    let sizes = match raw.rings % 8 {
        0 => RingSizes {
            window: smallest.window.map(|n| 2 * n),
            heap: smallest.heap.map(|n| 2 * n),
            deps: smallest.deps.map(|n| 2 * n),
            tensor_map: 2 * smallest.tensor_map,
            args: smallest.args,
        },
        1 => RingSizes { tensor_map: 4096, ..RingSizes::default().with_window(1024).with_heap(1 << 20) },
        _ => smallest,
    };
    let setting = Setting {
        a5: raw.threads >= 192,
        clusters,
        domains: (u16::from(raw.domains % 3) + 1).min(clusters),
        threads: u16::from(raw.threads % 3) + 1,
        seed: (raw.seed % 2 == 1).then_some(raw.seed.into()),
        sizes,
        rounds,
    };
    (lowered, setting)
}

/// Kernels that panic on purpose do not fill the output.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let meant = panic.payload_as_str().is_some_and(|message| message.starts_with("oracle: "));
            if !meant {
                report(panic);
            }
        }));
    });
}

/// Calls of a program at most.
const CALLS: usize = 36;

/// The programs of a theme.
fn case_of(theme: Theme) -> impl proptest::strategy::Strategy<Value = RawCase> {
    case(CALLS, if theme.churn { 4 } else { 2 })
}

/// Runs the share of a theme of the programs that are asked for, by `run`: false if a program is of no use.
fn check_by(
    theme: Theme,
    name: &'static str,
    run: impl Fn(&RawCase, Lowered, Setting, &Dog) -> Result<bool, TestCaseError>,
) {
    hush();
    let dog = Dog::new(Duration::from_secs(60));
    cases::run(name, &case_of(theme), |raw, replayed| {
        let (lowered, setting) = prepare(raw, theme);
        let Some(seed) = replayed else { return run(raw, lowered, setting, &dog) };
        run(raw, lowered, Setting { seed: Some(seed), ..setting }, &dog)
    });
}

/// Watches `run`, and prints the program if it fails or hangs.
fn watched(
    dog: &Dog,
    (lowered, setting): (Lowered, Setting),
    run: impl FnOnce(&Lowered, &Setting) -> Result<(), String>,
) -> Result<bool, TestCaseError> {
    let program = Arc::new((lowered, setting));
    let (printed, case) = (Arc::clone(&program), cases::current());
    let told = move || format!("{case}\n{}", print(&printed.0, &printed.1));
    dog.watch(told, || run(&program.0, &program.1)).map_err(|difference| {
        TestCaseError::fail(format!("{difference}\n{}", print(&program.0, &program.1)))
    })?;
    Ok(true)
}

/// Compares programs of a theme with the oracle.
fn check(theme: Theme, name: &'static str) {
    check_by(theme, name, |_, lowered, setting, dog| watched(dog, (lowered, setting), drive::run));
}

const AUTO: Theme = Theme { faults: false, manual: false, churn: false, hazards: Hazards::All };

#[test]
fn programs_give_the_memory_of_running_them_one_by_one() {
    check(AUTO, "auto");
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_nothing_else() {
    check(Theme { faults: true, ..AUTO }, "faults");
}

#[test]
fn memory_is_reused_when_its_last_user_has_ended_and_not_before() {
    check(Theme { churn: true, ..AUTO }, "churn");
    check(Theme { churn: true, faults: true, ..AUTO }, "churn-faults");
}

#[test]
fn a_ring_that_is_too_small_for_good_is_refused_where_it_is_full() {
    check_by(Theme { churn: true, ..AUTO }, "short", |raw, lowered, setting, dog| {
        let Some((sizes, ring, number)) = lowered.ledger.too_small(raw.rings) else { return Ok(false) };
        let setting = Setting { sizes, ..setting };
        watched(dog, (lowered, setting), |lowered, setting| {
            drive::run_short(lowered, setting, (ring, number))
        })
    });
}

/// Runs a program on roomy rings, and again on rings that fit what it took: the same memory, and no deadlock.
fn fits(lowered: &Lowered, setting: &Setting) -> Result<(), String> {
    let roomy = RingSizes { tensor_map: 4096, ..RingSizes::default().with_window(1024).with_heap(1 << 20) };
    let usage = drive::measure(lowered, &Setting { sizes: roomy, rounds: 1, ..*setting })?;
    let smallest = lowered.ledger.smallest();
    let tightest = RingSizes::tightest(&usage);
    for ring in 0..4 {
        // What is needed is known exactly for slots, and for bytes but for what is skipped at the end of a heap.
        let heaps = (tightest.heap[ring], smallest.heap[ring]);
        if tightest.window[ring] != smallest.window[ring] || heaps.0 < heaps.1 || heaps.0 > 2 * heaps.1 {
            return Err(format!("ring {ring}: {tightest:?} differs from {smallest:?}\n{usage}"));
        }
    }
    let fit = RingSizes::fit(&usage);
    let shrunk = fit.heap.iter().zip(roomy.heap).all(|(fit, roomy)| *fit < roomy);
    if !shrunk {
        return Err(format!("{fit:?} is no smaller than what the run had\n{usage}"));
    }
    for sizes in [fit, tightest] {
        // Another seed, another number of threads: other tasks are fast and slow.
        let seed = setting.seed.map(|seed| seed + 1);
        drive::run(lowered, &Setting { sizes, seed, rounds: 2, ..*setting })
            .map_err(|difference| format!("with {sizes:?}: {difference}\n{usage}"))?;
    }
    Ok(())
}

#[test]
fn sizes_that_fit_a_run_give_the_same_memory_again() {
    for (theme, name) in [
        (AUTO, "fit"),
        (Theme { churn: true, ..AUTO }, "fit-churn"),
        (Theme { manual: true, ..AUTO }, "fit-manual"),
        (Theme { manual: true, churn: true, hazards: Hazards::RawWaw, ..AUTO }, "fit-raw-waw"),
    ] {
        check_by(theme, name, |_, lowered, setting, dog| watched(dog, (lowered, setting), fits));
    }
}

#[test]
fn explicit_edges_order_what_manual_scopes_and_no_dep_leave_open() {
    check(Theme { faults: true, manual: true, ..AUTO }, "manual");
}

#[test]
fn without_inferred_reads_explicit_edges_keep_writers_behind_readers() {
    check(Theme { faults: true, hazards: Hazards::RawWaw, ..AUTO }, "raw-waw");
    check(Theme { faults: true, manual: true, hazards: Hazards::RawWaw, ..AUTO }, "raw-waw-manual");
}

#[test]
fn with_inferred_reads_after_writes_alone_explicit_edges_do_the_rest() {
    check(Theme { faults: true, manual: true, hazards: Hazards::Raw, ..AUTO }, "raw");
}

#[test]
fn a_seeded_program_does_the_same_in_every_run_of_every_chip() {
    hush();
    let themes = [
        Theme { faults: true, manual: true, ..AUTO },
        Theme { churn: true, faults: true, ..AUTO },
        Theme { faults: true, manual: true, hazards: Hazards::Raw, ..AUTO },
    ];
    for (theme, number) in themes.into_iter().flat_map(|theme| (0..30).map(move |number| (theme, number))) {
        let case = Case { theme: "trace", seed: 1, number };
        let (lowered, setting) = prepare(&cases::draw(&case_of(theme), &case), theme);
        let setting = Setting { seed: Some(number), ..setting };
        let traces = |rounds| drive::traces(&lowered, &setting, rounds).unwrap_or_else(|why| panic!("{why}"));
        let (mut all, more) = (traces(2), traces(1));
        all.extend(more);
        for other in &all[1..] {
            let lines = all[0].lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
            assert!(*other == all[0], "{theme:?}, program {number}: {lines:?}");
        }
    }
}

#[test]
fn programs_that_are_right_have_no_races() {
    let themes = [
        (AUTO, "races"),
        (Theme { churn: true, faults: true, ..AUTO }, "races-churn"),
        (Theme { manual: true, faults: true, ..AUTO }, "races-manual"),
        (Theme { manual: true, hazards: Hazards::RawWaw, ..AUTO }, "races-raw-waw"),
        (Theme { manual: true, hazards: Hazards::Raw, ..AUTO }, "races-raw"),
    ];
    for (theme, name) in themes {
        check_by(theme, name, |raw, lowered, setting, dog| {
            let setting = Setting { seed: Some(raw.seed.into()), ..setting };
            watched(dog, (lowered, setting), races::run_checked)
        });
    }
}

#[test]
fn an_edge_that_is_left_out_is_named() {
    let themes =
        [(Hazards::All, "frayed"), (Hazards::RawWaw, "frayed-raw-waw"), (Hazards::Raw, "frayed-raw")];
    for (hazards, name) in themes {
        check_by(Theme { manual: true, hazards, ..AUTO }, name, |raw, lowered, setting, dog| {
            // Of use is a program with an edge that nothing replaces.
            let Some(frayed) = races::fray(&lowered, usize::from(raw.seed)) else { return Ok(false) };
            let setting = Setting { seed: Some(raw.seed.into()), rounds: 1, ..setting };
            watched(dog, (lowered, setting), |_, setting| frayed.run(setting))
        });
    }
}

#[test]
fn programs_have_in_them_what_is_to_be_tested() {
    let theme = Theme { faults: true, manual: true, ..AUTO };
    let mut census = Census::default();
    for number in 0..400 {
        let raw = cases::draw(&case(CALLS, 2), &Case { theme: "census", seed: 1, number });
        let (lowered, setting) = prepare(&raw, theme);
        census.add(&lowered, &setting);
    }
    let wanted = [
        "allocation",
        "manual scope",
        "host read",
        "host read of a failure",
        "host write",
        "host write to a failure",
        "scopes beyond the rings",
        "a full window of four",
        "seeded",
        "one domain",
        "three domains",
        "smallest rings",
        "smallest dep pool",
        "overlap in part",
        "two rounds",
        "half-written by a failure",
        "dummy",
        "mix",
        "blocks",
        "cohort",
        "exchange over a barrier",
        "skipped",
        "failed",
        "panicked",
        "predicate that holds",
        "predicate that does not hold",
        "edge that only waits",
        "edge that only retains",
        "output",
        "input",
        "inout",
        "output into",
        "no_dep",
        "strided",
        "three dimensions",
        "empty",
        "transposed",
    ];
    assert_eq!(census.rare(&wanted, 8), [], "too few of 400 programs have these: {census:?}");
}

#[test]
fn a_printed_program_is_the_program() {
    let (lowered, setting) = prepare(&sample(), Theme { faults: true, manual: true, ..AUTO });
    drive::run(&lowered, &setting).expect("the sample gives what the oracle says");
    let printed = print(&lowered, &setting);
    let kept = include_str!("oracle/printed.rs");
    assert!(
        printed == kept,
        "the sample is printed as follows now; keep it as oracle/printed.rs:\n{printed}"
    );
}
