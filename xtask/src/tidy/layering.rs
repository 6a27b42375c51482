//! The layers hold: every member has its row in the table, and depends on nothing that the row does not allow.
//! Dependencies of tests are exempt. Read from the manifests, so a misspelt name cannot pass for an absent one.

use super::{Problem, assert_none};
use crate::layers::{self, MEMBERS, Member};
use crate::workspace;
use cargo_metadata::DependencyKind;

/// A member as its manifest has it.
struct Declared {
    package: String,
    /// Its manifest, from the root.
    manifest: String,
    /// Dependencies, without those of tests alone; one from outside that has a condition ends in `under <condition>`.
    depends: Vec<String>,
}

fn declared() -> Vec<Declared> {
    let metadata = workspace::metadata().expect("the workspace can be read");
    let root = metadata.workspace_root.clone();
    let name = |d: &cargo_metadata::Dependency| match &d.target {
        Some(target) if layers::of(&d.name).is_none() => format!("{} under {target}", d.name),
        _ => d.name.clone(),
    };
    let of = |package: &cargo_metadata::Package| Declared {
        package: package.name.to_string(),
        manifest: package.manifest_path.strip_prefix(&root).unwrap_or(&package.manifest_path).to_string(),
        depends: (package.dependencies.iter())
            .filter(|d| d.kind != DependencyKind::Development)
            .map(name)
            .collect(),
    };
    metadata.workspace_packages().into_iter().map(of).collect()
}

fn check(members: &[Declared], table: &[Member]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let row_of = |package: &str| table.iter().find(|row| row.package == package);
    for member in members {
        let Some(row) = row_of(&member.package) else {
            problems.push(Problem::new(
                &member.manifest,
                1,
                format!(
                    "{} is a member without a layer; give it a row in `xtask/src/layers.rs`",
                    member.package
                ),
            ));
            continue;
        };
        let Some(layer) = row.layer else { continue };
        for name in &member.depends {
            let inside = members.iter().any(|m| &m.package == name);
            let wrong = match row_of(name).map(|to| to.layer) {
                Some(Some(to)) if to < layer => None,
                Some(Some(to)) if to == layer && row.beside.contains(&name.as_str()) => None,
                Some(Some(to)) => Some(format!("is of layer {to}: only lower layers may be used")),
                Some(None) => Some("is not part of the product".to_owned()),
                // A member without a row was reported above.
                None if inside => None,
                None if row.outside.contains(&name.as_str()) => None,
                None => Some("is not among the libraries that its row allows".to_owned()),
            };
            if let Some(why) = wrong {
                problems.push(Problem::new(
                    &member.manifest,
                    1,
                    format!(
                        "{} (layer {layer}) depends on {name}, which {why}; drop it, or change the row in \
                         `xtask/src/layers.rs` on purpose",
                        member.package
                    ),
                ));
            }
        }
    }
    for row in table {
        if !members.iter().any(|m| m.package == row.package) {
            let what = format!("the row of {} has no member; remove it", row.package);
            problems.push(Problem::new("xtask/src/layers.rs", 1, what));
        }
    }
    problems
}

#[test]
fn every_member_depends_on_lower_layers_and_allowed_libraries_only() {
    assert_none(&check(&declared(), MEMBERS));
}

#[test]
fn the_table_itself_is_consistent() {
    for (index, row) in MEMBERS.iter().enumerate() {
        assert!(MEMBERS[..index].iter().all(|r| r.package != row.package), "{} has two rows", row.package);
        for beside in row.beside {
            let other = layers::of(beside).unwrap_or_else(|| panic!("{beside} has no row"));
            assert_eq!(other.layer, row.layer, "{beside} is not beside {}", row.package);
            assert!(!other.beside.contains(&row.package), "{beside} and {} use each other", row.package);
        }
    }
}

#[test]
fn upward_sideways_foreign_and_unknown_dependencies_are_found() {
    let member = |package: &str, depends: &[&str]| Declared {
        package: package.to_owned(),
        manifest: format!("crates/{package}/Cargo.toml"),
        depends: depends.iter().map(|d| (*d).to_owned()).collect(),
    };
    let row = |package, layer, beside, outside| Member { package, layer, beside, outside, may_unsafe: false };
    let table = [
        row("low", Some(0), &[], &["bytes", "spare under cfg(x)"]),
        row("left", Some(1), &["right"], &[]),
        row("right", Some(1), &[], &[]),
        row("tool", None, &[], &[]),
        row("gone", Some(3), &[], &[]),
    ];
    let members = [
        member("low", &["bytes", "spare under cfg(x)", "spare", "left"]),
        member("left", &["right", "low", "bytes"]),
        member("right", &["left", "tool"]),
        member("tool", &["right", "anything"]),
        member("new", &["low"]),
    ];
    let found: Vec<String> = check(&members, &table).into_iter().map(|p| p.what).collect();
    let starts = [
        "low (layer 0) depends on spare, which is not among",
        "low (layer 0) depends on left, which is of layer 1",
        "left (layer 1) depends on bytes, which is not among",
        "right (layer 1) depends on left, which is of layer 1",
        "right (layer 1) depends on tool, which is not part of the product",
        "new is a member without a layer",
        "the row of gone has no member",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found} does not start with {start}");
    }
}
