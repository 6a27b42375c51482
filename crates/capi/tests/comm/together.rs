//! Ranks that all come.

use super::{all_well, child, context, rank, word};
use core::ffi::{CStr, c_void};
use host_runtime::comm::{
    GlobalDescriptor, comm_alloc_domain_windows, comm_alloc_windows, comm_barrier, comm_derive_context,
    comm_destroy, comm_get_local_window_base, comm_get_window_size, comm_global_domain_import,
    comm_global_domain_prepare, comm_global_domain_release, comm_init, comm_release_domain_windows,
    create_comm_stream_ctx, destroy_comm_stream_ctx, ensure_acl_ready_ctx, global, holds,
};
use host_runtime::host::symbols as host;
use prewire_os::Channel;
use prewire_sync::atomic::Ordering;

/// Each rank puts a number into its window, and adds up what it finds in all of them, again and again.
pub(crate) fn ranks_reduce_through_their_windows() {
    const RANKS: u64 = 3;
    let run = |me: u64| {
        let comm = rank(me as i32, RANKS as i32);
        let context = context(comm.allocate(64).unwrap());
        assert_eq!((context.rank, context.ranks, context.window_size), (me as u32, RANKS as u32, 64));
        assert_eq!(comm.window().unwrap(), (context.windows_in[me as usize], 64));
        assert_eq!(context.windows_in, context.windows_out);
        for round in 0..1000 {
            word(context.windows_in[me as usize], 0).store(me * 1000 + round, Ordering::Relaxed);
            comm.barrier().unwrap();
            let windows = context.windows_in.iter().take(RANKS as usize);
            let sum: u64 = windows.map(|&window| word(window, 0).load(Ordering::Relaxed)).sum();
            assert_eq!(sum, 3000 + 3 * round);
            comm.barrier().unwrap();
        }
        0
    };
    all_well(&[child(|| run(1)), child(|| run(0)), child(|| run(2))]);
}

/// Ranks part and gather again by the same name, at once: nobody finds what the others have just left.
pub(crate) fn ranks_gather_again_and_again_by_one_name() {
    for ranks in [2, 4] {
        let run = |me: i32| {
            for cycle in 0..500 {
                let comm = rank(me, ranks);
                if let Err(error) = comm.allocate(4096) {
                    eprintln!("rank {me} of {ranks}, cycle {cycle}: {error}");
                    return 1;
                }
            }
            0
        };
        let children: Vec<_> = (0..ranks).map(|me| child(|| run(me))).collect();
        all_well(&children);
    }
}

/// The ranks of a program may be chips of one process, each on a thread of its own: they map the same memory several times.
pub(crate) fn ranks_may_be_in_one_process() {
    std::thread::scope(|s| {
        for me in 0..4_u64 {
            s.spawn(move || {
                let comm = rank(me as i32, 4);
                let windows = context(comm.allocate(64).unwrap()).windows_in;
                for round in 0..200 {
                    word(windows[(me as usize + 1) % 4], 0).store(me * 1000 + round, Ordering::Relaxed);
                    comm.barrier().unwrap();
                    let left = (me + 3) % 4;
                    assert_eq!(word(windows[me as usize], 0).load(Ordering::Relaxed), left * 1000 + round);
                    comm.barrier().unwrap();
                }
            });
        }
    });
}

pub(crate) fn parts_of_windows_are_where_the_context_says() {
    let run = |me: u32| {
        let comm = rank(me as i32, 2);
        assert!(comm.derive(&[0], 0, 0, 8).unwrap_err().to_string().contains("comm_alloc_windows first"));
        let base = context(comm.allocate(4096).unwrap());
        assert!(comm.allocate(4096).unwrap_err().to_string().contains("allocated before"));
        // The other way around, and only the last quarter.
        let part = context(comm.derive(&[1, 0], 1 - me, 3072, 1024).unwrap());
        assert_eq!((part.rank, part.ranks, part.window_size), (1 - me, 2, 1024));
        assert_eq!(part.windows_in[0], base.windows_in[1] + 3072);
        assert_eq!(part.windows_out[1], base.windows_out[0] + 3072);
        for (ranks, own, offset, size) in [
            (&[0, 1][..], 2, 0, 8),
            (&[], 0, 0, 8),
            (&[0, 2], 0, 0, 8),
            (&[0], 0, 4096, 1),
            (&[0], 0, usize::MAX, 8),
        ] {
            assert!(comm.derive(ranks, own, offset, size).is_err(), "{ranks:?} {own} {offset} {size}");
        }
        comm.barrier().unwrap();
        0
    };
    all_well(&[child(|| run(0)), child(|| run(1))]);
}

