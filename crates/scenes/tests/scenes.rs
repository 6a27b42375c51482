//! Every scene passes on every platform, and fails on each when any of its kernels is wrong.

use prewire::prelude::{Check, Hazards};
use prewire_scenes::{Inside, Platform, Scene, Setup, Size, list, platforms, run};

fn small(platform: Platform) -> Setup {
    Setup::new(platform).with_size(Size::Small)
}

fn named(name: &str) -> &'static Scene {
    list().iter().find(|scene| scene.name == name).expect("a scene of this name")
}

#[test]
fn every_scene_passes_on_every_platform() {
    for scene in list() {
        for &platform in platforms() {
            let row = run(scene, &small(platform));
            assert!(row.ok, "{row:#?}");
            assert!(row.tasks > 0 && (row.threads > 0 || scene.level > 2), "{row:#?}");
            // This process has threads, those of the tests, so no child can be forked from it.
            assert_eq!(row.inside, (scene.level > 2).then_some(Inside::Threads), "{row:#?}");
        }
    }
}

#[test]
fn a_wrong_kernel_is_found() {
    let setup = small(platforms()[0]);
    for scene in list() {
        assert!(!scene.kernels.is_empty(), "{} names no kernel", scene.name);
        for kernel in scene.kernels {
            let row = run(scene, &setup.with_spoilt(kernel));
            let error = row.error.as_deref().unwrap_or_default();
            assert!(!row.ok && error.contains("differs from the golden"), "{kernel} is spoilt: {row:#?}");
        }
    }
}

#[test]
fn a_lost_edge_is_found() {
    // Only reads wait for writes here: what writes next need not wait for who still reads. Some order shows it.
    // Among the children of a node it is found as a conflict.
    for name in ["scalar_data", "ring_pressure", "network_three_levels"] {
        let setup = small(platforms()[0]).with_hazards(Hazards::Raw);
        let found = (0..20).any(|seed| !run(named(name), &setup.with_seed(Some(seed))).ok);
        assert!(found, "{name} is right in 20 orders without the edges it needs");
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    for name in ["vector", "paged_attention", "spmd", "ring_pressure"] {
        for &platform in platforms() {
            let rows = [7, 7, 8].map(|seed| run(named(name), &small(platform).with_seed(Some(seed))));
            for row in &rows {
                assert!(row.ok, "{row:#?}");
                assert_eq!(row.tasks, rows[0].tasks);
            }
            assert_eq!(rows[0].max_error, rows[1].max_error, "{rows:#?}");
        }
    }
}

#[test]
fn a_chip_of_a_hundred_cores_runs_on_a_handful_of_threads() {
    for name in ["alternating", "paged_attention", "decode_layer"] {
        for &platform in platforms() {
            let row = run(named(name), &small(platform));
            assert!(row.ok && row.threads <= 16, "{row:#?}");
        }
    }
}

#[test]
fn no_scene_has_a_race() {
    for scene in list() {
        for seed in 0..2 {
            let setup = small(platforms()[seed % 2]).with_check(Some(Check::Races));
            let row = run(scene, &setup.with_seed(Some(seed as u64)));
            assert!(row.ok, "{row:#?}");
        }
    }
}

#[test]
fn a_lost_edge_is_named_in_whatever_order_the_tasks_ran() {
    let setup = small(platforms()[0]).with_check(Some(Check::Races)).with_frayed_edges();
    for seed in 0..4 {
        let row = run(named("paged_attention_manual"), &setup.with_seed(Some(seed)));
        let error = row.error.expect("two updates of a tile race");
        let updates = error.matches("kernel \"update\" (task").count();
        assert!(updates >= 2 && error.contains(".after(&"), "{error}");
        assert!(error.contains("attend.rs:"), "{error}");
    }
    let setup = small(platforms()[0]).with_check(Some(Check::Races)).with_hazards(Hazards::Raw);
    for name in ["scalar_data", "ring_pressure"] {
        let error = run(named(name), &setup).error.expect("what writes next need not wait for who reads");
        assert!(error.contains("build the chip with `Hazards::All`"), "{error}");
    }
}
