//! What the product tells through `tracing` ends none of its threads: `prewire_runs::event!` tells it, whatever the subscriber does.

use super::{Problem, TextFile, assert_none, files_with, source};

/// The macros that tell of something as it is.
const MACROS: &[&str] = &["trace!", "debug!", "info!", "warn!", "error!", "event!"];

/// Where `event!` itself is.
const HOME: &str = "crates/runs/src/contain.rs";

/// Of the sources of a crate, without the tests at their end.
fn check(file: &TextFile) -> Vec<Problem> {
    let product = file.path.starts_with("crates/") && file.path.contains("/src/") && file.path != HOME;
    if !product {
        return Vec::new();
    }
    let code = source::split(&file.text).code;
    let tells = |line: &str| {
        line.match_indices("tracing::").any(|(at, path)| {
            let name = &line[at + path.len()..];
            MACROS.iter().any(|told| name.starts_with(told))
        })
    };
    let lines = code.lines().enumerate().take_while(|(_, line)| !line.starts_with("mod tests"));
    let told = lines.filter(|(_, line)| tells(line));
    let what = "a subscriber that panics ends this thread; say `prewire_runs::event!`";
    told.map(|(index, _)| Problem::new(&file.path, index + 1, what)).collect()
}

#[test]
fn no_subscriber_ends_a_thread() {
    let problems: Vec<Problem> = files_with("rs").iter().flat_map(check).collect();
    assert_none(&problems);
}

#[test]
fn events_are_found_where_they_are_told_and_talk_of_them_is_not() {
    let text = "//! No tracing::warn!() here.\nfn f() {\n    tracing::warn!(left, \"it stays\");\n    event!(warn, \"fine\");\n}\n\
                mod tests {\n    tracing::error!(\"fine\");\n}\n";
    let of = |path: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
    let lines = |path| check(&of(path)).iter().map(|p| p.line).collect::<Vec<_>>();
    assert_eq!(lines("crates/sim/src/a.rs"), [3]);
    assert!(lines("crates/sim/tests/a.rs").is_empty() && lines(HOME).is_empty());
}
