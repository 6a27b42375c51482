//! Ranks that end, leave, or are not what the others expect.

use super::{LONG, all_well, child, context, rank, word};
use core::time::Duration;
use host_runtime::comm::hello::{Hello, Terms};
use host_runtime::comm::{
    Communicator, GlobalDescriptor, Group, comm_alloc_windows, comm_barrier, comm_destroy, comm_init, global,
    holds,
};
use prewire_os::process::{self, Exit, Pid, Signal};
use prewire_os::{Beacons, Channel, Door, clock};
use prewire_sync::atomic::Ordering;
use prewire_test_support::Held;
use std::os::fd::AsFd;

pub(crate) fn a_rank_that_is_killed_ends_the_barrier_of_the_others() {
    let run = |me: i32| {
        let comm = rank(me, 3);
        comm.allocate(4096).unwrap();
        comm.barrier().unwrap();
        if me == 1 {
            let _ = process::kill_self(Signal::KILL);
        }
        let start = clock::monotonic();
        let error = comm.barrier().unwrap_err().to_string();
        assert!(error.contains("party 1"), "{error}");
        assert!(clock::monotonic() - start < LONG, "that was the limit");
        // Nor does anybody get through the next.
        assert!(comm.barrier().unwrap_err().to_string().contains("party 1"));
        0
    };
    let children = [child(|| run(0)), child(|| run(1)), child(|| run(2))];
    // Somebody has to take the dead one away: until then it is there, and has ended.
    assert!(matches!(process::reap(children[1]).unwrap(), Exit::Signal { .. }));
    all_well(&[children[0], children[2]]);
}

pub(crate) fn a_rank_that_dies_before_all_have_come_ends_the_wait_for_them() {
    let name = format!("prewire test of {}", Pid::current());
    let terms = Terms { rank: 0, ranks: 3, window: 100, roster: 0 };
    let opened = Beacons::new(1).unwrap();
    let gatherer = child(|| {
        opened.get(0).raise();
        let error = Group::gather(&name, terms, LONG / 3).unwrap_err().to_string();
        i32::from(!error.contains("the process of party 1 has died"))
    });
    assert!(opened.get(0).wait(1, Some(LONG)));
    // It comes as rank 1 does, and ends once it has the memory. Rank 2 never comes.
    let comes = child(|| {
        let line = loop {
            if let Some((line, _)) = Door::knock(&name).unwrap() {
                break line;
            }
            std::thread::yield_now();
        };
        line.send(bytemuck::bytes_of(&Hello::new(Terms { rank: 1, ..terms }))).unwrap();
        i32::from(line.recv_fd(LONG, &mut [0; 64]).unwrap().unwrap().1.is_none())
    });
    all_well(&[comes, gatherer]);
}

pub(crate) fn a_rank_that_leaves_ends_the_barrier_of_the_others() {
    let run = |me: i32| {
        let comm = rank(me, 2);
        let context = context(comm.allocate(4096).unwrap());
        comm.barrier().unwrap();
        if me == 1 {
            drop(comm);
            return 0;
        }
        let error = comm.barrier().unwrap_err().to_string();
        assert!(error.contains("party 1 has left"), "{error}");
        // Its window is there for as long as somebody has it.
        word(context.windows_in[1], 0).store(1, Ordering::Relaxed);
        0
    };
    all_well(&[child(|| run(0)), child(|| run(1))]);
}

/// The names that processes are found by, among all that there are.
fn names() -> usize {
    let all = std::fs::read_to_string("/proc/net/unix").unwrap();
    all.lines()
        .filter(|line| line.contains(&format!("@prewire {} {}", process::user(), Pid::current())))
        .count()
}

pub(crate) fn who_gathers_may_be_killed_and_leaves_nothing() {
    // What other programs have there comes and goes.
    let ours = |name: &str| name.contains("prewire") || name.contains("simpler");
    let shared = || {
        let all = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        all.filter(|entry| ours(&entry.file_name().to_string_lossy())).count()
    };
    let before = shared();
    let told = Beacons::new(1).unwrap();
    let first = child(|| {
        told.get(0).raise();
        let _ = rank(0, 2).allocate(4096);
        1
    });
    assert!(told.get(0).wait(1, Some(LONG)));
    // It is on its way to the door, or behind it.
    let start = clock::monotonic();
    while names() == 0 {
        assert!(clock::monotonic() - start < LONG, "no door was opened");
        std::thread::yield_now();
    }
    process::kill(first, Signal::KILL).unwrap();
    process::reap(first).unwrap();
    assert_eq!((names(), shared()), (0, before), "a name or memory is left of it");
    // And the next two find each other by the same name.
    let run = |me: i32| {
        let comm = rank(me, 2);
        comm.allocate(4096).unwrap();
        comm.barrier().unwrap();
        0
    };
    all_well(&[child(|| run(0)), child(|| run(1))]);
    assert_eq!((names(), shared()), (0, before));
}

