//! The command line of `cargo xtask`. The documents' commands are checked against this definition.

use crate::san::Sanitizer;
use crate::shuttle;
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// The tasks of the prewire workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Runs the whole suite, and stops at the first step that fails.
    Test {
        /// Leaves out what takes long: schedules, documentation, scenes, and the oracle.
        #[arg(long)]
        fast: bool,
    },
    /// Explores the models: the engine and the simulator on loom's atomics.
    Loom {
        /// A crate, or a part of the names of models (`ring`, `fanout::`); all models without it.
        group: Option<String>,
        /// How many preemptions are explored at most; 2 unless LOOM_MAX_PREEMPTIONS says otherwise.
        #[arg(long)]
        bound: Option<u32>,
        /// Lists the models: what each claims and which mutants make it fail.
        #[arg(long, conflicts_with = "mutants")]
        list: bool,
        /// Runs each model with each mutant that it says it catches, and fails if it does not.
        #[arg(long)]
        mutants: bool,
    },
    /// Compares random programs with running their tasks one by one.
    Oracle(crate::oracle::Args),
    /// Runs the scenes on the simulator; all arguments go to the scenes (`--help` says which there are).
    #[command(disable_help_flag = true)]
    SimTest {
        /// What the scenes are asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Builds and writes the files that programs of another system look for.
    Dist(crate::dist::Asked),
    /// Measures what prewire costs, beside its peers.
    Bench(crate::bench::Args),
    /// Runs small random programs on the engine under shuttle's random schedules.
    Shuttle(shuttle::Options),
    /// Runs the tests of the engine and the simulator under the sanitizers that the nightly toolchain has.
    San {
        /// Which; all unless named.
        sanitizers: Vec<Sanitizer>,
        /// Fails if one of them is missing, instead of skipping it.
        #[arg(long)]
        require: bool,
        /// Only the tests of this package; may be given more than once.
        #[arg(long)]
        package: Vec<String>,
    },
    /// Drives the decoders with libFuzzer, for some time each.
    Fuzz {
        /// Which; all unless named.
        target: Option<String>,
        /// Seconds for each.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Names the targets, and runs none.
        #[arg(long)]
        list: bool,
        /// Adds to the corpus what reached something new.
        #[arg(long)]
        keep: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sim_test_forwards_flags_and_help_untouched() {
        let cli = Cli::try_parse_from(["cargo xtask", "sim-test", "--platform", "a5", "--help"]).unwrap();
        let Task::SimTest { args } = cli.task else { panic!("another task: {cli:?}") };
        assert_eq!(args, ["--platform", "a5", "--help"]);
    }

    #[test]
    fn a_schedule_of_shuttle_is_one_of_a_program() {
        let parse = |args: &[&str]| Cli::try_parse_from(["cargo xtask", "shuttle"].iter().chain(args));
        assert!(parse(&["--seed", "3", "--schedule", "91"]).is_ok());
        assert!(parse(&["--schedule", "91"]).is_err());
        assert!(parse(&["--seed", "3", "--schedule", "91", "--iterations", "2"]).is_err());
    }

    #[test]
    fn an_unknown_flag_of_test_is_refused() {
        assert!(Cli::try_parse_from(["cargo xtask", "test", "--quick"]).is_err());
    }
}
