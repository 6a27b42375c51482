//! Device memory of chips that are children: made, copied, passed to tasks, given back.

use prewire_chip::{Chip, ChipBuilder, Core};
use prewire_test_support::Watchdog;
use prewire_worker::{Args, Callable, Worker};

use crate::common::{LIMIT, axpy, says};

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(1)
}

/// `x = x + 1` on a chip.
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

fn node() -> Worker {
    let tree = Worker::node().chips(2, chip()).subs(1).callable(&raise()).callable(&axpy());
    tree.device_quota(1 << 20).threads().start().unwrap()
}

#[test]
fn device_memory_is_zero_holds_what_is_written_and_is_copied_both_ways() {
    let _watchdog = Watchdog::new(LIMIT);
    let node = node();
    let chip = node.device("chip1").unwrap();
    assert_eq!(chip.path(), "node/chip1");
    chip.ping().unwrap();
    let zeros = chip.zeros::<u32>(&[100]).unwrap();
    assert_eq!(node.read::<u32>(&zeros).unwrap(), [0; 100]);
    // More than one request holds.
    let data: Vec<u32> = (0..50_000).collect();
    let far = chip.tensor(&data, &[200, 250]).unwrap();
    assert_eq!(node.read::<u32>(&far).unwrap(), data);
    let near = node.zeros::<u32>(&[50_000]).unwrap();
    chip.copy_from(&far, &near).unwrap();
    assert_eq!(node.read::<u32>(&near).unwrap(), data);
    let (rows, few) = (far.slice(0, 2..4).unwrap(), near.slice(0, 0..500).unwrap());
    chip.copy_to(&rows, &few).unwrap();
    let read = node.read::<u32>(&far).unwrap();
    assert!(read[500..1000] == data[..500] && read[..500] == data[..500] && read[1000..] == data[1000..]);
    let column = far.slice(1, 7..8).unwrap();
    node.write(&column, &[u32::MAX; 200]).unwrap();
    assert_eq!(node.read::<u32>(&column).unwrap(), [u32::MAX; 200]);
    let read = node.read::<u32>(&far).unwrap();
    assert_eq!(read.iter().filter(|x| **x == u32::MAX).count(), 200);
}

#[test]
fn tasks_work_on_device_memory_of_their_chip_in_order() {
    let _watchdog = Watchdog::new(LIMIT);
    let (node, raise, axpy) = (node(), raise(), axpy());
    let chips = ["chip0", "chip1"];
    let far = chips.map(|chip| node.device(chip).unwrap().zeros::<f32>(&[8]).unwrap());
    let near = node.zeros::<f32>(&[8]).unwrap();
    let report = node
        .run(|orch| {
            for _ in 0..20 {
                for (chip, far) in chips.iter().zip(&far) {
                    orch.submit(&raise).to(chip).inout(far).go()?;
                }
            }
            let half = far[0].slice(0, 0..4).map_err(prewire_worker::Error::from)?;
            orch.submit(&raise).to("chip0").inout(&half).go().map(drop)
        })
        .unwrap();
    assert_eq!(report.executed, 41);
    assert_eq!(node.read::<f32>(&far[0]).unwrap(), [21.0, 21.0, 21.0, 21.0, 20.0, 20.0, 20.0, 20.0]);
    assert_eq!(node.read::<f32>(&far[1]).unwrap(), [20.0; 8]);
    let refused = node.run(|orch| orch.submit(&raise).to("chip1").inout(&far[0]).go().map(drop)).unwrap_err();
    says(&refused, &["device memory of chip0", "argument 0"]);
    let refused =
        node.run(|orch| orch.submit(&axpy).input(&far[0]).inout(&near).scalar(1.0f32).go().map(drop));
    says(&refused.unwrap_err(), &["device memory of chip0"]);
    let refused = node.run(|orch| orch.read::<f32>(&far[0], &[0]).map(drop)).unwrap_err();
    says(&refused, &["device memory of node/chip0", "between runs"]);
}

