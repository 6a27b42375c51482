//! The files of the workspace stand on their own: no path of the machine they were written on, no reference to a
//! tracker, no pointer to a document that is not here, no host that is not known.

use super::{Problem, TextFile, assert_none, is_word, source, text_files};

/// Folders of a machine, not of the workspace.
const MACHINE: &[&str] = &["/work/", "/root/", "/home/", "/Users/", "/tmp/", "/mnt/"];
/// Talk of how the work was done instead of what it is.
const TALK: &[&str] =
    &["this session", "the session", "my task", "the brief", "the lead ", "as instructed", "subagent"];
/// Hosts that links may lead to.
const HOSTS: &[&str] =
    &["keepachangelog.com", "semver.org", "www.apache.org", "ui.perfetto.dev", "doc.rust-lang.org"];
/// Files whose content is not ours to word: the lock names its registry, the licences are quoted.
const EXEMPT: &[&str] = &["Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "xtask/src/tidy/words.rs"];

/// The places where `needle` starts in `line` and no path or word runs into it.
fn starts<'a>(line: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let found = line.match_indices(needle).map(|(at, _)| at);
    found.filter(move |&at| {
        !line[..at].ends_with(|c| is_word(c) || matches!(c, '.' | '/' | '-' | '}' | ':' | '~'))
    })
}

/// The first tracker reference: `#` and up to five digits.
fn issue(line: &str) -> Option<&str> {
    starts(line, "#").find_map(|at| {
        let tail = &line[at + 1..];
        let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let ends = !tail[digits..].starts_with(is_word);
        ((1..=5).contains(&digits) && ends).then(|| &line[at..at + 1 + digits])
    })
}

/// The first host of a URL that is not known.
fn host(line: &str) -> Option<&str> {
    line.match_indices("://").find_map(|(at, _)| {
        let tail = &line[at + 3..];
        let host =
            &tail[..tail.find(|c: char| !(is_word(c) || matches!(c, '.' | '-'))).unwrap_or(tail.len())];
        let web = line[..at].ends_with("http") || line[..at].ends_with("https");
        (web && !host.is_empty() && !HOSTS.contains(&host)).then_some(host)
    })
}

/// The first document that is named and not here.
fn document<'a>(line: &'a str, here: &[&str]) -> Option<&'a str> {
    line.match_indices(".md").find_map(|(at, _)| {
        if line[at + 3..].starts_with(is_word) {
            return None;
        }
        let start = line[..at].rfind(|c: char| !(is_word(c) || matches!(c, '-' | '.'))).map_or(0, |i| i + 1);
        let name = line.get(start..at + 3)?;
        (name != ".md" && !here.contains(&name)).then_some(name)
    })
}

/// A section number behind a word in capitals: the page that it is a section of is not here.
fn section(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || matches!(c, '(' | '`')).collect();
    words.windows(2).find_map(|pair| {
        let caps = pair[0].len() >= 4 && pair[0].chars().all(|c| c.is_ascii_uppercase());
        let number = pair[1].trim_end_matches(|c: char| !c.is_ascii_digit());
        let parts =
            number.split('.').filter(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit())).count();
        (caps && parts >= 2 && parts == number.split('.').count()).then_some(pair[0])
    })
}

fn check(file: &TextFile, here: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut found = |line: usize, what: String| problems.push(Problem::new(&file.path, line, what));
    // In source a name in a string may be the name of a file that a test makes; comments speak of what is here.
    let comments = if file.is("rs") { source::split(&file.text).comments } else { file.text.clone() };
    for (index, (line, comment)) in file.text.lines().zip(comments.lines()).enumerate() {
        let at = index + 1;
        if let Some(path) = MACHINE.iter().find(|path| starts(line, path).next().is_some()) {
            found(
                at,
                format!(
                    "`{path}` is a folder of one machine; use a path from the root, or a temporary folder"
                ),
            );
        }
        let low = line.to_lowercase();
        if let Some(talk) = TALK.iter().find(|talk| starts(&low, talk).next().is_some()) {
            found(at, format!("\"{}\" tells how the work was done; say what it is", talk.trim()));
        }
        if let Some(issue) = issue(line) {
            found(at, format!("`{issue}` points into a tracker; say the fact itself"));
        }
        if let Some(host) = host(line) {
            found(
                at,
                format!(
                    "{host} is not a known host; name the thing, or add the host to `xtask/src/tidy/words.rs`"
                ),
            );
        }
        if let Some(name) = document(comment, here) {
            found(at, format!("{name} is not a file of the workspace; say here what it says"));
        }
        if let Some(page) = section(comment) {
            found(at, format!("a section of {page} is not here to be read; say the fact itself"));
        }
        if low.contains("shared/reference") {
            found(at, "the folder is not part of the workspace; say the fact itself".to_owned());
        }
    }
    problems
}

#[test]
fn the_files_stand_on_their_own() {
    let files = text_files();
    let here: Vec<&str> = files.iter().filter_map(|f| f.path.rsplit('/').next()).collect();
    let own = files.iter().filter(|f| !EXEMPT.contains(&f.path.as_str()));
    let problems: Vec<Problem> = own.flat_map(|file| check(file, &here)).collect();
    assert_none(&problems);
}

#[test]
fn what_leans_on_something_outside_is_found() {
    let here = ["README.md"];
    let found = |text: &str| check(&TextFile { path: "a.rs".to_owned(), text: text.to_owned() }, &here).len();
    for bad in [
        "// see /work/main",
        "let path = \"/tmp/x\";",
        "// fixes #12.",
        "// (#7)",
        "// see https://example.org/x",
        "// see DESIGN.md",
        "// RESIGN 5.4 says so",
        "// The brief asks for it",
    ] {
        assert_eq!(found(bad), 1, "{bad} passed");
    }
    for good in [
        "#[derive(Debug)]",
        "let c = \"#a1b2c3\";",
        "format!(\"{:#018x} {n:#3}\")",
        "// README.md, crates/home/src, ${x}/tmp/y",
        "r#\"1\"#",
        "// see https://semver.org/x",
        "// a dummy task",
        "// SPMD tasks of 1.5 us, AIC 0",
        "a.mdx",
    ] {
        assert_eq!(found(good), 0, "{good} was refused");
    }
}
