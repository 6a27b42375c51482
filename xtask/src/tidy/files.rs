//! Every source file says in its first line what it is, and is short enough to be one concept.

use super::{Problem, TextFile, assert_none, files_with};

/// More lines than this are two concepts.
const LONGEST: usize = 600;

fn check(file: &TextFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let first = file.text.lines().next().unwrap_or("");
    if first.strip_prefix("//! ").is_none_or(|rest| rest.trim().is_empty()) {
        let what = "the first line must be `//! ` and say what the file is";
        problems.push(Problem::new(&file.path, 1, what));
    }
    let lines = file.text.lines().count();
    if lines > LONGEST {
        let what = format!("{lines} lines, at most {LONGEST} allowed; split it by concept");
        problems.push(Problem::new(&file.path, LONGEST + 1, what));
    }
    problems
}

#[test]
fn every_source_file_says_what_it_is_and_is_short() {
    let problems: Vec<Problem> = files_with("rs").iter().flat_map(check).collect();
    assert_none(&problems);
}

#[test]
fn a_file_without_a_first_line_and_one_that_is_too_long_are_found() {
    let file = |text: &str| TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
    for bad in ["", "fn main() {}\n", "// a comment\n", "//!\n//! late\n"] {
        assert_eq!(check(&file(bad)).len(), 1, "{bad:?} passed");
    }
    let long = format!("//! Long.\n{}", "\n".repeat(LONGEST));
    assert_eq!(
        check(&file(&long)),
        [Problem::new("a.rs", 601, "601 lines, at most 600 allowed; split it by concept")]
    );
    let longest = format!("//! Long.\n{}", "\n".repeat(LONGEST - 1));
    assert_eq!(check(&file(&longest)), []);
}