pub(crate) fn a_window_of_a_process_that_died_is_not_imported() {
    let (here, there) = Channel::pair().unwrap();
    let other = child(|| {
        let (own, _) = global::prepare(4, 1, 2, 4096, 1).unwrap();
        there.send(bytemuck::bytes_of(&own)).unwrap();
        0
    });
    let (own, _) = global::prepare(4, 0, 2, 4096, 1).unwrap();
    let mut descriptor: GlobalDescriptor = own;
    here.recv(bytemuck::bytes_of_mut(&mut descriptor)).unwrap();
    all_well(&[other]);
    let error = global::import(4, &[own, descriptor]).unwrap_err().to_string();
    assert!(error.contains(&format!("the window of process {other} cannot be mapped")), "{error}");
    global::release(4);
}

pub(crate) fn ranks_that_disagree_are_told() {
    let run = |me: i32, bytes: usize| {
        let error = rank(me, 2).allocate(bytes).unwrap_err().to_string();
        i32::from(!(error.contains("windows of 4096 bytes") && error.contains("windows of 8192 bytes")))
    };
    all_well(&[child(|| run(0, 4096)), child(|| run(1, 8192))]);
    // Two that are the same rank: one of them is told, and the other goes on waiting for the one that is missing.
    let told = Beacons::new(1).unwrap();
    let twice = || {
        let error = rank(0, 2).allocate(4096).unwrap_err().to_string();
        if error.contains("another process is rank 0") {
            told.get(0).raise();
        }
        i32::from(!error.contains("another process is rank 0"))
    };
    let both = [child(twice), child(twice)];
    assert!(told.get(0).wait(1, Some(LONG)));
    let ended: Vec<Exit> = both
        .into_iter()
        .map(|one| {
            let mut exit = process::try_reap(one).unwrap();
            if exit.is_none() {
                // It is the one that waits, or the one that is about to end.
                let _ = process::kill(one, Signal::KILL);
                exit = Some(process::reap(one).unwrap());
            }
            exit.unwrap()
        })
        .collect();
    assert!(ended.iter().all(|exit| matches!(exit, Exit::Code(0) | Exit::Signal { .. })), "{ended:?}");
    // One that is alone is told how many have come.
    let alone = Communicator::with_limit(0, 2, b"nobody else", Duration::from_millis(50)).unwrap();
    assert!(alone.allocate(8).unwrap_err().to_string().contains("1 of 2 ranks have come within 50ms"));
}

