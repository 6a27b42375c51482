//! What chip a run wants: the sizes of its rings, and how long it may stand still. Invariant: the run's own numbers come
//! before those of the environment, and those before the defaults, ring by ring.

use std::fmt::Display;
use std::time::Duration;

use prewire_abi::{RINGS, RuntimeEnv};
use prewire_chip::RingSizes;
use prewire_sync::atomic::{AtomicU32, Ordering};

use super::log;

/// How long a run may stand still before it fails with code 100, unless the environment says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Words of arguments of the largest task: 32 tensors that are kept whole, 16 scalars, and what tells them apart.
const TASK_WORDS: u32 = 416;

/// The most words of arguments that a ring is given, as far as its tasks have as many as they have by default.
const ARGUMENTS: u32 = 1 << 23;

/// The variables of which was said that they are not used, a bit each. Set by whoever says so.
static TOLD: AtomicU32 = AtomicU32::new(0);

/// A variable of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Window,
    Heap,
    Pool,
    Limit,
}

impl Variable {
    const fn name(self) -> &'static str {
        match self {
            Self::Window => "PTO2_RING_TASK_WINDOW",
            Self::Heap => "PTO2_RING_HEAP",
            Self::Pool => "PTO2_RING_DEP_POOL",
            Self::Limit => "SIMPLER_SCHEDULER_TIMEOUT_MS",
        }
    }

    /// The numbers that it gives, if it gives one a ring.
    const fn numbers(self, env: &mut RuntimeEnv) -> &mut [u64; RINGS] {
        match self {
            Self::Heap => &mut env.ring_heap,
            Self::Pool => &mut env.ring_dep_pool,
            Self::Window | Self::Limit => &mut env.ring_task_window,
        }
    }
}

/// A chip that a run can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) rings: RingSizes,
    /// The longest that no kernel may begin or end.
    pub(crate) timeout: Duration,
}

impl Wanted {
    /// What a run with these numbers wants, in this environment. The numbers are valid.
    pub(crate) fn of(env: &RuntimeEnv) -> Self {
        Self::with(env, |name| std::env::var(name).ok(), warn)
    }

    /// Each variable is used or, if it makes no sense, refused alone.
    fn with(
        env: &RuntimeEnv,
        variable: impl Fn(&str) -> Option<String>,
        mut refuse: impl FnMut(Variable, &str, &dyn Display),
    ) -> Self {
        let mut around = RuntimeEnv::default();
        for which in [Variable::Window, Variable::Heap, Variable::Pool] {
            let Some(text) = variable(which.name()) else { continue };
            let Some(four) = four(&text) else {
                refuse(which, &text, &"allowed are one number, or four with commas");
                continue;
            };
            let mut alone = RuntimeEnv::default();
            *which.numbers(&mut alone) = four;
            match alone.validate() {
                Ok(()) => *which.numbers(&mut around) = four,
                Err(error) => refuse(which, &text, &error),
            }
        }
        let mut rings = RingSizes::default();
        let first = |numbers: [u64; 2]| numbers.into_iter().find(|&n| n != 0);
        for ring in 0..RINGS {
            // Numbers that are too large stay so, and are refused when the chip is built.
            let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            if let Some(window) = first([env.ring_task_window[ring], around.ring_task_window[ring]]) {
                rings.window[ring] = small(window);
            }
            if let Some(heap) = first([env.ring_heap[ring], around.ring_heap[ring]]) {
                rings.heap[ring] = heap;
            }
            if let Some(deps) = first([env.ring_dep_pool[ring], around.ring_dep_pool[ring]]) {
                rings.deps[ring] = small(deps);
            }
        }
        // Any task may have all the tensors that a task can have, and what is not touched costs nothing.
        let window = rings.window.into_iter().max().unwrap_or(1).max(1);
        rings.args = (ARGUMENTS / window).clamp(rings.args, TASK_WORDS);
        let timeout = variable(Variable::Limit.name()).map_or(TIMEOUT, |text| match text.trim().parse() {
            Ok(ms) if ms > 0 => Duration::from_millis(ms),
            _ => {
                refuse(Variable::Limit, &text, &"allowed are milliseconds, 1 and more");
                TIMEOUT
            }
        });
        Self { rings, timeout }
    }
}

