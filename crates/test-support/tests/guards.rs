//! The guards of tests: they notice what they are there for.

use core::time::Duration;
use prewire_test_support::{Held, Watchdog, cpu_time_of, idle_for};
use std::process::Command;

#[test]
fn a_test_that_hangs_is_named_and_ends() {
    let me = std::env::current_exe().unwrap();
    for (patience, limit) in [("1", "after 50ms"), ("3", "after 150ms")] {
        let mut child = Command::new(&me);
        child.args(["--ignored", "--exact", "hangs"]).env("PREWIRE_PATIENCE", patience);
        let child = child.output().unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(!child.status.success(), "{said}");
        assert!(
            said.contains("watchdog: hangs") && said.contains("it hangs") && said.contains(limit),
            "{said}"
        );
        // And where it is.
        assert!(said.contains("watchdog: thread hangs: S (sleeping), at "), "{said}");
    }
}

#[test]
#[ignore = "the other half of the test above, which runs it in a process of its own"]
fn hangs() {
    let _dog = Watchdog::new(Duration::from_millis(50));
    loop {
        std::thread::park();
    }
}

#[test]
#[should_panic(expected = "threads, descriptors, shared memory or child processes differ")]
fn an_open_file_is_noticed() {
    let before = Held::now();
    let files: Vec<_> = (0..64).map(|_| std::fs::File::open("/proc/self/status").unwrap()).collect();
    before.assert_same();
    drop(files);
}

#[test]
fn work_costs_processor_time_and_parking_does_not() {
    let parked = idle_for(Duration::from_millis(200));
    assert!(parked.wall >= Duration::from_millis(200));
    let mut sum = 0u64;
    let worked = cpu_time_of(|| (0..20_000_000u64).for_each(|i| sum = core::hint::black_box(sum ^ i)));
    assert!(worked.processors() > parked.processors(), "{worked:?} {parked:?}");
}
