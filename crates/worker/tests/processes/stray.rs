//! Children that do what none should, and ends at odd moments: what is contained, and what is not mistaken.

use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prewire_chip::{Chip, ChipBuilder, DataType};
use prewire_mailbox::{MAILBOX_BYTES, PAGE};
use prewire_os::process::{self, Pid, PidFd, Signal};
use prewire_os::{Beacons, Event};
use prewire_test_support::Held;
use prewire_worker::{Args, Callable, Error, Worker};

use super::{Heard, LONG, assert_works, below, count, hang, named, pid, replaced_by, until};

fn pause(time: Duration) {
    let _ = Event::new().wait_until(Some(time), || None::<()>);
}

/// Overwrites the mailbox of child `child` of the node, from within it.
fn garble(child: usize, byte: u8) -> std::io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let line = maps.lines().find(|line| line.contains(":mailboxes")).expect("it is mapped");
    let start = u64::from_str_radix(line.split_once('-').expect("a range").0, 16).expect("a number");
    let memory = std::fs::OpenOptions::new().write(true).open("/proc/self/mem")?;
    let at = start + (PAGE + child * MAILBOX_BYTES) as u64;
    // All but its header.
    memory.write_all_at(&vec![byte; MAILBOX_BYTES - PAGE], at + PAGE as u64)
}

fn wild(byte: u8, hangs: bool) -> Callable {
    Callable::host_function(format!("wild{byte}{hangs}"), move |_| {
        let name = std::fs::read_to_string("/proc/self/comm").expect("it has a name");
        let child = name.trim().trim_start_matches("prewire:sub").parse().expect("a number");
        garble(child, byte).expect("it may write its own memory");
        if hangs {
            loop {
                std::thread::park();
            }
        }
        Ok(())
    })
}

pub(crate) fn a_child_that_garbles_its_mailbox_harms_itself_alone() {
    for (byte, hangs) in [(0, true), (0xFF, true), (0, false), (0xFF, false)] {
        let wild = wild(byte, hangs);
        let node = Worker::node().subs(2).callable(&wild).callable(&count()).start().unwrap();
        let before = node.processes();
        let result = node.run(|orch| {
            orch.deadline(Duration::from_secs(if hangs { 1 } else { 5 }));
            orch.submit(&wild).go().map(drop)
        });
        let error = result.map(drop).expect_err("its task is lost");
        assert!(!matches!(error, Error::Lost { .. }), "{error}");
        assert_eq!(matches!(error, Error::Overdue { .. }), hangs, "{error}");
        until("a replacement", || (node.processes() != before).then_some(()));
        assert_works(&node, 20);
        node.close().unwrap();
    }
}

/// A task that is refused on its way to a child does not keep others from being heard.
pub(crate) fn a_refused_task_swallows_no_wake_up() {
    let beacons: &'static Beacons = Box::leak(Box::new(Beacons::new(3).unwrap()));
    let slow = Callable::host_function("slow", |_| {
        beacons.get(0).raise();
        beacons.get(1).wait(1, None);
        Ok(())
    });
    let then = Callable::host_function("then", |_| {
        beacons.get(2).raise();
        Ok(())
    });
    let node = Worker::node().subs(2).callable(&slow).callable(&then).callable(&count()).start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    let mut ran = false;
    let result = node.run(|orch| {
        orch.manual_scope(|orch| {
            let first = orch.submit(&slow).inout(&x).go()?;
            orch.submit(&then).after(&first).go()?;
            beacons.get(0).wait(1, None);
            // The progress thread has nothing to do.
            pause(Duration::from_millis(50));
            // Refused: it uses what the first one uses.
            orch.submit(&count()).inout(&x).go()?;
            pause(Duration::from_millis(50));
            beacons.get(1).raise();
            // This thread is busy with something else, and does not look at the children.
            ran = beacons.get(2).wait(1, Some(LONG));
            Ok(())
        })
    });
    assert!(result.is_err(), "two that conflict");
    assert!(ran, "what has become ready was handed out by the progress thread");
    node.close().unwrap();
}

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(1)
}

fn nothing() -> Callable {
    Callable::chip_program("nothing", |_| Ok(|_: &mut prewire_chip::Orch<'_>, _: &Args<'_>| Ok(())))
}

