//! Orchestrations and kernels in C and C++, compiled here and played on a chip. Without the compilers they are ignored,
//! and it is said so.

mod bad;
mod codes;
mod compile;
mod play;
mod rig;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test, by its name.
type Case = (&'static str, fn());

fn main() -> ExitCode {
    if let Some(recipe) = std::env::var(codes::ALONE).ok().and_then(|number| number.parse().ok()) {
        codes::alone(recipe);
        return ExitCode::SUCCESS;
    }
    let missing = compile::missing();
    if let Some(missing) = missing {
        eprintln!("ignored: the tests of orchestrations need {missing}");
    }
    let cases = [play::CASES, codes::CASES, bad::CASES].concat();
    let trial = |(name, case): Case| {
        let run = move || {
            case();
            Ok(())
        };
        let throws = [codes::THROWN, codes::STALE].contains(&name) && cfg!(not(prewire_shim_cpp));
        Trial::test(name, run).with_ignored_flag(missing.is_some() || throws)
    };
    // One after the other: kernels that spin want the processors.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect()).exit_code()
}
