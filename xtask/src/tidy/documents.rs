//! What the documents name exists: paths in code spans, targets of links, and, in `ARCHITECTURE.md`, every crate and
//! every library that the layer table allows.

use super::{Problem, TextFile, assert_none, files_with, markdown};
use crate::layers::MEMBERS;
use crate::workspace;
use std::path::{Component, Path, PathBuf};

/// A code span that starts like this is a path from the root.
const STARTS: &[&str] = &["crates/", "xtask/", "docs/", "benches/", "ci/", ".ci/", ".cargo/"];

/// `path` with its `..` taken out; `None` if it leaves the root.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if out.pop() => {}
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(out)
}

/// `read` gives the text of a file by its path from the root; a folder has the empty text.
fn check(file: &TextFile, read: &dyn Fn(&Path) -> Option<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (_, prose) = markdown::parts(&file.text);
    for (line, text) in prose {
        for span in markdown::spans(text) {
            let plain = !span.contains(|c: char| c.is_whitespace() || "*<>{}…".contains(c));
            let path = span.split(':').next().unwrap_or(span);
            if plain && STARTS.iter().any(|s| span.starts_with(s)) && read(Path::new(path)).is_none() {
                let what = format!("`{span}` does not exist; correct the path or remove it");
                problems.push(Problem::new(&file.path, line, what));
            }
        }
        for target in markdown::links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let to = if path.is_empty() { PathBuf::from(&file.path) } else { folder.join(path) };
            let Some(found) = normal(&to).and_then(|to| read(&to)) else {
                let what = format!("the link to `{target}` leads nowhere; correct it or remove it");
                problems.push(Problem::new(&file.path, line, what));
                continue;
            };
            let markdown = to.extension().is_some_and(|e| e == "md");
            if markdown && !anchor.is_empty() && !markdown::anchors(&found).iter().any(|a| a == anchor) {
                let what = format!("the link to `{target}` names no heading of {}", to.display());
                problems.push(Problem::new(&file.path, line, what));
            }
        }
    }
    problems
}

#[test]
fn paths_and_links_of_the_documents_exist() {
    let root = workspace::root();
    let read = |path: &Path| {
        let path = root.join(path);
        if path.is_dir() { Some(String::new()) } else { std::fs::read_to_string(path).ok() }
    };
    let files = files_with("md");
    for wanted in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        assert!(files.iter().any(|f| f.path == wanted), "{wanted} is missing");
    }
    let problems: Vec<Problem> = files.iter().flat_map(|file| check(file, &read)).collect();
    assert_none(&problems);
}

#[test]
fn the_architecture_names_every_crate_and_the_reason_of_every_library() {
    let text = std::fs::read_to_string(workspace::root().join("ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md can be read");
    let spans: Vec<&str> = text.lines().flat_map(markdown::spans).collect();
    let mut problems = Vec::new();
    for member in MEMBERS {
        let folder = match member.package {
            "xtask" => "xtask".to_owned(),
            "prewire-benches" => "benches".to_owned(),
            package => format!("crates/{}", package.strip_prefix("prewire-").unwrap_or(package)),
        };
        if !spans.contains(&folder.as_str()) {
            problems.push(Problem::new(
                "ARCHITECTURE.md",
                1,
                format!("`{folder}` is missing in the code map"),
            ));
        }
        let libraries = member.outside.iter().filter_map(|library| library.split(' ').next());
        for library in libraries.filter(|library| !spans.contains(library)) {
            let what = format!("`{library}` is missing: say why {} depends on it", member.package);
            problems.push(Problem::new("ARCHITECTURE.md", 1, what));
        }
    }
    assert_none(&problems);
}

#[test]
fn paths_and_links_that_lead_nowhere_are_found() {
    let text = "`crates/a/src/lib.rs` and `crates/b`\n`crates/<name>` and `crates/*`\n[x](../gone.md)\n\
                [y](here.md#a-title)\n[z](here.md#no-title)\n[w](../../out.md)\n[v](https://semver.org)\n\
                ```\n`crates/in/a/fence`\n```\n`docs/here.md:12`\n[q](#top)\n";
    let file = TextFile { path: "docs/page.md".to_owned(), text: text.to_owned() };
    let read = |path: &Path| match path.to_str() {
        Some("crates/a/src/lib.rs") => Some(String::new()),
        Some("docs/here.md") => Some("## A title\n".to_owned()),
        Some("docs/page.md") => Some(text.to_owned()),
        _ => None,
    };
    let lines: Vec<usize> = check(&file, &read).iter().map(|p| p.line).collect();
    assert_eq!(lines, [1, 3, 5, 6, 12]);
}
