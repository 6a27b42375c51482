//! The runner of cases: each is alone in its process, and whatever goes wrong with one is told with its name.

use core::time::Duration;
use prewire_os::process::{self, Fork, Signal};
use prewire_test_support::Cases;
use std::process::{Command, ExitCode};

fn a_case_is_the_only_thread_of_its_process() {
    assert_eq!(process::thread_names().unwrap().len(), 1);
}

/// Runs this program for the ignored case `name`, which must fail, and gives what is said of it.
fn failure_of(name: &str) -> String {
    let me = std::env::current_exe().unwrap();
    let run = Command::new(me).args(["--ignored", "--exact", name]).env("LIMIT", "1000").output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(!run.status.success() && said.contains("1 failed"), "{said}");
    said
}

fn whatever_goes_wrong_is_told_with_the_name_of_the_case() {
    for (case, what) in [
        ("hangs", "hangs hangs: it has not ended after 1s"),
        ("panics", "panics panicked"),
        ("panics", "what it says"),
        ("exits", "exits exited with code 3"),
        ("crashes", "crashes was killed by SIGSEGV (11)"),
        ("leaves_a_process_behind", "leaves_a_process_behind left processes behind"),
    ] {
        let said = failure_of(case);
        assert!(said.contains(what), "{case} is to be told as {what:?}:\n{said}");
    }
}

fn cases_are_listed_and_filtered_as_tests_are() {
    let me = std::env::current_exe().unwrap();
    let said = |arguments: &[&str]| {
        let run = Command::new(&me).args(arguments).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    let list = said(&["--list", "--format", "terse"]);
    assert!(list.lines().any(|line| line == "cases_are_listed_and_filtered_as_tests_are: test"), "{list}");
    let one = said(&["only_thread"]);
    assert!(one.contains("1 passed; 0 failed; 0 ignored"), "{one}");
    let none = said(&["no such case"]);
    assert!(none.contains("0 passed"), "{none}");
}

fn hangs() {
    loop {
        std::thread::park();
    }
}

fn panics() {
    panic!("what it says");
}

fn exits() {
    std::process::exit(3);
}

fn crashes() {
    process::kill_self(Signal::SEGV).unwrap();
}

fn leaves_a_process_behind() {
    if process::fork().unwrap() == Fork::Child {
        hangs();
    }
}

fn main() -> ExitCode {
    let mut cases = Cases::new()
        .case("a_case_is_the_only_thread_of_its_process", a_case_is_the_only_thread_of_its_process)
        .case(
            "whatever_goes_wrong_is_told_with_the_name_of_the_case",
            whatever_goes_wrong_is_told_with_the_name_of_the_case,
        )
        .case("cases_are_listed_and_filtered_as_tests_are", cases_are_listed_and_filtered_as_tests_are)
        .ignored("hangs", hangs)
        .ignored("panics", panics)
        .ignored("exits", exits)
        .ignored("crashes", crashes)
        .ignored("leaves_a_process_behind", leaves_a_process_behind);
    if let Some(limit) = std::env::var("LIMIT").ok().and_then(|text| text.parse().ok()) {
        cases = cases.limit(Duration::from_millis(limit));
    }
    cases.run()
}
