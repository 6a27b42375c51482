//! The examples run, each in a process of its own, and say what they should.

use std::process::Command;

/// What an example prints.
fn output_of(example: &str) -> String {
    let run = ["run", "--quiet", "--package", "prewire", "--example", example];
    let output = Command::new(env!("CARGO")).args(run).output().expect("cargo runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn two_additions() {
    assert_eq!(output_of("hello"), "2 tasks, every element is 5\n");
}

#[test]
fn a_node_of_three_processes() {
    let output = output_of("node");
    let mut lines: Vec<_> = output.lines().collect();
    // What the child said comes from another thread than what the program says.
    lines.sort_unstable();
    let [own, child] = lines[..] else { panic!("two lines were to come: {output}") };
    assert_eq!(own, "3 tasks in 3 processes");
    assert!(child.starts_with("[node/sub0 ") && child.ends_with("] the sum is 192"), "{child}");
}
