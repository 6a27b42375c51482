//! Several contexts, processes and copies of the library at a time.

use crate::api::{Api, built};
use crate::compile;
use crate::worker::{Worker, args, floats};
use libloading::os::unix::Library;
use prewire_abi::CallConfig;
use prewire_os::process::{self, Exit, Fork, Pid};
use prewire_sync::atomic::{AtomicBool, Ordering};
use prewire_test_support::Held;
use std::ffi::c_int;

fn vector(worker: &mut Worker<'_>, id: i32) {
    let (a, b, f) = (vec![2f32; 64], vec![3f32; 64], vec![0f32; 64]);
    assert_eq!(worker.run(id, &args(&[floats(&a), floats(&b), floats(&f)], &[]), &CallConfig::default()), 0);
    assert!(std::hint::black_box(f).iter().all(|&x| x == 47.0));
}

pub(crate) fn devices_of_one_process_run_at_the_same_time() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let bytes = compile::vector();
    std::thread::scope(|threads| {
        for device in 0..3 {
            let (api, bytes) = (&api, &bytes);
            threads.spawn(move || {
                let mut worker = Worker::new(api, device);
                assert_eq!(worker.register(device, bytes), 0);
                (0..50).for_each(|_| vector(&mut worker, device));
            });
        }
    });
}

pub(crate) fn copies_of_the_library_know_nothing_of_each_other() {
    if compile::compiler().is_none() {
        return;
    }
    let copy = built().with_file_name(format!("copy-{}.so", std::process::id()));
    std::fs::copy(built(), &copy).unwrap();
    let apis = [Api::load(&built()), Api::load(&copy)];
    std::fs::remove_file(&copy).unwrap();
    let bytes = compile::vector();
    let mut workers = [Worker::new(&apis[0], 0), Worker::new(&apis[1], 0)];
    for worker in &mut workers {
        assert_eq!(worker.register(0, &bytes), 0);
    }
    for _ in 0..10 {
        workers.iter_mut().for_each(|worker| vector(worker, 0));
    }
    // SAFETY: a handle of the other copy, which this one does not know under that number or has one of its own.
    assert_eq!(workers[0].ctx.addr(), workers[1].ctx.addr(), "each counts for itself");
    assert_eq!(workers[0].finalize(), 0);
    vector(&mut workers[1], 0);
}

/// The linker keeps a library as long as a thread lives that has something of it to clean up when it ends.
pub(crate) fn the_library_goes_with_the_last_thread_that_ran_in_it() {
    if compile::compiler().is_none() {
        return;
    }
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.ends_with("/libhost_runtime.so")).count()
    };
    let bytes = compile::with("many", &[], &[4]);
    let life = || {
        let api = Api::load(&built());
        let mut worker = Worker::new(&api, 0);
        assert_eq!(worker.register(0, &bytes), 0);
        assert_eq!(worker.run(0, &args(&[], &[10]), &CallConfig::default()), 0);
        assert!(mapped() > 0);
    };
    std::thread::scope(|threads| threads.spawn(life).join()).unwrap();
    // What nobody uses any more goes when the next library is closed.
    let copy = built().with_file_name(format!("other-{}.so", std::process::id()));
    std::fs::copy(built(), &copy).unwrap();
    drop(Api::load(&copy));
    std::fs::remove_file(&copy).unwrap();
    assert_eq!(mapped(), 0);
}

pub(crate) fn forked_children_have_contexts_of_their_own() {
    if compile::compiler().is_none() {
        return;
    }
    let bytes = compile::vector();
    // The parent has loaded it too, and made and given back a context.
    let api = Api::load(&built());
    drop(Worker::new(&api, 7));
    let inherited = Worker::bare(&api);
    let children: Vec<_> = (0..4)
        .map(|device| match process::fork().unwrap() {
            Fork::Parent(child) => child,
            Fork::Child => {
                assert_eq!(inherited.init(device, None), -1, "that is the parent's");
                let mut worker = Worker::new(&api, device);
                assert_eq!(worker.register(0, &bytes), 0);
                (0..20).for_each(|_| vector(&mut worker, 0));
                drop(worker);
                process::exit_now(0);
            }
        })
        .collect();
    for child in children {
        assert_eq!(process::reap(child).unwrap(), Exit::Code(0));
    }
}

/// A thread of the parent may be anywhere in the library when another one forks.
pub(crate) fn a_fork_during_calls_of_other_threads_is_free() {
    let api = Api::load(&built());
    // As a front end does it, which does not ask how many threads there are.
    let this = Library::this();
    // SAFETY: that is its type.
    let fork = unsafe { this.get::<unsafe extern "C" fn() -> c_int>(b"fork\0") }.unwrap();
    let inherited = Worker::bare(&api);
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for device in 1..3 {
            let (api, over) = (&api, &over);
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let worker = Worker::bare(api);
                    assert_eq!(worker.init(device, None), 0);
                }
            });
        }
        let children: Vec<_> = (0..40)
            .map(|device| {
                // SAFETY: the copy calls the library, which says that it may, and ends.
                let number = unsafe { fork() };
                Pid::from_raw(number).unwrap_or_else(|| {
                    let body = || {
                        let worker = Worker::bare(&api);
                        let well = (inherited.init(device, None), worker.init(device, None)) == (-1, 0);
                        worker.ctx != inherited.ctx && well && worker.finalize() == 0
                    };
                    let well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
                    process::exit_now(i32::from(!matches!(well, Ok(true))));
                })
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        for child in children {
            assert_eq!(process::reap(child).unwrap(), Exit::Code(0));
        }
    });
}

pub(crate) fn whole_lives_leave_nothing_behind() {
    if compile::compiler().is_none() {
        return;
    }
    let api = Api::load(&built());
    let bytes = compile::vector();
    let life = |device| {
        let mut worker = Worker::new(&api, device);
        assert_eq!(worker.register(0, &bytes), 0);
        vector(&mut worker, 0);
    };
    (0..5).for_each(&life);
    let before = Held::now();
    (0..100).for_each(&life);
    // The allocator may give threads arenas of their own, some for each processor.
    before.assert_grew_at_most(64, 8 << 20);
}
