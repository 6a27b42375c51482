//! What the product tells through `tracing` ends none of its threads: `prewire_runs::event!` tells it, whatever the subscriber does.

use super::{Problem, TextFile, assert_none, files_with, source, words};

/// What calls a subscriber where it stands.
const CALLS: &[&str] = &[
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "enabled",
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
    "instrument",
];

/// Where `event!` itself is.
const HOME: &str = "crates/runs/src/contain.rs";

/// Of the sources of a crate, without the tests at their end.
fn check(file: &TextFile) -> Vec<Problem> {
    let product = file.path.starts_with("crates/") && file.path.contains("/src/") && file.path != HOME;
    if !product {
        return Vec::new();
    }
    let code = source::split(&file.text).code;
    // Called by its path, or imported, alone or with others.
    let calls = |line: &str| {
        line.match_indices("tracing::").any(|(at, path)| {
            let rest = &line[at + path.len()..];
            let named = if rest.starts_with('{') { rest.split('}').next().unwrap_or(rest) } else { rest };
            let called = |(at, word): (usize, &str)| {
                let is_module = named[at + word.len()..].starts_with("::");
                CALLS.contains(&word) && !is_module && (at == 0 || rest.starts_with('{'))
            };
            rest.starts_with('*') || words(named).any(called)
        })
    };
    let lines = code.lines().enumerate().take_while(|(_, line)| !line.starts_with("mod tests"));
    let what = "a subscriber that panics ends this thread; say `prewire_runs::event!`";
    lines.filter(|(_, line)| calls(line)).map(|(at, _)| Problem::new(&file.path, at + 1, what)).collect()
}

#[test]
fn no_subscriber_ends_a_thread() {
    let problems: Vec<Problem> = files_with("rs").iter().flat_map(check).collect();
    assert_none(&problems);
}

#[test]
fn calls_and_imports_are_found_and_talk_of_them_is_not() {
    let text = "//! No tracing::warn!() here.\nuse tracing::{Level, debug};\nuse tracing::span::Id;\nuse tracing::info as told;\n\
                fn f() {\n    tracing::warn!(left, \"it stays\");\n    event!(warn, \"fine\");\n    tracing::Level::ERROR;\n}\n\
                #[tracing::instrument]\nuse tracing::{Event, Subscriber};\nuse tracing::*;\n\
                mod tests {\n    tracing::error!(\"fine\");\n}\n";
    let of = |path: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
    let lines = |path| check(&of(path)).iter().map(|p| p.line).collect::<Vec<_>>();
    assert_eq!(lines("crates/sim/src/a.rs"), [2, 4, 6, 10, 12]);
    assert!(lines("crates/sim/tests/a.rs").is_empty() && lines(HOME).is_empty());
}
