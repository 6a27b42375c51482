//! What a kernel of a library is given.

use prewire_chip::{Chip, Core, DataType, Mix, RingSizes};

use crate::Case;
use crate::compile::{kernel, library};

pub(crate) const CASES: &[Case] = &[
    ("arguments::a_chain_computes_what_it_should", a_chain_computes_what_it_should),
    (
        "arguments::a_kernel_sees_the_tensors_that_were_submitted",
        a_kernel_sees_the_tensors_that_were_submitted,
    ),
    ("arguments::a_window_has_the_arguments_that_it_was_given", a_window_has_the_arguments_that_it_was_given),
    ("arguments::blocks_and_cores_say_who_they_are", blocks_and_cores_say_who_they_are),
    ("arguments::rust_and_c_are_parts_of_one_mix", rust_and_c_are_parts_of_one_mix),
];

fn chip() -> Chip {
    Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap()
}

fn a_chain_computes_what_it_should() {
    for seeded in [false, true] {
        let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(8);
        let chip = if seeded { builder.seed(11) } else { builder }.build().unwrap();
        let add = kernel(
            &chip,
            "add",
            Core::Aiv,
            "union { int64_t bits; float value; } by = { args[3] };
             for (uint32_t i = 0; i < TENSOR(0)->shape[0]; i++) FLOATS(2)[i] = FLOATS(0)[i] + FLOATS(1)[i] + by.value;",
        );
        let (a, b) = (chip.tensor(&[1.0f32; 64], &[64]).unwrap(), chip.tensor(&[2.0f32; 64], &[64]).unwrap());
        let out = chip.zeros::<f32>(&[64]).unwrap();
        let report = chip
            .run(|orch| {
                let mut last =
                    orch.submit(&add).input(&a).input(&b).output(&[64], DataType::F32).scalar(0.5f32).go()?;
                for _ in 0..20 {
                    last = orch
                        .submit(&add)
                        .input(&last)
                        .input(&b)
                        .output(&[64], DataType::F32)
                        .scalar(1.0f32)
                        .go()?;
                }
                orch.submit(&add).input(&last).input(&a).output_into(&out).scalar(0.0f32).go().map(drop)
            })
            .unwrap();
        assert_eq!(report.tasks, 22);
        assert_eq!(chip.read::<f32>(&out).unwrap(), [3.5 + 20.0 * 3.0 + 1.0; 64]);
    }
}

/// Every field, as words, of a tensor that is whole, one that is a part, and one that the task makes; and the scalars
/// behind them.
fn a_kernel_sees_the_tensors_that_were_submitted() {
    let chip = chip();
    let tell = kernel(
        &chip,
        "tell",
        Core::Aic,
        "uint64_t *out = (uint64_t *)(uintptr_t)TENSOR(3)->addr;
         for (int i = 0; i < 4; i++) {
             tensor *t = TENSOR(i);
             uint64_t *row = out + 20 * i;
             uint64_t fields[19] = {t->addr, t->size, t->owner, t->start, t->version, t->ndims, t->dtype, t->manual,
                                    t->contiguous, t->extent, t->shape[0], t->shape[1], t->shape[2], t->strides[0],
                                    t->strides[1], t->strides[2], (uintptr_t)t % 64, args[4], args[5]};
             for (int f = 0; f < 19; f++) row[f] = fields[f];
         }",
    );
    let whole = chip.zeros::<f32>(&[6, 4]).unwrap();
    let part = whole.view(&[3, 1], &[2, 3]).unwrap();
    let told = chip.zeros::<u64>(&[4, 20]).unwrap();
    let mut made = None;
    chip.run(|orch| {
        let task = orch
            .submit(&tell)
            .input(&whole)
            .input(&part)
            .output(&[2, 2, 2], DataType::I8)
            .output_into(&told)
            .scalar(7u64)
            .scalar(u64::MAX)
            .go()?;
        made = Some(task.id());
        Ok(())
    })
    .unwrap();
    let rows = chip.read::<u64>(&told).unwrap();
    let row = |i: usize| &rows[20 * i..20 * i + 19];
    let base = row(0)[0];
    let none = u64::MAX;
    let (f32s, i8s, u64s) =
        (u64::from(DataType::F32.code()), u64::from(DataType::I8.code()), u64::from(DataType::U64.code()));
    assert!(base != 0 && base % 1024 == 0);
    assert_eq!(row(0), [base, 96, none, 0, 0, 2, f32s, 0, 1, 24, 6, 4, 0, 4, 1, 0, 0, 7, u64::MAX]);
    assert_eq!(row(1), [base, 96, none, 13, 0, 2, f32s, 0, 0, 7, 2, 3, 0, 4, 1, 0, 0, 7, u64::MAX]);
    let (made, addr) = (made.unwrap().raw(), row(2)[0]);
    assert!(addr != 0 && addr % 1024 == 0);
    assert_eq!(row(2), [addr, 8, made, 0, 0, 3, i8s, 0, 1, 8, 2, 2, 2, 4, 2, 1, 0, 7, u64::MAX]);
    assert_eq!(row(3)[1..12], [640, none, 0, 0, 2, u64s, 0, 1, 80, 4, 20]);
}