pub(crate) fn domains_of_some_ranks_have_windows_of_their_own() {
    let run = |me: u32| {
        let comm = rank(me as i32, 3);
        // Two domains at a time, and ranks 0 and 2 the other way around in the second.
        if me == 1 {
            return 0;
        }
        let (here, there) = (me / 2, 1 - me / 2);
        let (first, base) = comm.allocate_domain(7, &[0, 2], here, 100).unwrap();
        let (second, _) = comm.allocate_domain(8, &[2, 0], there, 100).unwrap();
        let (first, second) = (context(first), context(second));
        assert_eq!((first.rank, second.rank, first.windows_in[here as usize]), (here, there, base));
        word(first.windows_in[there as usize], 0).store(u64::from(10 + me), Ordering::Relaxed);
        word(second.windows_in[here as usize], 1).store(u64::from(20 + me), Ordering::Relaxed);
        for (domain, ranks, own, what) in [(7, 3, here, "released as rank"), (9, 2, here, "no domain 9")] {
            assert!(comm.release_domain(domain, ranks, own).unwrap_err().to_string().contains(what));
        }
        let again = comm.allocate_domain(7, &[0, 2], here, 100).unwrap_err().to_string();
        assert!(again.contains("the domain 7 is there already"), "{again}");
        let wrong = comm.allocate_domain(9, &[0, 2], there, 100).unwrap_err().to_string();
        assert!(wrong.contains(&format!("and this is rank {me}")), "{wrong}");
        // Who releases waits for the other: then what it wrote is there, for those who still have the memory mapped.
        comm.release_domain(8, 2, there).unwrap();
        assert_eq!(word(base, 0).load(Ordering::Relaxed), u64::from(12 - me));
        comm.release_domain(7, 2, here).unwrap();
        0
    };
    all_well(&[child(|| run(0)), child(|| run(1)), child(|| run(2))]);
}

pub(crate) fn a_global_domain_needs_no_communicator() {
    let (to_first, to_second) = Channel::pair().unwrap();
    let run = |me: u32, line: &Channel| {
        let (own, base) = global::prepare(5, me, 2, 10_000, 1).unwrap();
        assert_eq!((own.version, own.profile, own.rank, own.ranks, own.mapping_size), (1, 1, me, 2, 10_000));
        line.send(bytemuck::bytes_of(&own)).unwrap();
        let mut other = GlobalDescriptor { handle: [0; 256], ..own };
        assert_eq!(line.recv(bytemuck::bytes_of_mut(&mut other)).unwrap(), 288);
        // In any order.
        let context = context(global::import(5, &[own, other]).unwrap());
        assert_eq!((context.rank, context.windows_in[me as usize]), (me, base));
        word(context.windows_in[1 - me as usize], 1249).store(u64::from(me) + 1, Ordering::Relaxed);
        line.send(b"written").unwrap();
        line.recv(&mut [0; 16]).unwrap();
        assert_eq!(word(base, 1249).load(Ordering::Relaxed), u64::from(2 - me));
        assert!(global::import(5, &[own, other]).is_err() && global::prepare(5, me, 2, 10_000, 1).is_err());
        global::release(5);
        global::release(5);
        0
    };
    all_well(&[child(|| run(0, &to_first)), child(|| run(1, &to_second))]);
}

