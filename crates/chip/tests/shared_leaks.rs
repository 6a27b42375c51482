//! Shared memory goes with the last who use it. One test, alone in its process: the whole process is counted.
mod common;

use common::{add, dog};
use prewire_chip::{Chip, DataType, SharedMemory};
use prewire_test_support::Held;

#[test]
fn nothing_is_left_of_chips_that_shared_memory() {
    let _dog = dog();
    let cycle = || {
        let memory = SharedMemory::new(prewire_os::Mapping::new(1 << 20).unwrap());
        let chip = || Chip::sim(prewire_a2a3::a2a3()).clusters(4).build().unwrap();
        let chips = [chip(), chip()];
        let adopted = [chips[0].adopt(&memory).unwrap(), chips[1].adopt(&memory).unwrap()];
        let at = chips[0].allocate(100_000).unwrap();
        chips[0].download(at, 0, &memory, 0..100_000).unwrap();
        for (chip, adopted) in chips.iter().zip(&adopted) {
            let (add, x) = (add(chip), adopted.tensor(4096, &[64], DataType::I32).unwrap());
            chip.run(|orch| orch.submit(&add).inout(&x).scalar(1i32).go().map(drop)).unwrap();
        }
        assert_eq!(memory.view::<i32>(4096, 64).unwrap().to_vec(), [2; 64]);
    };
    let fresh = Held::now();
    (0..5).for_each(|_| cycle());
    let before = fresh.assert_same();
    (0..60).for_each(|_| cycle());
    before.assert_grew_at_most(16, 32 << 20);
}
