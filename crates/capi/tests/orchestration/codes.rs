//! Each way to fail has its code; the chip and the program go on after it.

use std::process::Command;
use std::time::Duration;

use prewire_chip::{Chip, RingSizes};

use crate::Case;
use crate::rig::{chip, dog, fails, play, program, words};

/// Not for a crate that was built without a C++ compiler: there, what is thrown ends the process.
pub(crate) const THROWN: &str = "an_exception_fails_the_run_with_its_text";

/// The same.
pub(crate) const STALE: &str = "a_stale_tensor_is_told_though_the_orchestration_throws";

/// For a process of its own, whose log is looked at: the recipe that it is to play.
pub(crate) const ALONE: &str = "PREWIRE_TEST_RECIPE";

pub(crate) const CASES: &[Case] = &[
    ("what_runs_out_has_its_code", runs_out),
    ("what_makes_no_sense_is_code_5", senseless),
    ("a_declared_failure_is_the_first_and_the_last", declared),
    (THROWN, thrown),
    (STALE, stale),
    ("what_kernels_defer_wrongly_has_the_code_of_a_scheduler", deferred),
    ("an_element_that_is_waited_for_too_long_is_code_8", waited),
];

/// On chips with these sizes, in both forms: the code of recipe `number`, and that the chip and the program go on.
#[track_caller]
fn code(number: u64, words_passed: usize, sizes: RingSizes) -> (i32, String) {
    let mut seen = None;
    for dump in [true, false] {
        let chip = chip(sizes);
        let bound = program(dump).bind(&chip).unwrap();
        let mut memory = vec![0; words_passed];
        let failed = fails(&chip, &bound, number, &[words(&mut memory)]);
        let mut x = vec![0; 2];
        play(&chip, &bound, 8, &[words(&mut x)]).unwrap();
        assert_eq!(*seen.get_or_insert(failed.clone()), failed, "the forms differ in recipe {number}");
    }
    seen.unwrap()
}

fn sizes(change: impl FnOnce(&mut RingSizes)) -> RingSizes {
    let mut sizes = RingSizes::default();
    change(&mut sizes);
    sizes
}

fn runs_out() {
    let _dog = dog();
    let window = sizes(|sizes| sizes.window = [4; 4]);
    assert_eq!(code(20, 1, window).0, -1);
    assert_eq!(code(21, 1, sizes(|sizes| sizes.heap = [1024; 4])).0, -2);
    assert_eq!(code(22, 1, window).0, -3);
    assert_eq!(code(23, 1, sizes(|sizes| sizes.deps = [4; 4])).0, -4);
    let (number, text) = code(25, 1, RingSizes::default());
    assert_eq!(number, -7);
    assert!(text.contains("1000 blocks"), "{text}");
    assert_eq!(code(28, 100, sizes(|sizes| sizes.tensor_map = 64)).0, -11);
}

fn senseless() {
    let _dog = dog();
    for (number, says) in [
        (24, "producers are named, but there are none"),
        (29, "manual scope"),
        (30, "kernel 99"),
        (31, "no tensor can be"),
        (32, "-1 tensors"),
        (33, "33 tensors"),
        (34, "17 scalars"),
        (35, "an allocation"),
        (36, "argument 0"),
        (37, "no scope is open"),
        (38, "beyond its dimension"),
    ] {
        let (code, text) = code(number, 16, RingSizes::default());
        assert_eq!(code, -5, "recipe {number}: {text}");
        assert!(text.contains(says), "recipe {number}: {says:?} is not in {text:?}");
    }
}

fn declared() {
    let _dog = dog();
    let (number, text) = code(26, 1, RingSizes::default());
    assert_eq!(number, -9);
    // Without the shim in C the format is the message.
    let formatted =
        if cfg!(prewire_shim_c) { "declared with 42 and \"a text\"" } else { "declared with %d and" };
    assert!(text.contains(formatted), "{text}");
    for recipe in [39, 45] {
        let (number, text) = code(recipe, 1, RingSizes::default());
        assert_eq!(number, -77);
        assert!(text.contains("77"), "{text}");
    }
}

fn thrown() {
    let _dog = dog();
    let (number, text) = code(40, 1, RingSizes::default());
    assert_eq!(number, -9);
    assert!(text.contains("assertion failed: entry.tensor_count == 1000"), "{text}");
    let (number, text) = code(41, 1, RingSizes::default());
    assert_eq!(number, -9);
    assert!(text.contains("no std::exception"), "{text}");
}

fn stale() {
    let _dog = dog();
    let output = Command::new(std::env::current_exe().unwrap()).env(ALONE, "44").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("whose scope is closed: its memory may be another task's"), "{log}");
    assert!(log.contains("fails with -9"), "{log}");
}

/// What such a process does.
pub(crate) fn alone(recipe: u64) {
    let _dog = dog();
    let chip = chip(sizes(|sizes| sizes.window = [4; 4]));
    let bound = program(true).bind(&chip).unwrap();
    let mut memory = vec![0; 1];
    let (code, _) = fails(&chip, &bound, recipe, &[words(&mut memory)]);
    eprintln!("recipe {recipe} fails with {code}");
}

fn deferred() {
    let _dog = dog();
    for (recipe, wanted) in [(42, -101), (43, -102)] {
        for dump in [true, false] {
            let chip: Chip = chip(RingSizes::default());
            let bound = program(dump).bind(&chip).unwrap();
            let (mut x, mut counter, mut seen) = (vec![0; 1], vec![0; 1], vec![0; 1]);
            let tensors = [words(&mut x), words(&mut counter), words(&mut seen)];
            assert_eq!(fails(&chip, &bound, recipe, &tensors).0, wanted);
        }
    }
}

fn waited() {
    let _dog = dog();
    let chip: Chip = chip(RingSizes::default());
    let bound = program(true).bind(&chip).unwrap().element_patience(Duration::from_millis(30));
    let mut flag = vec![0];
    let (code, text) = fails(&chip, &bound, 27, &[words(&mut flag)]);
    assert_eq!((code, flag[0]), (-8, 1));
    assert!(text.contains("30ms"), "{text}");
}
