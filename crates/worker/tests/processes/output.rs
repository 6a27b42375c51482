//! What children write, and with whose name it comes.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prewire_worker::{Callable, Output, Stream, Worker};

use super::{Heard, count, replaced_by, until};

fn speaks() -> Callable {
    Callable::host_function("speaks", |args| {
        let number = args.scalar::<u32>(0)?;
        println!("out {number}");
        eprintln!("err {number}");
        Ok(())
    })
}

pub(crate) fn lines_come_with_the_place_and_the_process_of_who_wrote_them() {
    let heard = Heard::default();
    let panics = Callable::host_function("panics", |_| panic!("it has to"));
    let tree = Worker::node().subs(2).callable(&speaks()).callable(&panics).output(heard.output());
    let node = tree.start().unwrap();
    let pids = node.processes();
    let of = |path: &str| pids[node.children().position(|name| path == format!("node/{name}")).unwrap()];
    node.run(|orch| (0..20u32).try_for_each(|number| orch.submit(&speaks()).scalar(number).go().map(drop)))
        .unwrap();
    for number in 0..20 {
        let (path, pid, stream) = heard.wait_for(&format!("out {number}"));
        assert_eq!((of(&path), stream), (Some(pid), Stream::Stdout));
        assert_eq!(heard.wait_for(&format!("err {number}")), (path, pid, Stream::Stderr));
    }
    node.run(|orch| orch.submit(&panics).go().map(drop)).unwrap_err();
    let (path, pid, stream) = heard.wait_for("it has to");
    assert_eq!((of(&path), stream), (Some(pid), Stream::Stderr));
    node.close().unwrap();
}

pub(crate) fn lines_of_all_levels_keep_their_labels() {
    let heard = Heard::default();
    let speak_below = Callable::orchestration("speak_below", |orch, _| {
        println!("from the worker");
        orch.submit(&speaks()).scalar(5u32).go().map(drop)
    });
    let node = Worker::node().subs(1).callable(&speaks());
    let tree = Worker::network(4).child(node).callable(&speak_below).output(heard.output());
    let net = tree.start().unwrap();
    net.run(|orch| orch.submit(&speak_below).to("worker0").go().map(drop)).unwrap();
    let worker = net.processes()[0].unwrap();
    assert_eq!(heard.wait_for("from the worker"), ("network1/worker0".into(), worker, Stream::Stdout));
    let (path, pid, stream) = heard.wait_for("err 5");
    assert_eq!((path.as_str(), stream), ("network1/worker0/sub0", Stream::Stderr));
    assert_eq!(pid, super::named("prewire:sub0")[0].pid.raw().cast_unsigned());
    net.close().unwrap();
}

pub(crate) fn a_line_without_end_comes_at_death() {
    let heard = Heard::default();
    let dies = Callable::host_function("dies", |_| {
        let mut out = std::io::stdout();
        out.write_all(b"no end").and_then(|()| out.flush()).unwrap();
        std::process::exit(4)
    });
    let tree = Worker::node().subs(1).callable(&dies).callable(&count()).output(heard.output());
    let node = tree.start().unwrap();
    let old = node.processes()[0].unwrap();
    let error = node.run(|orch| orch.submit(&dies).go().map(drop)).unwrap_err();
    assert!(error.to_string().contains("exited with code 4"), "{error}");
    assert_eq!(heard.wait_for("no end"), ("node/sub0".into(), old, Stream::Stdout));
    replaced_by(&node, 0, old);
    node.close().unwrap();
    assert_eq!(heard.all(), [""; 0], "nothing was said twice");
}

/// A stream of which nobody has the other end.
fn unread() -> OwnedFd {
    prewire_os::Pipe::new().unwrap().writer().try_clone_to_owned().unwrap()
}

/// The program whose main function is `speaks_to_nobody`, to be given its streams.
fn program() -> Command {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--case", "output::speaks_to_nobody"]);
    program
}

