//! Task Bench: every pattern runs and checks itself on both chips and on rayon, what is wrong is found, and the graphs are
//! those of the C header that the other peers share.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use prewire::prelude::*;
use prewire_benches::taskbench::{Fault, Graph, Kernel, Layout, OnChip, OnRayon, Pattern, Stamp, Way, Wrong};

const WIDTH: u32 = 8;

#[test]
fn every_pattern_finds_its_inputs_on_both_chips() {
    let both = [(a2a3(), Layout::Buffers), (a5(), Layout::Buffers), (a2a3(), Layout::Rows)];
    for (spec, layout) in both {
        // Fewer slots in a ring than there are tasks: they are used again while the graph runs.
        let rings = RingSizes::default().with_window(64);
        let mut chip = OnChip::new(Chip::sim(spec).rings(rings), layout, WIDTH, 2).unwrap();
        for pattern in Pattern::ALL {
            for width in [1, 5, WIDTH] {
                let graph = Arc::new(Graph::new(pattern, width, 40));
                for kernel in Kernel::ALL {
                    chip.run(&graph, kernel, 3, Fault::None).unwrap();
                }
            }
        }
    }
}

#[test]
fn every_pattern_finds_its_inputs_on_rayon() {
    for way in [Way::Counts, Way::Steps] {
        let mut pool = OnRayon::new(2, way).unwrap();
        for pattern in Pattern::ALL {
            for width in [1, 5, WIDTH] {
                let graph = Graph::new(pattern, width, 40);
                pool.run(&graph, Kernel::Compute, 3, Fault::None).unwrap();
            }
        }
    }
}

/// A task in the middle of a graph, and its first dependence.
fn some_task(graph: &Graph) -> Option<(u32, u32)> {
    let timestep = graph.steps() / 2;
    graph.points(timestep).rev().map(|p| (timestep, p)).find(|&(t, p)| !graph.dependencies(t, p).is_empty())
}

#[test]
fn a_dependence_that_is_left_out_is_found_in_every_pattern() {
    for layout in [Layout::Buffers, Layout::Rows] {
        let mut chip = OnChip::new(Chip::sim(a2a3()).clusters(2), layout, WIDTH, 2).unwrap();
        let mut found = 0;
        for pattern in Pattern::ALL {
            let graph = Arc::new(Graph::new(pattern, WIDTH, 12));
            let Some((timestep, point)) = some_task(&graph) else { continue };
            let fault = Fault::LeftOut { timestep, point };
            let error = chip.run(&graph, Kernel::Empty, 0, fault).unwrap_err().to_string();
            let froms = graph.dependencies(timestep, point);
            // With one input only it has too few; else the second is where the first belongs.
            let says = match froms {
                [_] => format!("timestep {timestep}, point {point} has 0 inputs, but needs 1"),
                [first, second, ..] => format!(
                    "timestep {timestep}, point {point} finds (run {run}, timestep {}, point {second}) in input 0, where \
                     (run {run}, timestep {}, point {first}) belongs",
                    timestep - 1,
                    timestep - 1,
                    run = 1 + 2 * found,
                ),
                [] => panic!("{pattern} has a task without dependences"),
            };
            assert!(error.contains(&says), "{pattern}: {error}, not {says}");
            // And the next run is right again.
            chip.run(&graph, Kernel::Empty, 0, Fault::None).unwrap();
            found += 1;
        }
        assert_eq!(found, Pattern::ALL.len() - 1, "only trivial has no dependence to leave out");
    }
}

#[test]
fn a_task_that_rayon_is_not_told_to_hold_back_is_found_by_what_it_reads() {
    let graph = Graph::new(Pattern::NoComm, 4, 12);
    // One thread takes first what was spawned last: the task that waits for nobody any more.
    let mut pool = OnRayon::new(1, Way::Counts).unwrap();
    let fault = Fault::LeftOut { timestep: 6, point: 1 };
    let wrong = pool.run(&graph, Kernel::Empty, 0, fault).unwrap_err();
    let (task, wanted) = (Stamp { run: 1, timestep: 6, point: 1 }, Stamp { run: 1, timestep: 5, point: 1 });
    assert_eq!(wrong, Wrong::Input { task, input: 0, seen: 0, wanted });
}