/// One number for all rings, or one for each.
fn four(text: &str) -> Option<[u64; RINGS]> {
    let mut numbers = text.split(',').map(|number| number.trim().parse::<u64>().ok());
    let first = numbers.next()??;
    let mut all = [first; RINGS];
    let mut count = 1;
    for number in numbers {
        *all.get_mut(count)? = number?;
        count += 1;
    }
    (count == 1 || count == RINGS).then_some(all)
}

/// Says once in a process of each variable that it is not used, since every run asks for it.
fn warn(which: Variable, text: &str, why: &dyn Display) {
    let bit = 1 << which as u32;
    if TOLD.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
        log::warn("environment", format_args!("{}={text:?} is not used: {why}", which.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(env: RuntimeEnv, variables: &[(&str, &str)]) -> (Wanted, Vec<Variable>) {
        let mut refused = Vec::new();
        let variable = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
        let wanted = Wanted::with(&env, variable, |which, _, _| refused.push(which));
        (wanted, refused)
    }

    fn with(env: RuntimeEnv, variables: &[(&str, &str)]) -> Wanted {
        refused(env, variables).0
    }

    #[test]
    fn a_variable_that_makes_no_sense_takes_no_other_with_it() {
        let around = [
            ("PTO2_RING_TASK_WINDOW", "33"),
            ("PTO2_RING_HEAP", "4096"),
            ("PTO2_RING_DEP_POOL", "x"),
            ("SIMPLER_SCHEDULER_TIMEOUT_MS", "70"),
        ];
        let (wanted, bad) = refused(RuntimeEnv::default(), &around);
        assert_eq!((wanted.rings.window, wanted.rings.heap), (RingSizes::default().window, [4096; 4]));
        assert_eq!(
            (wanted.rings.deps, wanted.timeout),
            (RingSizes::default().deps, Duration::from_millis(70))
        );
        assert_eq!(bad, [Variable::Window, Variable::Pool]);
    }

    #[test]
    fn the_runs_own_numbers_come_first_ring_by_ring() {
        let own =
            RuntimeEnv { ring_task_window: [0, 64, 0, 0], ring_heap: [4096; 4], ..RuntimeEnv::default() };
        let around = [("PTO2_RING_TASK_WINDOW", "32"), ("PTO2_RING_DEP_POOL", "4, 8,16,32")];
        let wanted = with(own, &around);
        assert_eq!(wanted.rings.window, [32, 64, 32, 32]);
        assert_eq!((wanted.rings.heap, wanted.rings.deps), ([4096; 4], [4, 8, 16, 32]));
        let plain = with(RuntimeEnv::default(), &[]);
        assert_eq!((plain.rings, plain.timeout), (RingSizes::default().with_args(TASK_WORDS), TIMEOUT));
        let large = with(RuntimeEnv { ring_task_window: [1 << 20; 4], ..RuntimeEnv::default() }, &[]);
        assert_eq!(large.rings.args, RingSizes::default().args);
    }

    #[test]
    fn an_environment_that_says_nothing_sensible_is_not_used() {
        for bad in ["", "x", "1,2", "32,32,32", "32,32,32,32,32", "33", "-4", "32,32,32,"] {
            let wanted = with(RuntimeEnv::default(), &[("PTO2_RING_TASK_WINDOW", bad)]);
            assert_eq!(wanted.rings.window, RingSizes::default().window, "{bad:?}");
        }
        for bad in ["0", "-1", "soon"] {
            let wanted = with(RuntimeEnv::default(), &[("SIMPLER_SCHEDULER_TIMEOUT_MS", bad)]);
            assert_eq!(wanted.timeout, TIMEOUT, "{bad:?}");
        }
        let wanted = with(RuntimeEnv::default(), &[("SIMPLER_SCHEDULER_TIMEOUT_MS", " 250 ")]);
        assert_eq!(wanted.timeout, Duration::from_millis(250));
    }
}