pub(crate) fn a_stream_that_nobody_reads_any_more_is_no_reason_to_stop() {
    let said = program().stdout(unread()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{text}");
    assert!(text.contains("err 19") && !text.contains("panicked") && !text.contains("lost"), "{text}");
    // It ends as one process, and by itself.
    let said = program().stdout(unread()).stderr(unread()).output().unwrap();
    assert!(said.status.success(), "{}", said.status);
}

pub(crate) fn a_stream_that_takes_nothing_is_told_of_once() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let said = program().stdout(full).output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{text}");
    let told = text.lines().filter(|line| line.contains("what children write is lost")).count();
    assert!(told == 2 && text.contains("No space left"), "one for each of its two workers: {text}");
}

/// What the cases above run: two workers, one after the other, which print what their children say, and go on when one of those
/// dies. What this process has printed and could not write goes to no child.
pub(crate) fn speaks_to_nobody() {
    // Where it cannot write an event it panics.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    print!("of the program");
    let dies = Callable::host_function("dies", |_| std::process::exit(4));
    for round in 0..2 {
        let node = Worker::node().subs(1).callable(&speaks()).callable(&dies).start().unwrap();
        let old = node.processes()[0].unwrap();
        node.run(|orch| orch.submit(&dies).go().map(drop)).unwrap_err();
        replaced_by(&node, 0, old);
        let numbers = || (0..20u32).map(|number| 20 * round + number);
        node.run(|orch| {
            numbers().try_for_each(|number| orch.submit(&speaks()).scalar(number).go().map(drop))
        })
        .unwrap();
        node.close().unwrap();
    }
}

pub(crate) fn nothing_but_output_waits_for_who_reads_it() {
    let (heard, gate) = (Heard::default(), Arc::new(Mutex::new(())));
    let (to, closed) = (heard.clone(), Arc::clone(&gate));
    let sink = Output::sink(move |line| {
        drop(closed.lock().unwrap());
        to.0.lock().unwrap().push((line.worker.to_owned(), line.pid, line.stream, line.text.to_owned()));
    });
    // Far more than what waits and two pipes hold, so that the child is held up until the end.
    let floods = Callable::host_function("floods", |_| {
        (0..20_000).for_each(|i| println!("line {i:06} of a flood that holds up nobody but its own writer"));
        Ok(())
    });
    let dies = Callable::host_function("dies", |_| std::process::exit(4));
    let tree = Worker::node().subs(2).callable(&floods).callable(&dies).callable(&count()).output(sink);
    let node = tree.start().unwrap();
    let unread = gate.lock().unwrap();
    let error = node.run(|orch| {
        orch.submit(&floods).go()?;
        orch.deadline(Duration::from_millis(300));
        orch.submit(&dies).go().map(drop)
    });
    // A death is told, and the deadline ends what is held up, while nobody reads.
    let error = error.unwrap_err().to_string();
    assert!(error.contains("exited with code 4"), "{error}");
    drop(unread);
    let x = node.zeros::<f32>(&[4]).unwrap();
    node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop)).unwrap();
    node.close().unwrap();
    let lines = heard.all();
    let flood: Vec<_> = lines.iter().filter(|line| line.starts_with("line ")).collect();
    assert!((1000..20_000).contains(&flood.len()), "{} lines: it was not held up", flood.len());
    assert!(
        flood.iter().enumerate().all(|(i, line)| line.contains(&format!("{i:06}")) || i + 1 == flood.len())
    );
}

pub(crate) fn a_flood_is_neither_lost_nor_does_it_hold_up_others() {
    const LINES: usize = 20_000;
    let heard = Heard::default();
    let floods = Callable::host_function("floods", |_| {
        (0..LINES).for_each(|i| {
            println!("line {i:06} of a flood that is far longer than what a pipe can hold at a time")
        });
        Ok(())
    });
    let tree = Worker::node().subs(2).callable(&floods).callable(&count()).output(heard.output());
    let node = tree.start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    node.run(|orch| {
        orch.submit(&floods).go()?;
        for _ in 0..100 {
            orch.submit(&count()).inout(&x).go()?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(node.read::<f32>(&x).unwrap(), [100.0; 4]);
    until("all lines", || (heard.all().len() == LINES).then_some(()));
    assert!(heard.all().iter().enumerate().all(|(i, line)| line.starts_with(&format!("line {i:06} "))));
    node.close().unwrap();
}