#[test]
fn a_dependence_that_orders_nothing_is_found_by_what_the_task_reads() {
    let graph = Arc::new(Graph::new(Pattern::NoComm, 4, 8));
    let fault = Fault::Unordered { timestep: 2, point: 1 };
    // With four fields: with two, the slot that the task writes is one that its producer reads, which orders them as well.
    let seen = (0..50).find_map(|seed| {
        let mut chip = OnChip::new(Chip::sim(a2a3()).clusters(2).seed(seed), Layout::Buffers, 4, 4).unwrap();
        chip.run(&graph, Kernel::Empty, 0, Fault::None).unwrap();
        let error = chip.run(&graph, Kernel::Empty, 0, fault).err()?.to_string();
        error.contains("finds (").then_some(error)
    });
    let seen = seen.expect("in no order did the task run before the one that it reads from");
    assert!(seen.contains("the task of run 2, timestep ") && seen.contains(", point 1 finds ("), "{seen}");
}

#[test]
fn a_stamp_of_another_run_point_or_timestep_is_wrong() {
    let graph = Graph::new(Pattern::NoComm, 4, 8);
    let task = Stamp { run: 2, timestep: 3, point: 1 };
    let right = Stamp { timestep: 2, ..task };
    assert_eq!(graph.check(task, 0, 1, right.word()), Ok(()));
    assert_eq!(Stamp::of(right.word()), right);
    for wrong in [Stamp { run: 1, ..right }, Stamp { timestep: 0, ..right }, Stamp { point: 0, ..right }] {
        let seen = wrong.word();
        assert_eq!(graph.check(task, 0, 1, seen), Err(Wrong::Input { task, input: 0, seen, wanted: right }));
    }
    let nothing = graph.check(task, 0, 1, 0).unwrap_err().to_string();
    assert!(
        nothing.contains("finds nothing in input 0, where (run 2, timestep 2, point 1) belongs"),
        "{nothing}"
    );
}

#[test]
fn the_graphs_are_as_large_as_their_definitions_say() {
    let size = |pattern, width, steps| {
        let graph = Graph::new(pattern, width, steps);
        (graph.tasks(), graph.edges())
    };
    let (w, t) = (16, 20);
    assert_eq!(size(Pattern::Trivial, 16, 20), (w * t, 0));
    assert_eq!(size(Pattern::NoComm, 16, 20), (w * t, w * (t - 1)));
    assert_eq!(size(Pattern::Stencil1d, 16, 20), (w * t, (3 * w - 2) * (t - 1)));
    assert_eq!(size(Pattern::Stencil1dPeriodic, 16, 20), (w * t, 3 * w * (t - 1)));
    assert_eq!(size(Pattern::AllToAll, 16, 20), (w * t, w * w * (t - 1)));
    assert_eq!(size(Pattern::Nearest, 16, 20), (w * t, (5 * w - 6) * (t - 1)));
    assert_eq!(size(Pattern::Spread, 16, 20), (w * t, 5 * w * (t - 1)));
    // A tree: 1, 2, 4, 8 and then always 16 points, one parent each.
    assert_eq!(size(Pattern::Tree, 16, 20), (15 + 16 * w, 14 + 16 * w));
    // A diamond of 16: 1 to 16 and back, with four timesteps more in which it is full.
    assert_eq!(size(Pattern::Dom, 16, 35).0, 2 * 120 + 16 * 5);
    // A butterfly: of each stride's pairs, those inside; itself always.
    let per_round: u64 = [1, 2, 4, 8].iter().map(|stride| 16 + 2 * (16 - stride)).sum();
    assert_eq!(size(Pattern::Fft, 16, 21).1, 5 * per_round);
    let (tasks, edges) = size(Pattern::RandomNearest, 16, 31);
    assert!(edges > 30 * w && edges < 30 * (5 * w - 6) && tasks == 31 * w, "{edges} edges");
}

#[test]
fn the_graphs_are_those_of_the_header_for_c() {
    let Some(printed) = printed_by_c(17, 9) else {
        println!("skipped: there is no C compiler `cc`, which this test compares the definitions with");
        return;
    };
    let mut ours = String::new();
    for pattern in Pattern::ALL {
        for (width, steps) in (1..=17).flat_map(|width| (1..=9).map(move |steps| (width, steps))) {
            let graph = Graph::new(pattern, width, steps);
            for (t, p) in (0..steps).flat_map(|t| graph.points(t).map(move |p| (t, p))) {
                write!(ours, "{pattern} {width} {steps}: {t} {p}:").unwrap();
                graph.dependencies(t, p).iter().for_each(|from| write!(ours, " {from}").unwrap());
                ours.push('\n');
            }
        }
    }
    assert!(ours.lines().count() > 10_000);
    for (ours, theirs) in ours.lines().zip(printed.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), printed.len());
}

/// What `graphs.c` prints; `None` if there is no compiler.
fn printed_by_c(width: u32, steps: u32) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("graphs");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("versus/graphs.c");
    let built = Command::new("cc").args(["-O1", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
    assert!(built.ok()?.success(), "graphs.c does not compile");
    let output = Command::new(&program).args([width.to_string(), steps.to_string()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}
