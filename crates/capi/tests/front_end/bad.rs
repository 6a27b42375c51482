//! What a front end may hand over that is not what it should be: each is refused with a line that names it, and the context
//! can be used afterwards.

use crate::api::{Api, built};
use crate::compile;
use crate::worker::{Worker, args, callable, floats};
use prewire_abi::{ArgDirection, CallConfig, ChipTensor, DataType};

/// That the context is as good as it was.
fn still_good(worker: &mut Worker<'_>) {
    assert_eq!(worker.register(63, &compile::with("many", &[], &[4])), 0);
    assert_eq!(worker.run(63, &args(&[], &[2]), &CallConfig::default()), 0);
    assert_eq!(worker.unregister(63), 0);
}

const CHILD_COUNT: usize = 9292;
const CHILD_OFFSETS: usize = 5196;
const BINARY_SIZE: usize = 1028;

pub(crate) fn callables_that_are_none() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    let good = compile::with("many", &[], &[4]);
    let changed = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        bytes
    };
    for (what, bytes) in [
        ("a negative count of children", changed(CHILD_COUNT, u32::MAX)),
        ("too many children", changed(CHILD_COUNT, 1025)),
        ("a child outside of the buffer", changed(CHILD_OFFSETS, 0x7fff_ffc0)),
        ("a child far outside of it", changed(CHILD_OFFSETS, 0xffff_ffc0)),
        ("a child in the orchestration", changed(CHILD_OFFSETS, 0)),
        ("a child that is not aligned", changed(CHILD_OFFSETS, 33)),
        ("a library of 4 GiB", changed(BINARY_SIZE, u32::MAX)),
        ("a signature of -1", changed(1024, u32::MAX)),
        ("a signature of 257", changed(1024, 257)),
        ("a direction of 4", {
            let mut bytes = changed(1024, 1);
            bytes[..4].copy_from_slice(&4u32.to_ne_bytes());
            bytes
        }),
        ("a name without an end", {
            let mut bytes = good.clone();
            bytes[1032..1096].fill(b'x');
            bytes
        }),
        ("no orchestration", callable(&[], &[], "many", &[])),
        ("an orchestration that is text", callable(&[], b"this is no library at all", "many", &[])),
        ("one that was cut", callable(&[], &compile::program()[..4000], "many", &[])),
        ("an entry that it has not", callable(&[], compile::program(), "nobody", &[])),
        ("an orchestration that is a kernel", callable(&[], &compile::kernel(4), "kernel_entry", &[])),
        ("a kernel that is text", callable(&[], compile::program(), "many", &[(0, b"no kernel")])),
        (
            "a kernel that is an orchestration",
            callable(&[], compile::program(), "many", &[(0, compile::program())]),
        ),
        ("two kernels of one number", {
            let kernel = compile::kernel(4);
            callable(&[], compile::program(), "many", &[(4, &kernel), (4, &kernel)])
        }),
    ] {
        assert_eq!(worker.register(0, &bytes), -1, "{what}");
        assert_eq!(worker.run(0, &args(&[], &[1]), &CallConfig::default()), -1, "{what}");
    }
    // The buffer ends with the memory that there is.
    let mut pages: Vec<_> = (0..16).map(|_| prewire_os::Mapping::new(1 << 20).unwrap()).collect();
    pages.sort_by_key(|pages| pages.as_ptr());
    let after = |pages: &prewire_os::Mapping| pages.as_ptr().wrapping_add(pages.len());
    let pair = pages.windows(2).position(|pair| after(&pair[0]) == pair[1].as_ptr()).unwrap();
    drop(pages.remove(pair + 1));
    let end = after(&pages[pair]);
    for cut in [good.len() - 8, 9376, 5000, 64] {
        let start = end.wrapping_sub(cut);
        // SAFETY: the last bytes of a mapping that nobody else has.
        unsafe { core::ptr::copy_nonoverlapping(good.as_ptr(), start, cut) };
        // SAFETY: what is after it is another mapping or none; what cannot be read is refused.
        let registered = unsafe { (api.simpler_register_callable)(worker.ctx, 0, start.cast()) };
        assert_eq!(registered, -1, "{cut} of {} bytes", good.len());
    }
    for nowhere in [0, 8, 1 << 60] {
        // SAFETY: as above.
        let registered =
            unsafe { (api.simpler_register_callable)(worker.ctx, 0, core::ptr::without_provenance(nowhere)) };
        assert_eq!(registered, -1, "{nowhere:#x}");
    }
    assert_eq!(worker.loads(), 0);
    still_good(&mut worker);
}

pub(crate) fn arguments_that_are_none() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    assert_eq!(worker.register(0, &compile::vector()), 0);
    let data = vec![1f32; 64];
    let [a, b] = [floats(&data), floats(&data)];
    let null = ChipTensor::contiguous(0, &[64], DataType::F32).unwrap();
    let huge = ChipTensor::contiguous(0x10_0000, &[u32::MAX, 1 << 24], DataType::F32).unwrap();
    let config = CallConfig::default();
    for (what, tensors) in [
        ("none at all", &[][..]),
        ("fewer than the signature names", &[a, b]),
        ("one at address 0", &[a, b, null]),
        ("one that is larger than all memory", &[a, b, huge]),
        ("one that is zeros", &[a, b, bytemuck::Zeroable::zeroed()]),
    ] {
        assert_eq!(worker.run(0, &args(tensors, &[]), &config), -1, "{what}");
        assert_eq!(worker.prepare(1, 0, &args(tensors, &[]), &config), -1, "{what}");
    }
    // Counts that lie: the first is at byte 33792 of the record.
    for (at, count) in [(33792, -1i32), (33792, 257), (33792, i32::MAX), (33796, -1), (33796, 129)] {
        let mut lies = args(&[a, b, a], &[]);
        bytemuck::bytes_of_mut(&mut *lies)[at..at + 4].copy_from_slice(&count.to_ne_bytes());
        assert_eq!(worker.run(0, &lies, &config), -1, "{count} at {at}");
    }
    for id in [-1, 1, 63, 64, i32::MAX, i32::MIN] {
        assert_eq!(worker.run(id, &args(&[a, b, a], &[]), &config), -1, "callable {id}");
    }
    let f = vec![0f32; 64];
    assert_eq!(worker.run(0, &args(&[a, b, floats(&f)], &[]), &config), 0);
    still_good(&mut worker);
}

pub(crate) fn a_configuration_of_the_orchestration_is_asked() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let mut worker = Worker::new(&api, 0);
    let wants = |count: &str| {
        let parts = prewire_abi::ChipCallableParts {
            signature: &[ArgDirection::In],
            binary: compile::program(),
            func_name: "nothing",
            config_name: count,
            children: &[],
        };
        prewire_abi::ChipCallable::encode(&parts).unwrap()
    };
    assert_eq!(worker.register(0, &wants("wants_one")), 0);
    assert_eq!(worker.register(1, &wants("wants_five")), 0);
    let data = vec![1f32; 64];
    let one = args(&[floats(&data)], &[]);
    assert_eq!(worker.run(0, &one, &CallConfig::default()), 0);
    assert!(worker.run(1, &one, &CallConfig::default()) < 0);
    still_good(&mut worker);
}
