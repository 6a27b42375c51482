//! Contexts and their memory: made, used and given back, again and again.

use crate::api::{Api, built};
use crate::worker::{Worker, rings};
use prewire_abi::CallConfig;
use prewire_test_support::Held;

pub(crate) fn a_context_has_one_device_at_a_time() {
    let api = Api::load(&built());
    let worker = Worker::bare(&api);
    assert_eq!(worker.register(0, &[]), -1, "there is no device yet");
    assert_eq!(worker.init(-1, None), -1);
    for device in [3, 0] {
        assert_eq!(worker.init(device, None), 0);
        assert_eq!(worker.init(device, None), -1, "it has one");
        assert_eq!(worker.finalize(), 0);
        assert_eq!(worker.finalize(), 0, "there is nothing more to give back");
    }
    let mut bad = rings(5, 0, 0);
    assert_eq!(worker.init(1, Some(&bad)), -1, "a window is a power of two");
    bad = rings(8, 1 << 50, 0);
    assert_eq!(worker.init(1, Some(&bad)), -1, "no machine has so much memory");
    assert_eq!(worker.init(1, Some(&rings(8, 0, 0))), 0, "what failed left nothing");
}

pub(crate) fn memory_is_counted_checked_and_copied() {
    let api = Api::load(&built());
    let worker = Worker::new(&api, 0);
    let none = worker.committed();
    let at = worker.malloc(1 << 20);
    assert!(!at.is_null() && at.addr().is_multiple_of(1024));
    assert_eq!(worker.committed(), none + (1 << 20));
    let (data, mut copy) = (vec![7u8; 4096], vec![0u8; 4096]);
    let inner = at.wrapping_byte_add(100);
    assert_eq!((worker.write(inner, &data), worker.read(inner, &mut copy)), (0, 0));
    assert_eq!(copy, data);
    let last = at.wrapping_byte_add((1 << 20) - 4095);
    assert_eq!((worker.write(last, &data), worker.read(last, &mut copy)), (-1, -1), "a byte too far");
    assert_eq!(worker.write(core::ptr::null_mut(), &data), -1);
    assert_eq!(worker.write(data.as_ptr().cast_mut().cast(), &data), -1, "that is the host's");
    let other = Worker::new(&api, 1);
    assert_eq!(other.write(at, &data), -1, "that is another device's");
    other.free(at);
    worker.free(inner);
    worker.free(core::ptr::null_mut());
    assert_eq!(worker.committed(), none + (1 << 20), "nothing was freed");
    worker.free(at);
    assert_eq!((worker.committed(), worker.read(at, &mut copy)), (none, -1));
    assert!(worker.malloc(usize::MAX).is_null() && worker.malloc(1 << 62).is_null());
    assert!(!worker.malloc(0).is_null());
}

pub(crate) fn handles_that_are_none_are_refused() {
    let api = Api::load(&built());
    let worker = Worker::new(&api, 0);
    let mut gone = Worker::new(&api, 0);
    assert_eq!(gone.finalize(), 0);
    // SAFETY: a context; its handle is used below to show that it is none any more.
    unsafe { (api.destroy_device_context)(gone.ctx) };
    for handle in [gone.ctx, core::ptr::null_mut(), core::ptr::without_provenance_mut(0xdead_beef)] {
        gone.ctx = handle;
        assert!(gone.malloc(8).is_null());
        assert_eq!(
            (gone.init(0, None), gone.finalize(), gone.register(0, &[]), gone.unregister(0)),
            (-1, -1, -1, -1)
        );
        assert_eq!((gone.committed(), gone.loads()), (0, 0));
        assert_eq!((gone.launch(0), gone.poll(0), gone.wait(0), gone.finish(0)), (-1, -1, -1, -1));
        assert_eq!(gone.run(0, &crate::worker::args(&[], &[]), &CallConfig::default()), -1);
        // SAFETY: what is no context is refused.
        unsafe { (api.destroy_device_context)(handle) };
    }
    gone.ctx = worker.ctx;
    std::mem::forget(gone);
}

pub(crate) fn contexts_leave_nothing_behind() {
    let api = Api::load(&built());
    let cycle = |device| {
        let worker = Worker::bare(&api);
        assert_eq!(worker.init(device, Some(&rings(64, 1 << 20, 64))), 0);
        assert!(!worker.malloc(1 << 20).is_null(), "left to be freed with the device");
    };
    // The first makes what the process keeps: thread-local memory, the log.
    for device in 0..3 {
        cycle(device);
    }
    let before = Held::now();
    for device in 0..200 {
        cycle(device);
    }
    // The allocator may give threads arenas of their own, some for each processor.
    before.assert_grew_at_most(64, 8 << 20);
}

pub(crate) fn a_device_has_neither_workspaces_nor_streams() {
    let api = Api::load(&built());
    let worker = Worker::new(&api, 0);
    let provision = |mask| {
        // SAFETY: a context, and no bytes.
        unsafe { (api.simpler_provision_dma_workspace)(worker.ctx, mask, core::ptr::null(), 0) }
    };
    assert_eq!((provision(0), provision(1)), (0, -2));
    for count in [api.get_host_dlopen_count, api.get_run_stream_set_create_count] {
        // SAFETY: a context.
        assert_eq!(unsafe { count(worker.ctx) }, 0);
    }
    // SAFETY: as above.
    assert_eq!(unsafe { (api.supports_concurrent_native_prepare_ctx)(worker.ctx) }, 1);
}
