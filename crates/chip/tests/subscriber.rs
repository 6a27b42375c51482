//! A subscriber that panics ends no run: one of its own, as it is for the whole process.
mod common;

use common::dog;
use prewire_chip::{Chip, Core, Error, KernelError};
use prewire_test_support::Throws;

#[test]
fn the_first_error_is_the_runs_although_what_is_told_of_the_others_throws() {
    let _dog = dog();
    Throws::install();
    let chip = Chip::sim(prewire_a2a3::a2a3()).build().unwrap();
    let fails = chip.kernel("fails", Core::Aiv, |_| Err(KernelError::new("on purpose"))).unwrap();
    for _ in 0..20 {
        let failed = chip.run(|orch| (0..100).try_for_each(|_| orch.submit(&fails).go().map(drop)));
        assert!(
            matches!(&failed, Err(Error::Task(failure)) if failure.error.to_string().contains("on purpose"))
        );
    }
    assert!(Throws::thrown() > 0, "errors after the first are told of");
    // A run that nobody waits for.
    drop(chip.launch(move |orch| orch.submit(&fails).go().map(drop)).unwrap());
    chip.run(|_| Ok(())).unwrap();
}
