//! Runs a scene and judges it. Whatever happens in a scene, a wrong number, an error or a panic, is a row.

use std::panic::{AssertUnwindSafe, catch_unwind};

use prewire::chip::RunUsage;
use serde::Serialize;

use crate::scene::{Inside, Outcome, Scene, Setup};
use crate::traces;

/// How a scene went on a platform.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The name of the scene.
    pub scene: String,
    /// The name of the platform.
    pub platform: String,
    /// Whether it ran to its end with every result within the tolerance.
    pub ok: bool,
    /// Tasks submitted; 0 if it did not run to its end.
    pub tasks: u64,
    /// The most threads that the simulator had; 0 if it did not run to its end, ran in the caller's thread, or has a node.
    pub threads: usize,
    /// Where the children of its node were; none of a scene without a node, or that did not run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
    /// Milliseconds that its runs took, without inputs and golden.
    pub wall_ms: f64,
    /// The worst error; `None` if it did not run to its end or a result is not a number.
    pub max_error: Option<f64>,
    /// The largest error that passes.
    pub tolerance: f64,
    /// The most that its runs took of the rings, by size; none if it did not run to its end.
    pub usage: Vec<Used>,
    /// The seed that it ran under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What happened in each of its runs, one after the other, if that was asked for: as far as it came. None of a scene
    /// whose chips are children of a node: they are in other processes.
    #[serde(skip)]
    pub trace: Option<String>,
    /// Why it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How much of one size of the rings was used; see [`Mark`](prewire::chip::Mark).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Used {
    /// The field of `RingSizes`, with its ring: `window[2]`.
    pub size: String,
    /// What the program cannot do without.
    pub needed: u64,
    /// The most in use when a task was submitted.
    pub high: u64,
    /// How much there is.
    pub capacity: u64,
    /// How many times a submit waited for it.
    pub waits: u64,
}

/// The sizes of the rings that were used, and of the tensor map.
fn sizes(usage: &RunUsage) -> Vec<Used> {
    let used = |ring: &Option<usize>| ring.is_none_or(|ring| usage.rings[ring].window.high > 0);
    let marks = usage.marks().filter(|(_, ring, _)| used(ring));
    let named = marks.map(|(field, ring, mark)| Used {
        size: ring.map_or_else(|| field.to_owned(), |ring| format!("{field}[{ring}]")),
        needed: mark.needed,
        high: mark.high,
        capacity: mark.capacity,
        waits: mark.waits,
    });
    named.collect()
}

/// Runs `scene` as `setup` says.
///
/// ```
/// use prewire_scenes::{Scene, Setup, platforms, run};
///
/// let broken = Scene {
///     name: "broken",
///     about: "fails",
///     level: 2,
///     tolerance: 0.0,
///     kernels: &[],
///     run: |_| anyhow::bail!("out of order"),
/// };
/// let row = run(&broken, &Setup::new(platforms()[0]));
/// assert!(!row.ok);
/// assert_eq!(row.error.as_deref(), Some("out of order"));
/// ```
#[must_use]
pub fn run(scene: &Scene, setup: &Setup) -> Row {
    let mut row = Row {
        scene: scene.name.to_owned(),
        platform: setup.platform.name.to_owned(),
        ok: false,
        tasks: 0,
        threads: 0,
        inside: None,
        wall_ms: 0.0,
        max_error: None,
        tolerance: scene.tolerance,
        usage: Vec::new(),
        seed: setup.seed,
        trace: None,
        error: None,
    };
    // What a scene that was not run from here has left.
    drop(traces::collect());
    match catch_unwind(AssertUnwindSafe(|| (scene.run)(setup))) {
        Ok(Ok(outcome)) => judge(&mut row, &outcome),
        Ok(Err(error)) => row.error = Some(format!("{error:#}")),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("with a payload that is no text");
            row.error = Some(format!("the program panicked: {text}"));
        }
    }
    row.trace = (setup.trace && scene.level == 2).then(traces::collect);
    row
}

/// Fills in what came out, and whether it is within the tolerance.
fn judge(row: &mut Row, outcome: &Outcome) {
    row.tasks = outcome.tasks;
    row.threads = outcome.threads;
    row.inside = outcome.inside;
    row.usage = sizes(&outcome.usage);
    row.wall_ms = outcome.wall.as_secs_f64() * 1e3;
    row.max_error = outcome.max_error.is_finite().then_some(outcome.max_error);
    row.ok = outcome.max_error <= row.tolerance;
    if !row.ok {
        row.error = Some(format!(
            "the worst error is {:.3e}, the tolerance is {:.0e}: a result differs from the golden",
            outcome.max_error, row.tolerance
        ));
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::run;
    use prewire::chip::RunUsage;

    use crate::choose::platforms;
    use crate::scene::{Outcome, Scene, Setup};

    fn with_error<const PARTS: u32>(_: &Setup) -> anyhow::Result<Outcome> {
        let max_error = if PARTS == u32::MAX { f64::NAN } else { PARTS as f64 / 1e6 };
        Ok(Outcome {
            tasks: 3,
            wall: Duration::from_millis(2),
            threads: 1,
            inside: None,
            max_error,
            usage: RunUsage::default(),
        })
    }

    fn scene(run: fn(&Setup) -> anyhow::Result<Outcome>) -> Scene {
        Scene { name: "made_up", about: "", level: 2, tolerance: 1e-3, kernels: &[], run }
    }

    #[test]
    fn the_tolerance_decides() {
        let setup = Setup::new(platforms()[0]);
        let row = run(&scene(with_error::<1000>), &setup);
        assert!(row.ok && row.error.is_none() && row.tasks == 3 && row.wall_ms == 2.0, "{row:?}");
        let row = run(&scene(with_error::<1001>), &setup);
        assert!(!row.ok);
        let error = row.error.unwrap();
        assert!(error.contains("1.001e-3") && error.contains("1e-3"), "{error}");
    }

    #[test]
    fn no_number_a_panic_and_an_error_are_rows() {
        let setup = Setup::new(platforms()[0]);
        let row = run(&scene(with_error::<{ u32::MAX }>), &setup);
        assert!(!row.ok && row.max_error.is_none(), "{row:?}");
        let row = run(&scene(|_| panic!("lost {}", 3)), &setup);
        assert_eq!(row.error.as_deref(), Some("the program panicked: lost 3"));
        let row = run(&scene(|_| Err(anyhow::anyhow!("inner").context("outer"))), &setup);
        assert_eq!(row.error.as_deref(), Some("outer: inner"));
    }
}