pub(crate) fn descriptors_that_do_not_hold_are_refused() {
    for (domain, rank, ranks, bytes, profile) in [
        (0, 0, 1, 8, 1),
        (1, 1, 1, 8, 1),
        (1, 0, 0, 8, 1),
        (1, 0, 65, 8, 1),
        (1, 0, 1, 0, 1),
        (1, 0, 1, 8, 2),
    ] {
        assert!(global::prepare(domain, rank, ranks, bytes, profile).is_err());
    }
    assert!(
        global::prepare(1, 0, 1, usize::MAX, 1).unwrap_err().to_string().contains("more than there can be")
    );
    let (own, _) = global::prepare(1, 0, 2, 4096, 1).unwrap();
    let (foreign, _) = global::prepare(2, 1, 2, 4096, 1).unwrap();
    // Of another domain of the same process: it is there and as long, but it is not that one.
    let refuse = |other: GlobalDescriptor, why: &str| {
        let text = global::import(1, &[own, other]).unwrap_err().to_string();
        assert!(text.contains(why), "{why}: {text}");
    };
    refuse(foreign, "has released that window");
    refuse(own, "as descriptor 0 is");
    refuse(GlobalDescriptor { version: 2, ..foreign }, "its version is 2");
    refuse(GlobalDescriptor { profile: 2, ..foreign }, "its profile is 2");
    refuse(GlobalDescriptor { ranks: 3, ..foreign }, "its number of ranks is 3");
    refuse(GlobalDescriptor { rank: 2, ..foreign }, "of rank 2");
    refuse(GlobalDescriptor { mapping_size: 8192, ..foreign }, "its window is 8192");
    refuse(GlobalDescriptor { handle_size: 7, ..foreign }, "none of this runtime");
    refuse(GlobalDescriptor { handle: [1; 256], ..foreign }, "none of this runtime");
    let mut elsewhere = foreign;
    elsewhere.handle[12..16].copy_from_slice(&0_u32.to_ne_bytes());
    refuse(elsewhere, "cannot be mapped");
    assert!(global::import(1, &[own]).unwrap_err().to_string().contains("2, one for each rank"));
    assert!(global::import(3, &[own]).unwrap_err().to_string().contains("no domain 3"));
    global::release(2);
    refuse(foreign, "process");
}

/// A front end copies from the contexts that it was given, and to and from windows; contexts are not written.
pub(crate) fn contexts_are_copied_from_and_not_to() {
    let host = host::create_device_context();
    // SAFETY: the text ends with a zero.
    let comm = unsafe { comm_init(0, 1, core::ptr::null_mut(), c"contexts".as_ptr()) };
    let (mut windows, mut part, mut domain, mut base) = (0, 0, 0, 0);
    // SAFETY: the pointer is that of a variable.
    assert_eq!(unsafe { comm_alloc_windows(comm, 64, &raw mut windows) }, 0);
    // SAFETY: as above, and there is one rank.
    assert_eq!(unsafe { comm_derive_context(comm, [0].as_ptr(), 1, 0, 8, 8, &raw mut part) }, 0);
    let (to, at) = (&raw mut domain, &raw mut base);
    // SAFETY: as above.
    assert_eq!(unsafe { comm_alloc_domain_windows(comm, 3, [0].as_ptr(), 1, 0, 8, to, at) }, 0);
    let (own, _) = global::prepare(8, 0, 1, 64, 1).unwrap();
    let all = [windows, part, domain, global::import(8, &[own]).unwrap()];
    for context in all {
        assert_eq!((copies(host, context, 1056), copies(host, context + 1055, 1)), ((0, -1), (0, -1)));
        assert_eq!(copies(host, context + 1, 1056), (-1, -1), "it is beyond the end");
        assert_eq!(copies(core::ptr::null_mut(), context, 8), (-1, -1));
    }
    assert_eq!(copies(host, base, 8), (0, 0));
    assert_eq!(comm_destroy(comm), 0);
    global::release(8);
    assert!(all.iter().all(|&context| copies(host, context, 8) == (-1, -1)), "they are gone");
    host::destroy_device_context(host);
}

/// What a copy from device memory says, and what one to it does.
fn copies(host: *mut c_void, device: u64, bytes: usize) -> (i32, i32) {
    let (mut room, device) = ([0_u8; 1056], core::ptr::without_provenance_mut(device as usize));
    // SAFETY: the room is long enough, and nothing runs.
    let from = unsafe { host::copy_from_device_ctx(host, room.as_mut_ptr().cast(), device, bytes) };
    // SAFETY: as above.
    (from, unsafe { host::copy_to_device_ctx(host, device, room.as_ptr().cast(), bytes) })
}