/// A member of a group that was handed to a stopped child just before the deadline.
pub(crate) fn a_group_on_a_stopped_chip_is_ended_without_losing_the_worker() {
    let node = Worker::node().chips(2, chip()).callable(&nothing()).start().unwrap();
    let number = node.processes()[1].unwrap();
    process::kill(pid(number), Signal::STOP).unwrap();
    let result = node.run(|orch| {
        orch.deadline(Duration::from_millis(300));
        pause(Duration::from_millis(260));
        orch.group(&nothing()).member("chip0").member("chip1").go().map(drop)
    });
    let error = result.map(drop).expect_err("it is late");
    assert!(matches!(error, Error::Overdue { .. }), "{error}");
    replaced_by(&node, 1, number);
    node.run(|orch| orch.group(&nothing()).member("chip0").member("chip1").go().map(drop)).unwrap();
    node.close().unwrap();
}

/// What a worker had below it is dead before its task is: nothing writes into memory that goes to somebody else.
pub(crate) fn nothing_below_a_dead_worker_outlives_its_task() {
    let hang = hang();
    let above = Callable::orchestration("above", move |orch, _| orch.submit(&hang).go().map(drop));
    let heard = Heard::default();
    let node = Worker::node().subs(2).callable(&super::hang());
    let below = Worker::network(4).child(node).callable(&above);
    let top = Callable::orchestration("top", {
        let above = above.clone();
        move |orch, _| orch.submit(&above).to("worker0").go().map(drop)
    });
    let net = Worker::network(5).child(below).callable(&top).replacements(1000);
    let net = net.output(heard.output()).start().unwrap();
    for _ in 0..10 {
        let top = top.clone();
        let run = net.launch(move |orch| orch.submit(&top).to("worker0").go().map(drop)).unwrap();
        heard.wait_for("it hangs");
        let number = net.processes()[0].unwrap();
        let mut all = process::descendants().unwrap();
        all.retain(|it| it.parent != Some(Pid::current()) && it.pid != pid(number));
        assert_eq!(all.len(), 5, "two zygotes, a worker and what is below that: {all:?}");
        let watched: Vec<_> = all.iter().map(|it| (PidFd::open(it.pid).unwrap(), &it.name)).collect();
        process::kill(pid(number), Signal::KILL).unwrap();
        run.wait().unwrap_err();
        for (process, name) in watched {
            assert!(process.has_exited().unwrap(), "{name} goes on while its memory is given to others");
        }
        replaced_by(&net, 0, number);
    }
    net.close().unwrap();
}

pub(crate) fn a_worker_whose_zygote_has_died_is_replaced() {
    let net = Worker::network(4).child(Worker::node().subs(1).callable(&count())).callable(&below());
    let net = net.start().unwrap();
    let run = || net.run(|orch| orch.submit(&below()).to("worker0").go().map(drop));
    run().unwrap();
    let number = net.processes()[0].unwrap();
    let zygote = named("prewire-zygote").into_iter().find(|it| it.parent == Some(pid(number))).unwrap();
    process::kill(zygote.pid, Signal::KILL).unwrap();
    until("a worker without children", || run().is_err().then_some(()));
    until("a worker that works again", || run().is_ok().then_some(()));
    assert_ne!(net.processes()[0], Some(number));
    net.close().unwrap();
}

/// In a process that was told to ignore how its children end, before it was this program.
pub(crate) fn deaf() {
    let dies = Callable::host_function("dies", |_| std::process::exit(3));
    let node = Worker::node().subs(1).callable(&dies).callable(&count()).start().unwrap();
    let error = node.run(|orch| orch.submit(&dies).go().map(drop)).unwrap_err().to_string();
    assert!(error.contains("exited with code 3"), "{error}");
    assert_works(&node, 2);
    node.close().unwrap();
}

pub(crate) fn how_a_child_ended_is_known_where_ends_are_ignored() {
    let output = Command::new("bash")
        .args(["-c", "trap '' CHLD; exec \"$0\" --case stray::deaf"])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn a_worker_that_is_dropped_last_by_its_own_run_is_closed() {
    let before = Held::now();
    let node = Arc::new(Worker::node().subs(2).callable(&count()).start().unwrap());
    let (go, last) = (Arc::new(Event::new()), Arc::downgrade(&node));
    let (held, told, alone) = (Arc::clone(&node), Arc::clone(&go), last.clone());
    let run = node
        .launch(move |orch| {
            let x = orch.alloc(&[4], DataType::F32)?;
            orch.submit(&count()).inout(&x).go()?;
            told.wait_until(None, || (alone.strong_count() == 1).then_some(()));
            drop(held);
            Ok(())
        })
        .unwrap();
    drop(node);
    go.notify_all();
    let result = run.wait();
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    assert!(last.upgrade().is_none());
    until("the end of all children", || process::descendants().unwrap().is_empty().then_some(()));
    drop(go);
    until("the end of its threads", || (process::thread_names().unwrap().len() == 1).then_some(()));
    before.assert_same();
}
