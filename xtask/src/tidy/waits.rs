//! Nobody sleeps: a thread that waits parks until it is woken, and a test that waits waits for what it wants.

use super::{Problem, TextFile, assert_none, files_with, source, words};

/// Calls that wait for time to pass.
const CALLS: &[&str] = &["sleep", "sleep_ms", "sleep_until", "usleep", "nanosleep", "clock_nanosleep"];

fn check(file: &TextFile) -> Vec<Problem> {
    let code = source::split(&file.text).code;
    let mut problems = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for (at, word) in words(line) {
            let rest = line[at + word.len()..].trim_start();
            let before = line[..at].trim_end();
            let named = before.ends_with("thread::");
            // A method of that name is the crate's own; it parks.
            if before.ends_with('.') || before.ends_with("fn") {
                continue;
            }
            if CALLS.contains(&word) && (rest.starts_with('(') || named) {
                let what = format!(
                    "`{word}` waits for time, not for an event; wait on `prewire_os::Event`, or on a join"
                );
                problems.push(Problem::new(&file.path, index + 1, what));
            }
        }
    }
    problems
}

#[test]
fn nobody_sleeps() {
    let problems: Vec<Problem> = files_with("rs").iter().flat_map(check).collect();
    assert_none(&problems);
}

#[test]
fn calls_and_imports_that_sleep_are_found_and_talk_of_them_is_not() {
    let text = "//! Never thread::sleep(1).\nfn f() {\n    std::thread::sleep(d);\n    sleep (d);\n}\n\
                use std::thread::sleep as nap;\nfn sleepers() {}\nfn sleep(&self) { self.sleep() }\nlet s = \"sleep(1)\";\nlet asleep = 1;\n";
    let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
    let lines: Vec<usize> = check(&file).iter().map(|p| p.line).collect();
    assert_eq!(lines, [3, 4, 6]);
}