/// A scope that holds as many tasks as it can, a window but for one, each with as many tensors and scalars as there can
/// be: the words that the C interface gives a slot are enough, those that a ring has by default are not.
fn a_window_has_the_arguments_that_it_was_given() {
    const WINDOW: u32 = 256;
    let tasks = u64::from(WINDOW - 1);
    for (words, fits) in [(32, false), (416, true)] {
        let sizes = RingSizes::default().with_window(WINDOW).with_args(words);
        let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).rings(sizes).build().unwrap();
        let body = "uint32_t sum = 0;
            for (int i = 0; i < 31; i++) sum += WORDS(i)[i] + args[32 + i % 16];
            WORDS(31)[0] = sum;";
        let sum = kernel(&chip, "sum", Core::Aiv, body);
        let numbers: Vec<u32> = (0..64).collect();
        let (all, out) = (chip.tensor(&numbers, &[64]).unwrap(), chip.zeros::<u32>(&[1]).unwrap());
        let result = chip.run(|orch| {
            for task in 0..tasks {
                let submit = (0..31).fold(orch.submit(&sum), |submit, _| submit.input(&all));
                let last = task == tasks - 1;
                let submit = if last { submit.output_into(&out) } else { submit.output(&[1], DataType::U32) };
                (0..16).fold(submit, |submit, i| submit.scalar(task + i)).go()?;
            }
            Ok(())
        });
        assert_eq!(result.is_ok(), fits, "{words} words a slot: {result:?}");
        let expected: u64 = (0..31u64).map(|i| i + tasks - 1 + i % 16).sum();
        let expected = if fits { expected } else { 0 };
        assert_eq!(chip.read::<u32>(&out).unwrap(), [expected as u32]);
    }
}

fn blocks_and_cores_say_who_they_are() {
    let chip = chip();
    let source = "
        static uint32_t (*subblock)(void);
        static void *(*shared)(uint64_t, size_t);
        void pto_sim_register_hooks(void *a, void *b) {
            subblock = (uint32_t (*)(void))a;
            shared = (void *(*)(uint64_t, size_t))b;
        }
        void kernel_entry(int64_t *args) {
            volatile uint32_t *mine = WORDS(0) + 8 * LOCAL->block + 4 * args[1];
            mine[0] = LOCAL->blocks;
            mine[1] = GLOBAL->subblock + 10 * subblock();
            mine[2] = __atomic_add_fetch((uint32_t *)shared(5, 4), 1, __ATOMIC_ACQ_REL);
            mine[3] = 1;
        }";
    let either = library("who", source);
    let second = source.replace("4 * args[1]", "4 * args[2]");
    let second = library("who else", &second);
    let first = chip.kernel_of(&either, "who", None).unwrap();
    let second = chip.kernel_of(&second, "who else", Some(Core::Aiv)).unwrap();
    let both = chip.mix("both", Mix { aiv0: Some(&first), aiv1: Some(&second), aic: None }).unwrap();
    let out = chip.zeros::<u32>(&[8, 2, 4]).unwrap();
    for _ in 0..2 {
        chip.run(|orch| {
            orch.submit(&both)
                .output_into(&out)
                .scalar(0u64)
                .scalar(1u64)
                .blocks(8)
                .sync_start()
                .go()
                .map(drop)
        })
        .unwrap();
        let told = chip.read::<u32>(&out).unwrap();
        for block in told.chunks(8) {
            assert_eq!((block[0], block[4], block[3], block[7]), (8, 8, 1, 1));
            assert_eq!((block[1], block[5]), (0, 11), "the vector cores of a cluster, asked in two ways");
            // Each cluster has a count of its own, anew in each run, and both of its cores have raised it.
            let mut counts = [block[2], block[6]];
            counts.sort_unstable();
            assert_eq!(counts, [1, 2]);
        }
    }
}

fn rust_and_c_are_parts_of_one_mix() {
    let chip = chip();
    let c = kernel(&chip, "c", Core::Aiv, "wait_for(WORDS(0), 1); WORDS(0)[1] = 5; arrive(WORDS(0));");
    let rust = chip
        .kernel("rust", Core::Aic, |k| {
            k.output_at::<u32>(0, &[2], &[1])?.fill(k.scalar::<u32>(0)?);
            let first = k.output_at::<u32>(0, &[0], &[1])?.as_mut_ptr();
            // SAFETY: the C kernel uses the word atomically too.
            unsafe { prewire_sync::atomic::AtomicU32::from_ptr(first) }
                .fetch_add(1, prewire_sync::atomic::Ordering::AcqRel);
            Ok(())
        })
        .unwrap();
    let both = chip.mix("both", Mix { aic: Some(&rust), aiv0: Some(&c), aiv1: None }).unwrap();
    let words = chip.zeros::<u32>(&[3]).unwrap();
    chip.run(|orch| orch.submit(&both).output_into(&words).scalar(9u32).go().map(drop)).unwrap();
    assert_eq!(chip.read::<u32>(&words).unwrap(), [2, 5, 9]);
}
