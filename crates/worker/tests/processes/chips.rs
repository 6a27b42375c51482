//! Chips in processes of their own: what they compute, what is lost with them, and that their replacements are new.

use std::time::Duration;

use prewire_chip::{Chip, ChipBuilder, Core, DataType};
use prewire_os::process::{self, Signal};
use prewire_worker::{Args, Builder, Callable, Error, Level, Reason, Worker};

use super::{Heard, count, pid, replaced_by};

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(1)
}

/// `x = x + 1` on a chip; its first program registers the kernel.
fn raise() -> Callable {
    Callable::chip_program("raise", |chip| {
        let raise = chip.kernel("raise", Core::Aiv, |k| {
            k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x += 1.0);
            Ok(())
        })?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, args: &Args<'_>| {
            orch.submit(&raise).inout(&args.tensor(0)?).go().map(drop)
        })
    })
}

/// A kernel that never returns.
fn stuck() -> Callable {
    Callable::chip_program("stuck", |chip| {
        let stuck = chip.kernel("stuck kernel", Core::Aiv, |_| {
            eprintln!("it is stuck");
            loop {
                std::thread::park();
            }
        })?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, _: &Args<'_>| orch.submit(&stuck).go().map(drop))
    })
}

/// A kernel that ends its process as a wild pointer would.
fn crash() -> Callable {
    Callable::chip_program("crash", |chip| {
        let crash = chip.kernel("crash", Core::Aiv, |_| {
            let _ = process::kill_self(Signal::SEGV);
            Ok(())
        })?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, _: &Args<'_>| orch.submit(&crash).go().map(drop))
    })
}

fn tree(chip: ChipBuilder) -> Builder {
    let tree = Worker::node().chips(2, chip).subs(1);
    [&raise(), &stuck(), &crash(), &count()].into_iter().fold(tree, |tree, callable| tree.callable(callable))
}

#[track_caller]
fn assert_raises(node: &Worker) {
    let x = node.zeros::<f32>(&[8]).unwrap();
    node.run(|orch| {
        for chip in ["chip0", "chip1", "chip0"] {
            orch.submit(&raise()).to(chip).inout(&x).go()?;
        }
        orch.submit(&count()).inout(&x).go().map(drop)
    })
    .unwrap();
    assert_eq!(node.read::<f32>(&x).unwrap(), [4.0; 8]);
}

pub(crate) fn a_kernel_that_crashes_takes_its_chip_along_and_no_other() {
    let node = tree(chip()).start().unwrap();
    let numbers = node.processes();
    assert_raises(&node);
    let x = node.zeros::<f32>(&[4]).unwrap();
    let result = node.run(|orch| {
        let crashed = orch.submit(&crash()).to("chip0").go()?;
        orch.submit(&raise()).to("chip1").inout(&x).after(&crashed).go()?;
        (0..10).try_for_each(|_| orch.submit(&raise()).to("chip1").inout(&x).go().map(drop))
    });
    let Err(Error::Task(failure)) = result else { panic!("its chip has crashed") };
    let text = failure.to_string();
    let Reason::Died(death) = &failure.reason else { panic!("{text}") };
    assert_eq!((death.pid, failure.worker.as_str()), (numbers[0], "node/chip0"));
    assert!(
        text.contains("SIGSEGV (11)") && text.contains("\"crash\"") && text.contains("chips.rs"),
        "{text}"
    );
    // What depends on it was skipped, and what depends on that.
    assert_eq!(failure.skipped, 11, "{text}");
    replaced_by(&node, 0, numbers[0].unwrap());
    assert_eq!(node.processes()[1..], numbers[1..]);
    assert_raises(&node);
    node.close().unwrap();
}

pub(crate) fn a_kernel_that_hangs_is_ended_with_its_process_at_the_deadline() {
    let node = tree(chip()).start().unwrap();
    let numbers = node.processes();
    let result = node.run(|orch| {
        orch.deadline(Duration::from_millis(300));
        orch.submit(&stuck()).to("chip1").go().map(drop)
    });
    let text = result.unwrap_err().to_string();
    assert!(text.contains("node/chip1") && text.contains("\"stuck\""), "{text}");
    // The chip says so a moment before the deadline; where it comes too late, its parent does.
    assert!(text.contains("kernel \"stuck kernel\"") || text.contains("300ms"), "{text}");
    replaced_by(&node, 1, numbers[1].unwrap());
    assert_raises(&node);
    node.close().unwrap();
}

