//! Checks of the workspace's structure, as tests. Each checker takes text and returns what is wrong with it, so that
//! a test can show it a bad sample; then another test shows it the workspace.

mod commands;
mod documents;
mod events;
mod files;
mod layering;
mod manifests;
mod markdown;
mod models;
mod orderings;
mod program;
mod unsafety;
mod verification;
mod waits;
mod words;

use crate::source::{self, is_word};
use crate::workspace;
use core::fmt;
use std::path::Path;

/// Something wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    file: String,
    line: usize,
    what: String,
}

impl Problem {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Fails the test with every problem on a line of its own.
#[track_caller]
fn assert_none(problems: &[Problem]) {
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} to mend:\n{}", list.len(), list.join("\n"));
}

/// A text file of the workspace.
struct TextFile {
    /// Its path from the root, with `/` between the parts.
    path: String,
    text: String,
}

impl TextFile {
    /// Whether the path ends in `.extension`.
    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }
}

/// Every text file of the workspace, in the order of their paths: all but git's own and what cargo builds.
fn text_files() -> Vec<TextFile> {
    let root = workspace::root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("an entry of the workspace can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() {
                continue;
            }
            // In a second working tree of a repository it is a file.
            if name == ".git" {
                continue;
            }
            if path.is_dir() {
                let built = folder == root && (name == "target" || name.starts_with("target-"));
                if !built {
                    folders.push(path);
                }
                continue;
            }
            // An editor's temporary file may be gone by now; what is not text has no lines to check.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let inside = path.strip_prefix(&root).expect("the walk stays inside the root");
            let parts: Vec<_> = inside.components().map(|c| c.as_os_str().to_string_lossy()).collect();
            files.push(TextFile { path: parts.join("/"), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 20, "only {} text files found under {}", files.len(), root.display());
    files
}

/// The files with that extension.
fn files_with(extension: &str) -> Vec<TextFile> {
    let mut files = text_files();
    files.retain(|file| file.is(extension));
    assert!(!files.is_empty(), "no .{extension} file in the workspace");
    files
}

/// The words of `line`: runs of letters, digits and `_`, with the byte where each starts.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = line;
    let mut at = 0;
    core::iter::from_fn(move || {
        let start = rest.find(is_word)?;
        let tail = &rest[start..];
        let len = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
        let found = (at + start, &tail[..len]);
        rest = &tail[len..];
        at += start + len;
        Some(found)
    })
}

#[test]
fn words_are_found_with_their_places() {
    let found: Vec<_> = words("let a_1 = b::c;").collect();
    assert_eq!(found, [(0, "let"), (4, "a_1"), (10, "b"), (13, "c")]);
}
