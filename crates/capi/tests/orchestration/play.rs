//! What programs compute, in both forms.

use host_runtime::orchestration::StagedArgs;
use prewire_chip::RingSizes;

use crate::Case;
use crate::rig::{chip, chip_of, dog, floats, play, program, words};

pub(crate) const CASES: &[Case] = &[
    ("vectors_are_computed_in_both_forms", vectors),
    ("blocks_and_clusters_run_everywhere_and_together", blocks),
    ("predicates_are_looked_at_when_the_task_is_ready", predicates),
    ("named_producers_order_a_manual_scope_in_both_forms", dependencies),
    ("scopes_nest_deeper_than_there_are_rings", deep),
    ("elements_are_read_and_written_between_tasks", elements),
    ("a_form_is_found_out_by_the_first_task_that_proves_it", forms),
    ("messages_are_formatted_and_do_no_harm", messages),
    ("a_task_that_defers_ends_when_its_counter_is_raised", deferred),
    ("a_stale_tensor_and_half_a_record_are_no_failure", lenient),
    ("a_launched_run_has_stack_for_large_orchestrations", large),
    ("what_a_kernel_has_of_each_thread_ends_with_the_thread", own),
    ("two_loads_of_one_library_share_nothing", copies),
];

/// On fresh programs of both forms, on chips of both kinds.
fn both(body: impl Fn(&prewire_chip::Chip, &host_runtime::orchestration::Bound)) {
    let _dog = dog();
    for spec in [prewire_a2a3::a2a3, prewire_a5::a5] {
        for dump in [true, false] {
            let chip = chip_of(spec(), RingSizes::default());
            let bound = program(dump).bind(&chip).unwrap();
            body(&chip, &bound);
        }
    }
}

fn vectors() {
    both(|chip, bound| {
        for round in 0..20 {
            let (mut a, mut b, mut c) = (vec![2.0 + round as f32; 500], vec![3.0; 500], vec![0.0; 500]);
            let tensors = [floats(&mut a), floats(&mut b), floats(&mut c)];
            let report = play(chip, bound, 0, &tensors).unwrap();
            let sum = 5.0 + round as f32;
            assert_eq!(report.tasks, 5);
            assert!(c.iter().all(|&c| c == (sum + 1.0) * (sum + 2.0) + sum), "round {round}: {}", c[0]);
        }
    });
}

fn blocks() {
    both(|chip, bound| {
        let (mut single, mut mixed, mut counter) = (vec![0; 120], vec![0; 12], vec![0; 1]);
        let tensors = [words(&mut single), words(&mut mixed), words(&mut counter)];
        play(chip, bound, 1, &tensors).unwrap();
        for block in 0..40 {
            assert_eq!(single[3 * block..3 * block + 3], [400_001 + 10 * block as u32, 0, 0]);
        }
        for block in 0..4 {
            let own = 40_000 + 10 * block as u32;
            assert_eq!(mixed[3 * block..3 * block + 3], [0, own + 2, own + 3]);
        }
        assert_eq!(counter, [12]);
    });
}

fn predicates() {
    both(|chip, bound| {
        let (mut flag, mut out) = (vec![0; 1], vec![0; 6]);
        play(chip, bound, 2, &[words(&mut flag), words(&mut out)]).unwrap();
        assert_eq!((flag, out), (vec![5], vec![1, 0, 1, 0, 1, 0]));
    });
}

/// `x * 2 + by`, one after the other.
fn bumped(start: u32, by: impl Iterator<Item = u32>) -> u32 {
    by.fold(start, |x, by| x * 2 + by)
}

fn dependencies() {
    both(|chip, bound| {
        let mut x = vec![0; 16];
        play(chip, bound, 3, &[words(&mut x)]).unwrap();
        assert_eq!(x, vec![bumped(0, 1..=8); 16]);
    });
}

fn deep() {
    both(|chip, bound| {
        let mut x = vec![1; 4];
        play(chip, bound, 4, &[words(&mut x)]).unwrap();
        assert_eq!(x, vec![bumped(1, (0..=12).rev()); 4]);
    });
}

fn elements() {
    both(|chip, bound| {
        let mut x = vec![4; 3];
        play(chip, bound, 5, &[words(&mut x)]).unwrap();
        assert_eq!(x, [111, 19, 11]);
    });
}

fn forms() {
    both(|chip, bound| {
        for _ in 0..3 {
            let mut x = vec![0; 2];
            play(chip, bound, 6, &[words(&mut x)]).unwrap();
            assert_eq!(x, vec![bumped(0, 1..=6); 2]);
        }
    });
}

fn messages() {
    both(|chip, bound| {
        assert_eq!(play(chip, bound, 7, &[]).unwrap().tasks, 0);
    });
}

fn deferred() {
    both(|chip, bound| {
        for _ in 0..20 {
            let (mut x, mut counter, mut seen) = (vec![0; 1], vec![0; 1], vec![0; 1]);
            play(chip, bound, 9, &[words(&mut x), words(&mut counter), words(&mut seen)]).unwrap();
            assert_eq!((counter[0], seen[0]), (1, 1));
        }
    });
}

fn lenient() {
    both(|chip, bound| {
        let mut x = vec![3; 2];
        play(chip, bound, 10, &[words(&mut x)]).unwrap();
        assert_eq!(x, [7; 2]);
        play(chip, bound, 11, &[words(&mut x)]).unwrap();
        // Elements 0 and 1 were 42 and 40 when their tasks were ready.
        assert_eq!(x, [87, 83]);
    });
}

fn large() {
    let _dog = dog();
    let chip = chip(RingSizes::default());
    let bound = program(true).bind(&chip).unwrap();
    let mut x = vec![0; 1];
    let tensor = words(&mut x);
    let run = chip.launch(move |orch| {
        // SAFETY: `x` stays until the run has ended.
        unsafe { bound.play(orch, &StagedArgs { tensors: &[tensor], scalars: &[12] }) }
    });
    run.unwrap().wait().unwrap();
    assert_eq!(x, [1]);
}

fn own() {
    let _dog = dog();
    let (chip, one, other) = (chip(RingSizes::default()), program(true), program(false));
    let mut x = vec![0; 3];
    for program in [one, other] {
        let bound = program.bind(&chip).unwrap();
        for _ in 0..5 {
            play(&chip, &bound, 13, &[words(&mut x)]).unwrap();
        }
        // Nothing is left of the program but what its threads have.
        drop((bound, program));
    }
    let threads = x[2];
    assert_eq!((x[0], x[1]), (0, 2 * 5 * 8));
    assert!((2..=16).contains(&threads), "{threads} threads");
    drop(chip);
    assert_eq!(std::hint::black_box(&x)[0], threads);
}

fn copies() {
    let _dog = dog();
    let chip = chip(RingSizes::default());
    let (one, other) = (program(true), program(true));
    let (first, second) = (one.bind(&chip).unwrap(), other.bind(&chip).unwrap());
    let again = one.bind(&chip);
    assert!(again.is_err(), "the names of its kernels are taken");
    std::thread::scope(|scope| {
        for bound in [&first, &second] {
            let chip = &chip;
            scope.spawn(move || {
                for _ in 0..50 {
                    let mut x = vec![0; 16];
                    play(chip, bound, 3, &[words(&mut x)]).unwrap();
                    assert_eq!(x, vec![bumped(0, 1..=8); 16]);
                }
            });
        }
    });
    drop(first);
    let mut x = vec![0; 2];
    play(&chip, &second, 6, &[words(&mut x)]).unwrap();
    assert_eq!(x, vec![bumped(0, 1..=6); 2]);
}
