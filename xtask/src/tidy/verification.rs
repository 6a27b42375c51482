//! `docs/verification.md` names tests that exist, and has a section for every invariant of `ARCHITECTURE.md`.
//!
//! A test is named `<crate>::<module>::<test>`: a folder under `crates/` or `xtask`, then the folders and the file that
//! it stands in, as many of them as one wants to name, then its function.

use super::{Problem, TextFile, assert_none, files_with, markdown};
use crate::workspace;

const PAGE: &str = "docs/verification.md";
const MAP: &str = "ARCHITECTURE.md";
const MARK: &str = "**Architecture Invariant:**";

/// A test function, with the parts of its name: crate, folders, file.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    place: Vec<String>,
    name: String,
}

/// The tests of a source file.
fn tests(file: &TextFile) -> Vec<Test> {
    let inside = file.path.strip_prefix("crates/").unwrap_or(&file.path);
    let kept = |part: &&str| !matches!(*part, "src" | "tests" | "lib" | "mod" | "main");
    let place: Vec<String> =
        inside.trim_end_matches(".rs").split('/').filter(kept).map(str::to_owned).collect();
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let marks = (0..lines.len()).filter(|&i| lines[i] == "#[test]");
    let functions = marks.filter_map(|i| {
        let name = lines[i..].iter().find_map(|line| line.strip_prefix("fn "))?;
        let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
        Some(Test { place: place.clone(), name })
    });
    functions.chain(cases(&lines, &place)).collect()
}

/// The cases that a test target without the usual harness names, by module and function: see `test-support`. Parts of
/// cases are none.
fn cases(lines: &[&str], place: &[String]) -> Vec<Test> {
    let Some(start) = lines.iter().position(|line| line.ends_with("cases! {")) else { return Vec::new() };
    let listed = lines[start + 1..].iter().take_while(|line| !matches!(**line, "}" | "parts:"));
    let listed = listed.filter(|line| !line.starts_with("first:"));
    let names = listed.flat_map(|line| line.split([',', ';'])).map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|path| {
            let mut parts: Vec<String> = path.split("::").map(str::to_owned).collect();
            let name = parts.pop().unwrap_or_default();
            Test { place: [place, &parts].concat(), name }
        })
        .collect()
}

/// Whether `span` has the form of a test's name: a path of words in lower case, the last of several words.
fn names_a_test(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:-".contains(c);
    span.contains("::")
        && span.chars().all(plain)
        && span.rsplit("::").next().is_some_and(|n| n.contains('_'))
}

/// Whether `span` is a name of the test: its crate first, its function last, and what is between among its folders, in
/// their order.
fn is_named(test: &Test, span: &str) -> bool {
    let parts: Vec<&str> = span.split("::").collect();
    let [first, between @ .., last] = &parts[..] else { return false };
    // `tests` is a file next to its module, or the module at the end of a file: it may be named and need not.
    let mut rest = test.place.iter().skip(1).filter(|part| *part != "tests");
    let mut between = between.iter().filter(|part| **part != "tests");
    test.name == *last
        && test.place.first().is_some_and(|c| c == first)
        && between.all(|part| rest.any(|folder| folder == part))
}

/// The names in the page that no test has.
fn unknown(page: &TextFile, all: &[Test]) -> Vec<Problem> {
    let (_, prose) = markdown::parts(&page.text);
    let mut problems = Vec::new();
    for (line, text) in prose {
        for span in markdown::spans(text).filter(|span| names_a_test(span)) {
            if !all.iter().any(|test| is_named(test, span)) {
                let what =
                    format!("no test is `{span}`; name the one that holds this, or take the claim back");
                problems.push(Problem::new(&page.path, line, what));
            }
        }
    }
    problems
}

/// The title of a heading, code marks taken off; `None` for other lines.
fn title(line: &str) -> Option<String> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim().replace('`', ""))
}

/// The headings under which the map has an invariant.
fn invariants(map: &str) -> Vec<(usize, String)> {
    let (_, prose) = markdown::parts(map);
    let mut found = Vec::new();
    let mut heading = String::new();
    for (line, text) in prose {
        if let Some(title) = title(text) {
            heading = title;
        } else if text.contains(MARK) {
            found.push((line, heading.clone()));
        }
    }
    found
}

