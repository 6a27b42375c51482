//! Two simulated chips in processes of their own and a host function in a third: the chips double a half each, and what
//! they leave in shared memory is summed without a copy.

use prewire::prelude::*;
use prewire::worker::Result;

fn main() -> Result<()> {
    let double = Callable::chip_program("double", |chip| {
        let kernel = chip.kernel("double", Core::Aiv, |k| {
            k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
            Ok(())
        })?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            orch.submit(&kernel).inout(&args.tensor(0)?).go().map(drop)
        })
    });
    let sum = Callable::host_function("sum", |args: &HostArgs<'_>| {
        let sum: f32 = args.input::<f32>(0)?.iter().sum();
        println!("the sum is {sum}"); // comes out of the parent, with a label
        args.output::<f32>(1)?.fill(sum);
        Ok(())
    });

    // First of all: children are forked from this process, which has to be a single thread for that.
    let tree = Worker::node().chips(2, Chip::sim(a2a3())).subs(1);
    let node = tree.callable(&double).callable(&sum).start()?;

    let x = node.tensor(&[1.5f32; 64], &[2, 32])?;
    let total = node.zeros::<f32>(&[1])?;
    let report = node.run(|orch| {
        for (half, chip) in (0..).zip(["chip0", "chip1"]) {
            orch.submit(&double).to(chip).inout(&x.slice(0, half..half + 1)?).go()?;
        }
        orch.submit(&sum).input(&x).output_into(&total).go()?; // waits for both
        Ok(())
    })?;

    assert_eq!(node.read::<f32>(&total)?, [192.0]);
    println!("{} tasks in {} processes", report.tasks, node.processes().iter().flatten().count());
    node.close()
}
