//! The command line of `prewire-scenes`: what it prints, what it writes, and its exit codes.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use prewire_scenes::{list, platforms};

fn scenes(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prewire-scenes")).args(args).output().expect("the binary starts")
}

/// A stream of which nobody has the other end.
fn unread() -> std::io::PipeWriter {
    std::io::pipe().expect("a pipe").1
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_list_names_every_scene_and_platform_and_runs_none() {
    let output = scenes(&["--list"]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}");
    for scene in list() {
        assert!(
            printed
                .lines()
                .any(|line| line.trim_start().starts_with(scene.name) && line.contains(scene.about))
        );
    }
    for platform in platforms() {
        assert!(printed.contains(platform.name), "{printed}");
    }
    assert!(!printed.contains("passed"), "{printed}");
}

#[test]
fn where_nobody_reads_it_fails_without_a_panic_and_writes_its_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rows.json");
    let file = path.to_str().expect("a path that is text");
    for args in [&["--list"][..], &["--small", "--scene", "vec*", "--platform", "a5sim", "--json", file]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prewire-scenes"));
        let output = command.args(args).stdout(unread()).output().expect("the binary starts");
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), ""), "{args:?}");
    }
    assert!(path.exists(), "the rows were asked for");
    let nowhere = dir.path().join("nowhere").join("rows.json");
    let nowhere = nowhere.to_str().expect("a path that is text");
    let unwritten = &["--small", "--scene", "vec*", "--platform", "a5sim", "--json", nowhere];
    for (args, code) in [(&["--scene", "nope"][..], 2), (unwritten, 1)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prewire-scenes"));
        let command = command.args(args).stdout(unread()).stderr(unread());
        assert_eq!(command.status().expect("the binary starts").code(), Some(code), "{args:?}");
    }
}

#[test]
fn rows_are_printed_and_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rows.json");
    let file = path.to_str().expect("a path that is text");
    let output =
        scenes(&["--small", "--scene", "vec*", "--scene", "gemm", "--platform", "a5sim", "--json", file]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    assert!(printed.contains("2 passed, 0 failed"), "{printed}");
    assert_eq!(text(&output.stderr), "", "no bar where there is no terminal");

    let rows: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the file")).expect("JSON");
    let rows = rows.as_array().expect("an array");
    assert_eq!(rows.len(), 2);
    for (row, scene) in rows.iter().zip(["vector", "gemm"]) {
        assert_eq!(row["scene"], scene);
        assert_eq!(row["platform"], "a5sim");
        assert_eq!(row["ok"], true);
        assert!(row["tasks"].as_u64().is_some_and(|tasks| tasks >= 10), "{row}");
        assert!(row["wall_ms"].as_f64().is_some_and(|wall| wall > 0.0), "{row}");
        assert!(row["max_error"].as_f64().is_some_and(|error| (0.0..1e-3).contains(&error)), "{row}");
        assert!(row["threads"].as_u64().is_some_and(|threads| threads >= 1), "{row}");
        assert!(row.get("error").is_none(), "{row}");
    }
}

#[test]
fn what_a_scene_took_of_its_rings_is_told_when_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rows.json");
    let file = path.to_str().expect("a path that is text");
    let pressed = ["--small", "--scene", "ring_pressure", "--platform", "a5sim", "--json", file];
    let output = scenes(&pressed);
    assert_eq!(text(&output.stderr), "", "this scene fills its rings on purpose");
    assert!(!text(&output.stdout).contains("window[3]"));

    let output = scenes(&[&pressed[..], &["--usage"]].concat());
    let (table, warnings) = (text(&output.stdout), text(&output.stderr));
    assert!(table.contains("window[3]") && table.contains("tensor_map"), "{table}");
    assert_eq!(warnings.matches("RingSizes::window[3]:").count(), 1, "{warnings}");
    let rows: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the file")).expect("JSON");
    let usage = rows[0]["usage"].as_array().expect("an array");
    let window = usage.iter().find(|used| used["size"] == "window[3]").expect("the last ring is used");
    assert_eq!((window["needed"].as_u64(), window["high"].as_u64()), (Some(3), Some(3)), "{window}");
    assert_eq!(window["capacity"], 3);
}

