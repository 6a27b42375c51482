//! No process is left when the one above it is killed, at whichever level.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use prewire_os::process::{self, Pid, PidFd, Process, Signal, descendants};
use prewire_worker::{Builder, Worker};

use super::{assert_ends, below, count};

/// Five processes below the root, and as many zygotes as there are workers.
fn tree() -> Builder {
    let node = || Worker::node().subs(1).callable(&count());
    Worker::network(4).child(node()).child(node()).subs(1).callable(&below())
}

/// What a root does: it starts its tree, says so, and waits to be killed.
fn serve(tree: Builder) {
    let net = tree.start().unwrap();
    net.run(|orch| {
        for child in ["worker0", "worker1"] {
            orch.submit(&below()).to(child).go()?;
        }
        Ok(())
    })
    .unwrap();
    println!("it serves");
    loop {
        std::thread::park();
    }
}

pub(crate) fn root() {
    serve(tree());
}

pub(crate) fn executed_root() {
    serve(super::exec::net());
}

/// What it starts dies with its main thread only if that has started it. This one has not.
pub(crate) fn executed_root_in_a_thread() {
    std::thread::spawn(executed_root).join().unwrap();
}

/// Starts the part `name` as a root of its own, and returns it and all that it has started, once it serves.
fn start(name: &str) -> (std::process::Child, Vec<Process>) {
    let mut root = Command::new(std::env::current_exe().unwrap())
        .args(["--case", name])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(root.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "it serves\n");
    let mut all = descendants().unwrap();
    all.retain(|process| process.pid.raw().cast_unsigned() != root.id());
    assert_eq!(all.len(), 5 + 3, "{all:?}");
    (root, all)
}

fn open(all: &[Process]) -> Vec<(PidFd, String)> {
    all.iter().map(|process| (PidFd::open(process.pid).unwrap(), process.name.clone())).collect()
}

fn kill(pid: Pid) {
    process::kill(pid, Signal::KILL).unwrap();
}

fn pid_of(root: &std::process::Child) -> Pid {
    Pid::from_raw(root.id().cast_signed()).unwrap()
}

fn root_dies(part: &str) {
    let (mut root, all) = start(part);
    let watched = open(&all);
    kill(pid_of(&root));
    watched.iter().for_each(|(process, name)| assert_ends(process, name));
    assert!(!root.wait().unwrap().success());
}

pub(crate) fn a_killed_root_leaves_nothing() {
    root_dies("orphans::root");
}

pub(crate) fn a_killed_root_of_executed_children_leaves_nothing() {
    root_dies("orphans::executed_root");
    root_dies("orphans::executed_root_in_a_thread");
}

/// Kills the first process that `is` says, and sees to it that all below it end, and nobody else.
fn one_dies(is: impl Fn(&Process, Pid) -> bool) {
    let (mut root, all) = start("orphans::root");
    let victim = all.iter().find(|process| is(process, pid_of(&root))).unwrap();
    let mut below = vec![victim.pid];
    while let Some(more) = all.iter().find(|process| {
        process.parent.is_some_and(|parent| below.contains(&parent)) && !below.contains(&process.pid)
    }) {
        below.push(more.pid);
    }
    let (dying, staying): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|process| below.contains(&process.pid));
    assert!(dying.len() >= 2, "{dying:?}");
    let (dying, staying) = (open(&dying), open(&staying));
    kill(victim.pid);
    dying.iter().for_each(|(process, name)| assert_ends(process, name));
    assert!(process::alive(pid_of(&root)), "the root goes on");
    staying.iter().for_each(|(process, name)| assert!(!process.has_exited().unwrap(), "{name}"));
    // What has come in their place goes with the root.
    kill(pid_of(&root));
    root.wait().unwrap();
    staying.iter().for_each(|(process, name)| assert_ends(process, name));
}

pub(crate) fn a_killed_worker_between_leaves_nothing() {
    one_dies(|process, _| process.name == "prewire:worker0");
}

pub(crate) fn a_killed_zygote_leaves_nothing() {
    // That of a worker between; with that of the root goes everything.
    one_dies(|process, root| {
        process.name == "prewire-zygote" && process.parent != Some(root) && {
            let above = process.parent.and_then(process::find);
            above.is_some_and(|above| above.name == "prewire:worker1")
        }
    });
}