/// Through the C interface, as a program calls it; and what is wrong is -1 or null.
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "the calls of a C program, one after the other")]
pub(crate) fn the_symbols_do_the_same() {
    let null = core::ptr::null_mut;
    let root: &CStr = c"another root";
    let (mut context, mut base, mut size) = (0_u64, 0_u64, 0_usize);
    // SAFETY: each pointer is null or that of a variable, and the text ends with a zero.
    unsafe {
        assert!(comm_init(0, 1, null(), core::ptr::null()).is_null());
        for (rank, ranks) in [(-1, 1), (1, 1), (0, 0), (0, 65), (0, -1), (i32::MIN, i32::MAX)] {
            assert!(comm_init(rank, ranks, null(), root.as_ptr()).is_null());
        }
        let comm = comm_init(0, 1, create_comm_stream_ctx(null()), root.as_ptr());
        assert!(!comm.is_null());
        assert_eq!(comm_barrier(comm), -1, "there are no windows yet");
        assert_eq!(comm_get_local_window_base(comm, &raw mut base), -1);
        assert_eq!(comm_alloc_windows(comm, 100, core::ptr::null_mut()), -1);
        assert_eq!(comm_alloc_windows(comm, usize::MAX, &raw mut context), -1);
        assert_eq!(comm_alloc_windows(comm, 100, &raw mut context), 0);
        assert_eq!(comm_get_local_window_base(comm, &raw mut base), 0);
        assert_eq!(comm_get_window_size(comm, &raw mut size), 0);
        let seen = super::context(context);
        assert_eq!((seen.windows_in[0], seen.window_size, size), (base, 100, 100));
        assert!(holds(base, 100) && holds(base + 99, 1) && holds(base + 100, 0) && holds(base + 50, 50));
        assert!(!holds(base, 101) && !holds(base - 1, 2) && !holds(base + 99, u64::MAX) && !holds(0, 8));
        assert_eq!(comm_derive_context(comm, [0].as_ptr(), 1, 0, 0, 101, &raw mut context), -1);
        assert_eq!(comm_derive_context(comm, core::ptr::null(), 1, 0, 0, 8, &raw mut context), -1);
        assert_eq!(comm_derive_context(comm, [0].as_ptr(), usize::MAX, 0, 0, 8, &raw mut context), -1);
        assert_eq!(comm_derive_context(comm, [0].as_ptr(), 1, 0, 92, 8, &raw mut context), 0);
        assert_eq!(super::context(context).windows_in[0], base + 92);
        assert_eq!(comm_barrier(comm), 0);
        let (to, at) = (&raw mut context, &raw mut base);
        assert_eq!(comm_alloc_domain_windows(comm, 3, [0].as_ptr(), 1, 0, 0, to, at), -1);
        assert_eq!(comm_alloc_domain_windows(comm, 3, [0].as_ptr(), 1, 0, 8, to, null().cast()), -1);
        assert_eq!(comm_alloc_domain_windows(comm, 3, [0].as_ptr(), 1, 0, 8, to, at), 0);
        assert!(holds(at.read(), 8) && !holds(at.read(), 9));
        let domain = at.read();
        assert_eq!(comm_release_domain_windows(comm, 3, 1, 0), 0);
        assert_eq!(comm_release_domain_windows(comm, 3, 1, 0), -1);
        assert!(!holds(domain, 8), "it is gone");
        let mut own: GlobalDescriptor = bytemuck::Zeroable::zeroed();
        assert_eq!(comm_global_domain_prepare(6, 0, 1, 8, 1, core::ptr::null_mut(), at), -1);
        assert_eq!(comm_global_domain_prepare(6, 0, 1, 8, 1, &raw mut own, at), 0);
        assert!(holds(at.read(), 8) && !holds(at.read(), 9));
        assert_eq!(comm_global_domain_import(6, core::ptr::null(), 1, to), -1);
        assert_eq!(comm_global_domain_import(6, &raw const own, usize::MAX, to), -1);
        assert_eq!(comm_global_domain_import(6, &raw const own, 1, to), 0);
        assert_eq!(comm_global_domain_release(6), 0);
        assert_eq!(comm_global_domain_release(6), 0);
        assert_eq!(comm_destroy(comm), 0);
        for handle in [comm, null(), core::ptr::without_provenance_mut(64_000)] {
            assert_eq!(comm_destroy(handle), -1);
            assert_eq!(comm_barrier(handle), -1);
            assert_eq!(comm_get_window_size(handle, &raw mut size), -1);
        }
    }
    assert_eq!((ensure_acl_ready_ctx(null(), 0), destroy_comm_stream_ctx(null(), null())), (0, 0));
}