/// Whoever knows the name may knock. Garbage is not answered, and the rank that comes then is.
pub(crate) fn what_knocks_and_is_no_rank_is_not_let_in() {
    let name = format!("prewire test of {}", Pid::current());
    let terms = Terms { rank: 0, ranks: 2, window: 100, roster: 0 };
    let opened = Beacons::new(1).unwrap();
    let gatherer = {
        let name = name.clone();
        child(|| {
            opened.get(0).raise();
            i32::from(Group::gather(&name, terms, LONG).is_err())
        })
    };
    assert!(opened.get(0).wait(1, Some(LONG)));
    let mut wrong: Vec<Vec<u8>> = vec![b"hello".to_vec(), vec![0; 32], vec![0xff; 4096]];
    wrong.push(bytemuck::bytes_of(&Hello::new(Terms { rank: 2, ..terms })).to_vec());
    wrong.push(bytemuck::bytes_of(&Hello::new(Terms { rank: 1, ranks: 0, ..terms })).to_vec());
    for bytes in wrong {
        let line = loop {
            if let Some((line, _)) = Door::knock(&name).unwrap() {
                break line;
            }
            std::thread::yield_now();
        };
        line.send(&bytes).unwrap();
        assert_eq!(line.recv(&mut [0; 64]).unwrap(), 0, "it was answered");
    }
    drop(Group::gather(&name, Terms { rank: 1, ..terms }, LONG).unwrap());
    all_well(&[gatherer]);
    // A door behind which somebody else answers, who sends too little memory, or none, or nonsense.
    let small = prewire_os::Segment::new("too small", 4096).unwrap();
    let right = prewire_os::Segment::new("empty", terms.bytes().unwrap()).unwrap();
    let welcome = |verdict: u32| {
        let answer =
            host_runtime::comm::hello::Answer::new(host_runtime::comm::hello::Verdict::Welcome, terms);
        let mut bytes = bytemuck::bytes_of(&answer).to_vec();
        bytes[8] = verdict as u8;
        bytes
    };
    for (message, memory, why) in [
        (welcome(0), Some(&small), "4096 bytes of memory instead of"),
        (welcome(0), Some(&right), "at its start"),
        (welcome(0), None, "sent no memory"),
        (welcome(1), None, "must ask for the same"),
        (welcome(3), None, "no answer"),
        (b"short".to_vec(), None, "no answer"),
    ] {
        let door = Door::open(&name).unwrap().unwrap();
        let late = {
            let name = name.clone();
            child(|| {
                let error = Group::gather(&name, Terms { rank: 1, ..terms }, LONG).unwrap_err().to_string();
                i32::from(!error.contains(why))
            })
        };
        let (line, pid) = door.answer(LONG).unwrap().unwrap();
        assert_eq!(pid, late);
        line.recv(&mut [0; 64]).unwrap();
        match memory {
            Some(memory) => line.send_fd(&message, memory.as_fd()).unwrap(),
            None => line.send(&message).unwrap(),
        }
        drop((line, door));
        all_well(&[late]);
    }
}

pub(crate) fn a_copy_of_a_process_has_no_communicator() {
    let mut context = 0;
    // SAFETY: the text ends with a zero, and the pointer is that of a variable.
    let comm = unsafe { comm_init(0, 1, core::ptr::null_mut(), c"root".as_ptr()) };
    // SAFETY: the pointer is that of a variable.
    assert_eq!(unsafe { comm_alloc_windows(comm, 8, &raw mut context) }, 0);
    all_well(&[child(|| i32::from(comm_barrier(comm) != -1 || comm_destroy(comm) != -1))]);
    assert_eq!((comm_barrier(comm), comm_destroy(comm)), (0, 0), "the copy has not left for it");
}

/// What a process has of global domains is not what its copy has: that begins with none.
pub(crate) fn a_copy_of_a_process_has_no_global_domain() {
    let (own, base) = global::prepare(7, 0, 1, 4096, 1).unwrap();
    word(base, 0).store(1, Ordering::Relaxed);
    let run = || {
        assert!(!holds(base, 8), "it is the parent's");
        assert!(global::import(7, &[own]).unwrap_err().to_string().contains("no domain 7"));
        let (own, other) = global::prepare(7, 0, 1, 4096, 1).unwrap();
        let context = context(global::import(7, &[own]).unwrap());
        assert_eq!(context.windows_in[0], other);
        word(other, 0).store(2, Ordering::Relaxed);
        global::release(7);
        i32::from(holds(other, 8))
    };
    all_well(&[child(run)]);
    assert!(holds(base, 8));
    assert_eq!(word(base, 0).load(Ordering::Relaxed), 1);
    global::import(7, &[own]).unwrap();
    global::release(7);
}

pub(crate) fn everything_is_given_back() {
    let cycle = || {
        let comm = rank(0, 1);
        comm.allocate(1 << 20).unwrap();
        comm.derive(&[0], 0, 0, 8).unwrap();
        comm.allocate_domain(1, &[0], 0, 1 << 20).unwrap();
        comm.allocate_domain(2, &[0], 0, 1 << 20).unwrap();
        comm.release_domain(1, 1, 0).unwrap();
        let (own, _) = global::prepare(9, 0, 1, 1 << 20, 1).unwrap();
        global::import(9, &[own]).unwrap();
        global::release(9);
        // What fails gives back what it had.
        assert!(Communicator::with_limit(0, 2, b"alone", Duration::ZERO).unwrap().allocate(8).is_err());
    };
    cycle();
    let before = Held::now();
    for _ in 0..100 {
        cycle();
    }
    before.assert_same();
}
