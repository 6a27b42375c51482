//! Kernel libraries: small ones in C, compiled by the tests. Without a C compiler they are ignored, and it is said so.

mod arguments;
mod bad;
mod compile;
mod deferred;
mod kept;
mod spin;
mod unregister;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test, by its name.
type Case = (&'static str, fn());

fn main() -> ExitCode {
    let compiler = compile::compiler();
    if compiler.is_none() {
        eprintln!(
            "ignored: the tests of kernel libraries need a C compiler (cc, gcc, clang, or what $CC names)"
        );
    }
    let cases = [arguments::CASES, bad::CASES, deferred::CASES, spin::CASES, unregister::CASES].concat();
    let trial = |(name, case): Case| {
        let run = move || {
            case();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(compiler.is_none())
    };
    // One after the other: they count what the process has mapped, and kernels that spin want the processors.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect()).exit_code()
}