/// The invariants without a section in the page that has the same heading and names a test.
fn missing(map: &TextFile, page: &TextFile) -> Vec<Problem> {
    let (_, prose) = markdown::parts(&page.text);
    let mut sections: Vec<(String, bool)> = Vec::new();
    for (_, text) in prose {
        if let Some(title) = title(text) {
            sections.push((title, false));
        } else if let Some((_, shown)) = sections.last_mut() {
            *shown |= markdown::spans(text).any(names_a_test);
        }
    }
    let mut problems = Vec::new();
    for (line, heading) in invariants(&map.text) {
        let what = match sections.iter().find(|(title, _)| *title == heading) {
            Some((_, true)) => continue,
            Some(_) => format!("the section \"{heading}\" of {PAGE} names no test that holds this invariant"),
            None => format!("{PAGE} has no section \"{heading}\": say there what holds this invariant"),
        };
        problems.push(Problem::new(&map.path, line, what));
    }
    problems
}

fn read(path: &str) -> TextFile {
    let text = std::fs::read_to_string(workspace::root().join(path)).expect("the page can be read");
    TextFile { path: path.to_owned(), text }
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let mut files = files_with("rs");
    files.retain(|f| f.path.starts_with("crates/") || f.path.starts_with("xtask/"));
    let all: Vec<Test> = files.iter().flat_map(tests).collect();
    let page = read(PAGE);
    let named = page.text.lines().flat_map(markdown::spans).filter(|span| names_a_test(span)).count();
    assert!(all.len() > 100 && named > 50, "{} tests, {named} names", all.len());
    assert_none(&unknown(&page, &all));
}

#[test]
fn every_invariant_has_a_section_that_names_what_holds_it() {
    let map = read(MAP);
    assert!(invariants(&map.text).len() > 10, "{MAP} has lost its invariants");
    assert_none(&missing(&map, &read(PAGE)));
}

#[test]
fn names_without_a_test_and_invariants_without_a_section_are_found() {
    let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
    let mut all =
        tests(&file("crates/ring/tests/loom/lock.rs", "#[test]\nfn a_note_is_read() {}\nfn b_c() {}\n"));
    all.extend(tests(&file("crates/abi/src/tensor/tests.rs", "    #[test]\n    fn it_fits() {\n")));
    all.extend(tests(&file("crates/os/tests/loom.rs", "#[test]\n#[ignore]\nfn it_wakes<T>() {}\n")));
    all.extend(tests(&file(
        "crates/os/tests/apart/main.rs",
        "fn c_d() {}\nprewire_test_support::cases! {\n    first: begin();\n    end::it_dies, it_lives;\n    parts:\n    c_d,\n}\n",
    )));
    let page = "# Page\n`ring::lock::a_note_is_read` `abi::tensor::tests::it_fits` `os::it_wakes` `Rings::a_b`\n\
                `ring::queue::a_note_is_read`\n`ring::lock::b_c`\n`os::lock::a_note_is_read`\n`core::mem`\n\
                `ring::loom::lock::a_note_is_read`\n`ring::lock::loom::a_note_is_read`\n\
                `os::apart::end::it_dies` `os::it_lives` `os::end::it_dies`\n`os::apart::c_d`\n`os::start::it_dies`\n";
    let lines: Vec<usize> = unknown(&file("p.md", page), &all).iter().map(|p| p.line).collect();
    assert_eq!(lines, [3, 4, 5, 8, 10, 11]);

    let map = "# Map\n**Architecture Invariant:** one\n## `crates/a`, `crates/b`\n\n**Architecture Invariant:** two\n\
               ### Gone\n**Architecture Invariant:** three\n";
    let page = "## Map\n`a::b::c_d`\n## `crates/a`, `crates/b`\nwords\n";
    let lines: Vec<usize> = missing(&file("m.md", map), &file("p.md", page)).iter().map(|p| p.line).collect();
    assert_eq!(lines, [5, 7]);
}