/// The rows that a run with these arguments writes.
fn rows(args: &[&str]) -> Vec<serde_json::Value> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rows.json");
    let output = scenes(&[args, &["--json", path.to_str().expect("a path that is text")]].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "nothing is said of what is as it should be");
    let rows: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("JSON");
    rows.as_array().expect("an array").clone()
}

#[test]
fn children_of_nodes_are_processes_whatever_ran_before() {
    // The first and the last leave nothing behind that would keep the next from forking.
    let named = ["--scene", "vector", "--scene", "node*", "--scene", "network*"];
    let rows = rows(&[&named[..], &["--small"]].concat());
    let above = list().iter().filter(|scene| scene.level > 2).count();
    assert_eq!(rows.len(), (above + 1) * platforms().len());
    for row in &rows {
        let chip = row["scene"] == "vector";
        assert_eq!(
            row.get("inside").and_then(|inside| inside.as_str()),
            (!chip).then_some("processes"),
            "{row}"
        );
    }
}

/// The traces that a run under `seeds` leaves, by file name.
fn traces(seeds: &[&str], more: &[&str]) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("traces");
    let output = scenes(&[&["--small", "--trace", folder.to_str().expect("text")], seeds, more].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let entries = std::fs::read_dir(folder).expect("the folder");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("text").to_owned();
        (name, std::fs::read_to_string(path).expect("a trace"))
    };
    entries.map(read).collect()
}

#[test]
fn every_scene_has_the_same_trace_in_two_processes_and_another_one_under_another_seed() {
    let on_chips: Vec<_> = list().iter().filter(|scene| scene.level == 2).map(|scene| scene.name).collect();
    // The chips of nodes are in other processes, whose traces are not collected.
    let named: Vec<_> = on_chips.iter().chain(&["node_checks"]).flat_map(|name| ["--scene", name]).collect();
    let all = |seed| traces(&["--seed", seed], &named);
    let (first, second, other) = (all("7"), all("7"), all("8"));
    assert_eq!(first.len(), on_chips.len() * platforms().len(), "{:?}", first.keys());
    for (name, trace) in &first {
        assert!(trace.starts_with("prewire-trace 1 "), "{name}");
        assert!(trace.lines().any(|line| line.contains(" begin ")), "{name} has kernels in it");
        let differs = trace.lines().zip(second[name].lines()).find(|(one, other)| one != other);
        assert!(*trace == second[name], "{name} differs from one process to the next: {differs:?}");
        let orders = |trace: &str| trace.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_ne!(orders(trace), orders(&other[name]), "{name} is the same under another seed");
    }
}

#[test]
fn seeds_are_tried_in_turn_and_leave_the_trace_of_the_last() {
    let vector = ["--scene", "vector", "--platform", "a2a3sim"];
    let last = traces(&["--seed", "5"], &vector);
    assert_eq!(traces(&["--seeds", "3..6"], &vector), last);
    let threads = traces(&[], &vector);
    assert!(threads["vector-a2a3sim.trace"].contains(" unseeded time nanoseconds"));
    for bad in ["6..3", "x..y", "4"] {
        assert_eq!(scenes(&["--seeds", bad]).status.code(), Some(2), "{bad}");
    }
}

#[test]
fn what_does_not_exist_is_told_what_does() {
    for (args, there_are) in [
        (["--scene", "vectors"], list()[0].name),
        (["--platform", "a3"], platforms()[1].name),
        // It exists, and cannot be used here.
        (["--platform", "a2a3"], "platform a2a3sim"),
    ] {
        let output = scenes(&args);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains(args[1]) && said.contains(there_are), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn rows_that_cannot_be_written_are_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("missing").join("rows.json");
    let file = path.to_str().expect("a path that is text");
    let output = scenes(&["--small", "--scene", "vector", "--json", file]);
    assert!(text(&output.stdout).contains(" passed, 0 failed"), "what was found is told all the same");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(file), "{}", text(&output.stderr));
}