pub(crate) fn a_chip_that_is_lost_says_so_and_is_replaced() {
    let chip = chip().deadline(Duration::from_millis(100)).patience(Duration::from_millis(100));
    let node = tree(chip).start().unwrap();
    let numbers = node.processes();
    // No deadline here: the chip's own is enough.
    let result = node.run(|orch| orch.submit(&stuck()).to("chip0").go().map(drop));
    let text = result.unwrap_err().to_string();
    assert!(text.contains("stuck kernel") && text.contains("node/chip0"), "{text}");
    replaced_by(&node, 0, numbers[0].unwrap());
    assert_raises(&node);
    node.close().unwrap();
}

pub(crate) fn memory_of_a_chip_that_was_replaced_is_gone_and_not_mistaken() {
    let node = tree(chip()).start().unwrap();
    let device = node.device("chip0").unwrap();
    let run =
        |x: &prewire_chip::Tensor| node.run(|orch| orch.submit(&raise()).to("chip0").inout(x).go().map(drop));
    let old = device.tensor(&[1.0f32; 4], &[4]).unwrap();
    run(&old).unwrap();
    assert_eq!(node.read::<f32>(&old).unwrap(), [2.0; 4]);
    let number = node.processes()[0].unwrap();
    process::kill(pid(number), Signal::KILL).unwrap();
    replaced_by(&node, 0, number);
    // The new chip hands out the same numbers again.
    let new = device.tensor(&[5.0f32; 4], &[4]).unwrap();
    for error in [
        run(&old).unwrap_err(),
        node.read::<f32>(&old).unwrap_err(),
        node.write(&old, &[0.0f32; 4]).unwrap_err(),
    ] {
        assert!(error.to_string().contains("no device allocation"), "{error}");
    }
    drop(old);
    run(&new).unwrap();
    assert_eq!(node.read::<f32>(&new).unwrap(), [6.0; 4]);
    let near = node.zeros::<f32>(&[4]).unwrap();
    device.copy_from(&new, &near).unwrap();
    assert_eq!(node.read::<f32>(&near).unwrap(), [6.0; 4]);
    node.close().unwrap();
}

pub(crate) fn a_run_below_ends_before_the_deadline_and_its_worker_lives_on() {
    let far = Callable::orchestration("far", |orch, args: &Args<'_>| {
        let x = orch.alloc(&[4], DataType::F32)?;
        let callable = if args.scalar::<u32>(0)? == 1 { stuck() } else { raise() };
        orch.submit(&callable).to("chip0").inout(&x).go().map(drop)
    });
    let net = Worker::network(4).child(tree(chip())).callable(&far).start().unwrap();
    let between = net.processes()[0];
    let result = net.run(|orch| {
        orch.deadline(Duration::from_secs(1));
        orch.submit(&far).to("worker0").scalar(1u32).go().map(drop)
    });
    let text = result.unwrap_err().to_string();
    assert!(text.contains("network1/worker0/chip0") && text.contains("\"stuck\""), "{text}");
    assert_eq!(net.processes()[0], between, "only the chip was killed");
    net.run(|orch| orch.submit(&far).to("worker0").scalar(0u32).go().map(drop)).unwrap();
    net.close().unwrap();
}

pub(crate) fn events_of_children_come_labelled_from_the_level_on_that_was_asked_for() {
    let logs = Callable::host_function("logs", |_| {
        tracing::info!("for your information");
        tracing::warn!(answer = 42, "watch out");
        Ok(())
    });
    for (level, expected) in [(Level::WARN, 0), (Level::INFO, 1)] {
        let heard = Heard::default();
        let tree = Worker::node().subs(1).callable(&logs).events(level).output(heard.output());
        let node = tree.start().unwrap();
        node.run(|orch| orch.submit(&logs).go().map(drop)).unwrap();
        node.close().unwrap();
        let (all, has) =
            (heard.all(), |text: &str| heard.all().iter().filter(|line| line.contains(text)).count());
        assert_eq!(
            (has("watch out"), has("answer=42"), has("for your information")),
            (1, 1, expected),
            "{all:?}"
        );
    }
}

pub(crate) fn a_tree_that_ends_in_order_says_nothing() {
    let heard = Heard::default();
    let net = Worker::network(4).child(tree(chip()).subs(2)).output(heard.output()).start().unwrap();
    net.close().unwrap();
    assert_eq!(heard.all(), [""; 0]);
}