#[test]
fn quotas_hold_and_what_is_dropped_is_given_back() {
    let _watchdog = Watchdog::new(LIMIT);
    let node = Worker::node()
        .chips(1, chip().memory_limit(2 << 30))
        .device_quota(1 << 30)
        .callable(&raise())
        .threads()
        .start()
        .unwrap();
    let chip = node.device("chip0").unwrap();
    // Four times what the chip has: it must be told what was dropped.
    for _ in 0..8 {
        let most = chip.zeros::<u8>(&[1 << 30]).unwrap();
        assert_eq!(chip.used(), 1 << 30);
        let refused = chip.zeros::<u8>(&[1]).unwrap_err();
        says(&refused, &["malloc", "node/chip0", "1073741824 of the 1073741824", "device_quota"]);
        drop(most);
        assert_eq!(chip.used(), 0);
    }
    let x = chip.tensor(&[1.0f32; 4], &[4]).unwrap();
    let view = x.tensor();
    node.run(|orch| {
        orch.submit(&raise()).to("chip0").inout(&x).go()?;
        drop(x);
        // The run keeps it.
        Ok(())
    })
    .unwrap();
    assert_eq!(chip.used(), 0);
    says(&node.read::<f32>(&view).unwrap_err(), &["dropped"]);
    let refused = node.run(|orch| orch.submit(&raise()).to("chip0").inout(&view).go().map(drop)).unwrap_err();
    says(&refused, &["dropped"]);
}

#[test]
fn copies_that_make_no_sense_are_refused() {
    let _watchdog = Watchdog::new(LIMIT);
    let node = node();
    let chip = node.device("chip0").unwrap();
    says(&node.device("chip7").unwrap_err(), &["chip7", "chip0, chip1, sub0"]);
    says(&node.device("sub0").unwrap_err(), &["node/sub0", "no chip"]);
    let (far, near) = (chip.zeros::<f32>(&[8]).unwrap(), node.zeros::<f32>(&[8]).unwrap());
    let other = node.device("chip1").unwrap().zeros::<f32>(&[8]).unwrap();
    let ints = node.zeros::<u32>(&[8]).unwrap();
    says(&chip.copy_to(&near, &far).unwrap_err(), &["device memory of node/chip0"]);
    says(&chip.copy_to(&other, &near).unwrap_err(), &["device memory of node/chip0"]);
    says(&chip.copy_to(&far, &other).unwrap_err(), &["both are on chips"]);
    says(&chip.copy_to(&far, &ints).unwrap_err(), &["8 elements of"]);
    says(&chip.copy_from(&far, &near.slice(0, 0..4).unwrap()).unwrap_err(), &["8 elements", "4 elements"]);
    let column = node.zeros::<f32>(&[8, 2]).unwrap().tensor();
    says(&chip.copy_to(&far, &column).unwrap_err(), &["dropped"]);
    let grid = node.zeros::<f32>(&[8, 2]).unwrap();
    says(&chip.copy_to(&far, &grid.slice(1, 0..1).unwrap()).unwrap_err(), &["row after row"]);
    says(&node.write(&far, &[1.0f32; 7]).unwrap_err(), &["8 elements", "7"]);
    says(&node.read::<u32>(&far).unwrap_err(), &["dtype"]);
    let elsewhere = Worker::node().subs(1).threads().start().unwrap();
    let foreign = elsewhere.zeros::<f32>(&[8]).unwrap();
    says(&chip.copy_to(&far, &foreign).unwrap_err(), &["another chip or worker"]);
    node.run(|_| {
        says(&chip.copy_to(&far, &near).unwrap_err(), &["inside a run"]);
        Ok(())
    })
    .unwrap();
    let small = Worker::node().chips(1, self::chip().memory_limit(2 << 30)).threads().start().unwrap();
    let refused = small.device("chip0").unwrap().zeros::<u8>(&[3 << 30]).unwrap_err();
    says(&refused, &["malloc", "node/chip0", "device memory is exhausted"]);
}
