//! `unsafe` lives in the crates whose row in the layer table allows it; all others forbid it to the compiler.

use super::{Problem, assert_none, source};
use crate::{layers, workspace};
use cargo_metadata::TargetKind;

const FORBID: &str = "#![forbid(unsafe_code)]";

/// Whether the root file of a crate forbids `unsafe`.
fn check(path: &str, text: &str) -> Option<Problem> {
    let code = source::split(text).code;
    let forbids = code.lines().any(|line| line.trim() == FORBID);
    (!forbids)
        .then(|| Problem::new(path, 1, format!("add `{FORBID}`: the layer table allows no `unsafe` here")))
}

#[test]
fn crates_without_unsafe_forbid_it() {
    let metadata = workspace::metadata().expect("the workspace can be read");
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        // A member without a row is the layer check's to report.
        if layers::of(&package.name).is_none_or(|row| row.may_unsafe) {
            continue;
        }
        let roots = package.targets.iter();
        for root in roots.filter(|t| t.kind.contains(&TargetKind::Lib) || t.kind.contains(&TargetKind::Bin)) {
            let text = std::fs::read_to_string(&root.src_path).expect("the root of a crate can be read");
            let path = root.src_path.strip_prefix(&metadata.workspace_root).unwrap_or(&root.src_path);
            problems.extend(check(path.as_str(), &text));
        }
    }
    assert_none(&problems);
}

#[test]
fn a_crate_that_only_talks_of_forbidding_is_found() {
    assert!(check("lib.rs", "//! A crate.\n#![no_std]\n#![forbid(unsafe_code)]\n").is_none());
    for bad in
        ["//! A crate.\n", "//! A crate.\n// #![forbid(unsafe_code)]\n", "//! `#![forbid(unsafe_code)]`\n"]
    {
        let problem = check("lib.rs", bad).unwrap_or_else(|| panic!("{bad:?} passed"));
        assert!(problem.to_string().starts_with("lib.rs:1: add "), "{problem}");
    }
}
