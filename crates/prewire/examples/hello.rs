//! Two additions on a simulated chip; the second waits for the first because it reads what the first writes.

use prewire::prelude::*;

fn main() -> prewire::Result<()> {
    let chip = Chip::sim(a2a3()).build()?;
    let add = chip.kernel("add", Core::Aiv, |k| {
        let (a, b) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
        let mut sum = k.output::<f32>(2)?;
        for (sum, (a, b)) in sum.as_mut_slice()?.iter_mut().zip(a.iter().zip(b.iter())) {
            *sum = a + b;
        }
        Ok(())
    })?;

    let x = chip.tensor(&[1.0f32; 64], &[8, 8])?;
    let y = chip.tensor(&[2.0f32; 64], &[8, 8])?;
    let out = chip.zeros::<f32>(&[8, 8])?;
    let report = chip.run(|orch| {
        // Fresh memory for the first sum, which lives as long as somebody may read it.
        let sum = orch.submit(&add).input(&x).input(&y).output(&[8, 8], DataType::F32).go()?;
        orch.submit(&add).input(&sum).input(&y).output_into(&out).go()?;
        Ok(())
    })?;

    let got = chip.read::<f32>(&out)?;
    assert_eq!(got, [5.0; 64]);
    println!("{} tasks, every element is {}", report.tasks, got[0]);
    Ok(())
}
