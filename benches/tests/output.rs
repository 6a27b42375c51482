//! What the programs do where nobody reads what they print: they end, without a word, and what was asked for is in its file.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use prewire_os::process::Signal;

#[test]
fn where_nobody_reads_they_end_as_others_do() {
    let one_case = ["--quick", "heap, take and give back"];
    let one_size = ["prewire", "pattern=trivial", "kernel=empty", "sizes=0x2", "width=2", "workers=1"];
    let programs: [(&str, &[&str]); 3] = [
        (env!("CARGO_BIN_EXE_programs"), &["--list"]),
        (env!("CARGO_BIN_EXE_suites"), &one_case),
        (env!("CARGO_BIN_EXE_taskbench"), &one_size),
    ];
    for (program, args) in programs {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(program).args(args).stdout(writer).output().expect("it starts");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.signal(), Some(Signal::PIPE.0), "{program}: {said}");
        assert!(!said.contains("panicked"), "{program}: {said}");
    }
}

#[test]
fn who_has_read_enough_has_the_rows_all_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let rows = dir.path().join("rows.json");
    let mut suites = Command::new(env!("CARGO_BIN_EXE_suites"));
    suites.args(["--quick", "heap, take and give back", "--json"]).arg(&rows);
    let mut suites = suites.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(suites.stdout.take().expect("piped")).lines();
    // The first table, of the machine, ends with an empty line.
    assert!(lines.any(|line| line.expect("text").is_empty()));
    drop(lines);
    let ended = suites.wait().expect("it ends");
    assert_eq!(ended.signal(), Some(Signal::PIPE.0));
    assert!(rows.exists(), "the rows were asked for");
}
