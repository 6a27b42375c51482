//! What a chip takes that does nothing. One test, alone in its process: the whole process is counted.
mod common;

use common::{dog, nop};
use prewire_chip::Chip;
use prewire_test_support::Held;

fn resident() -> u64 {
    Held::now().counts().resident
}

#[test]
fn an_idle_chip_with_the_usual_rings_takes_less_than_ten_megabytes() {
    const MOST: u64 = 10_000_000;
    let _dog = dog();
    let before = resident();
    let mut chips = Vec::new();
    for (spec, most) in [(prewire_a2a3::a2a3(), MOST), (prewire_a5::a5(), 2 * MOST)] {
        let chip = Chip::sim(spec).build().unwrap();
        let nop = nop(&chip);
        let built = resident().saturating_sub(before);
        assert!(built < most, "{built} bytes are resident for chips that have run nothing");
        chip.run(|orch| orch.submit(&nop).go().map(drop)).unwrap();
        chips.push(chip);
        let idle = resident().saturating_sub(before);
        assert!(idle < most, "{idle} bytes are resident for chips that have run a task each");
    }
    // That it is counted at all: what tasks touch stays.
    let nop = chips[0].kernel("another nop", prewire_chip::Core::Aiv, |_| Ok(())).unwrap();
    let before = resident();
    chips[0].run(|orch| (0..10_000).try_for_each(|_| orch.submit(&nop).go().map(drop))).unwrap();
    assert!(resident() > before + 10_000 * 64, "ten thousand slots of a cache line each");
}
