//! Every member's manifest inherits what the workspace decides once: lints (without which the root's lints do nothing
//! for it), version, edition, licence and the oldest compiler.

use super::{Problem, TextFile, assert_none, files_with};
use toml::{Table, Value};

/// Keys of `[package]` that the root decides.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

fn check(file: &TextFile) -> Vec<Problem> {
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Problem::new(&file.path, 1, format!("is not a manifest: {error}"))],
    };
    let inherits = |value: Option<&Value>| {
        value.and_then(|v| v.get("workspace")).and_then(Value::as_bool).unwrap_or(false)
    };
    let mut problems = Vec::new();
    if !inherits(manifest.get("lints")) {
        let what = "the workspace's lints do not hold here; add `[lints]` with `workspace = true`";
        problems.push(Problem::new(&file.path, 1, what));
    }
    let package = manifest.get("package");
    for key in INHERITED {
        if !inherits(package.and_then(|p| p.get(key))) {
            let line = 1 + file.text.lines().position(|l| l.starts_with(key)).unwrap_or(0);
            problems.push(Problem::new(&file.path, line, format!("write `{key}.workspace = true`")));
        }
    }
    if package.and_then(|p| p.get("description")).is_none() {
        problems.push(Problem::new(&file.path, 1, "say in `description` what the package is"));
    }
    problems
}

/// The manifests of packages: all but the root's.
fn manifests() -> Vec<TextFile> {
    let mut files = files_with("toml");
    files.retain(|f| f.path.ends_with("/Cargo.toml"));
    files
}

#[test]
fn every_manifest_inherits_what_the_workspace_decides() {
    let files = manifests();
    assert!(files.len() >= crate::layers::MEMBERS.len(), "only {} manifests found", files.len());
    let problems: Vec<Problem> = files.iter().flat_map(check).collect();
    assert_none(&problems);
}

#[test]
fn a_manifest_that_decides_for_itself_is_found() {
    let text = "[package]\nname = \"x\"\ndescription = \"y\"\nversion = \"0.2.0\"\nedition.workspace = true\n\
                rust-version = { workspace = true }\n\n[lints.rust]\nmissing_docs = \"allow\"\n";
    let file = TextFile { path: "crates/x/Cargo.toml".to_owned(), text: text.to_owned() };
    let found: Vec<String> = check(&file).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "crates/x/Cargo.toml:1: the workspace's lints do not hold here; add `[lints]` with `workspace = true`",
            "crates/x/Cargo.toml:4: write `version.workspace = true`",
            "crates/x/Cargo.toml:1: write `license.workspace = true`",
        ]
    );
}
