//! Every atomic operation that is not `Relaxed` says which pair it is one end of, and every pair has two ends.
//!
//! The form, within six lines above the operation:
//! `// ORDERING: Release, "slot-filled"; pairs with Acquire in Consumer::pop.`

use super::{Problem, TextFile, assert_none, files_with, source, words};
use std::collections::HashMap;

const STRENGTHS: &[&str] = &["Acquire", "Release", "AcqRel", "SeqCst"];
const MARK: &str = "ORDERING:";
/// How many lines above the operation the comment may start.
const REACH: usize = 6;

/// One end of a pair: the comment.
#[derive(Debug, PartialEq, Eq)]
struct End {
    line: usize,
    pairs: Vec<String>,
    strengths: Vec<&'static str>,
    /// The operation is both ends: a read-modify-write that other threads do too.
    both: bool,
}

/// The `ORDERING:` comments of a file.
fn ends(comments: &str) -> Vec<End> {
    let lines: Vec<&str> = comments.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((_, mut text)) = line.split_once(MARK).map(|(a, b)| (a, b.to_owned())) else { continue };
        if line.starts_with("//!") || line.starts_with("///") {
            continue;
        }
        for more in &lines[index + 1..] {
            if !more.starts_with("//") || more.contains(MARK) || more.contains("// MUTANT ") {
                break;
            }
            text.push(' ');
            text.push_str(more.trim_start_matches('/'));
        }
        let is_pair = |name: &&str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let pairs = text.split('"').skip(1).step_by(2).filter(is_pair).map(str::to_owned).collect();
        let said = |s: &&&'static str| words(&text).any(|(_, word)| word == **s);
        let strengths: Vec<&'static str> = STRENGTHS.iter().filter(said).copied().collect();
        let both = text.contains("pairs with itself") && strengths.contains(&"AcqRel");
        found.push(End { line: index + 1, pairs, strengths, both });
    }
    found
}

/// Whether a comment that says `said` covers an operation of that strength.
fn covers(said: &[&str], strength: &str) -> bool {
    said.contains(&strength)
        || (matches!(strength, "Acquire" | "Release")
            && (said.contains(&"AcqRel") || said.contains(&"SeqCst")))
}

/// The operations of a file that are stronger than `Relaxed`: line and strength. Tests at the end of the file are
/// exempt: they are not what the claims are about.
fn operations(code: &str) -> Vec<(usize, &'static str)> {
    let lines: Vec<&str> = code.lines().collect();
    let tests = |i: usize| {
        lines[i].trim().starts_with("#[cfg(") && lines[i].contains("test") && {
            lines.get(i + 1).is_some_and(|next| next.trim_start().starts_with("mod "))
        }
    };
    let end = (0..lines.len()).find(|&i| tests(i)).unwrap_or(lines.len());
    let imports =
        |line: &&str| line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub use ");
    // A file that imports the variants may name them bare.
    let bare = lines[..end].iter().filter(|l| imports(l)).any(|line| line.contains("Ordering::"));
    let mut found = Vec::new();
    for (index, line) in lines[..end].iter().enumerate().filter(|(_, line)| !imports(line)) {
        for (at, word) in words(line) {
            let Some(strength) = STRENGTHS.iter().find(|s| **s == word) else { continue };
            if bare || line[..at].ends_with("Ordering::") {
                found.push((index + 1, *strength));
            }
        }
    }
    found
}

fn check(files: &[TextFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut pairs: HashMap<String, Vec<(String, usize)>> = HashMap::new();
    for file in files {
        let split = source::split(&file.text);
        let ends = ends(&split.comments);
        for end in &ends {
            if end.pairs.is_empty() {
                let what =
                    "the comment names no pair; write the name of the pair in quotes, as \"slot-filled\"";
                problems.push(Problem::new(&file.path, end.line, what));
            }
            for pair in &end.pairs {
                let ends = pairs.entry(pair.clone()).or_default();
                ends.extend(vec![(file.path.clone(), end.line); if end.both { 2 } else { 1 }]);
            }
        }
        for (line, strength) in operations(&split.code) {
            let above: Vec<&End> = ends.iter().filter(|e| e.line <= line && e.line + REACH >= line).collect();
            let what = if above.is_empty() {
                format!(
                    "{strength} without a reason; write `// {MARK} {strength}, \"<pair>\"; pairs with <where>.` above it"
                )
            } else if !above.iter().any(|end| covers(&end.strengths, strength)) {
                format!("the comment above does not say {strength}; make the comment and the operation agree")
            } else {
                continue;
            };
            problems.push(Problem::new(&file.path, line, what));
        }
    }
    for (pair, places) in pairs {
        if let [(file, line)] = &places[..] {
            let what = format!("the pair \"{pair}\" has one end; name it at the other end too");
            problems.push(Problem::new(file, *line, what));
        }
    }
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    problems
}

#[test]
fn every_ordering_has_a_reason_and_every_pair_two_ends() {
    let mut files = files_with("rs");
    files.retain(|f| {
        // Orderings are data to `mutant`: it has no operation.
        let operates = !f.path.ends_with("/tests.rs") && f.path != "crates/sync/src/mutant.rs";
        f.path.starts_with("crates/") && f.path.contains("/src/") && operates
    });
    let operations: usize = files.iter().map(|f| operations(&source::split(&f.text).code).len()).sum();
    assert!(operations > 0, "no atomic operation found in {} files", files.len());
    assert_none(&check(&files));
}

#[test]
fn missing_unnamed_wrong_and_lonely_orderings_are_found() {
    let text = "\
// ORDERING: Release, \"filled\"; pairs with
// Acquire in pop.
a.store(1, Ordering::Release);
b.store(1, Ordering::Relaxed);
// Ordering::SeqCst in a comment
let s = \"Ordering::SeqCst\";




c.load(Ordering::Acquire);
// ORDERING: Acquire, \"filled\"; pairs with Release in push.
d.swap(1, Ordering::AcqRel);
// ORDERING: Acquire; somewhere.
e.load(Ordering::Acquire);
// ORDERING: AcqRel, \"alone\"; pairs with nobody.
f.compare_exchange(1, 2, Ordering::AcqRel, Ordering::Acquire);
// ORDERING: AcqRel, \"count\"; pairs with itself.
h.fetch_add(1, Ordering::AcqRel);
#[cfg(test)]
mod tests { fn t() { g.load(Ordering::SeqCst); } }
";
    let file = TextFile { path: "a.rs".to_owned(), text: text.to_owned() };
    let lines: Vec<usize> = check(&[file]).iter().map(|p| p.line).collect();
    assert_eq!(lines, [11, 13, 14, 16]);
}

#[test]
fn variants_that_a_file_imports_count_when_bare() {
    let bare = "use core::sync::atomic::Ordering::{Acquire, Relaxed};\nfn f() { a.load(Acquire); }\n";
    assert_eq!(operations(bare), [(2, "Acquire")]);
    let other = "enum Held { Release }\nfn f() { g(Held::Release); }\n";
    assert_eq!(operations(other), []);
}
