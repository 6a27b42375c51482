//! The fixed programs, for instruction counters: runs the one that is named, and says how many items it counted.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use prewire_benches::{PROGRAMS, Program};
use prewire_os::process::{self, Signal};

fn main() -> ExitCode {
    // Where nobody reads what it prints it has nothing more to do.
    let _ = process::restore(Signal::PIPE);
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            PROGRAMS.iter().for_each(|program| println!("{}", program.name));
            ExitCode::SUCCESS
        }
        [name] => match Program::named(name) {
            Some(program) => {
                println!("{}", program.run());
                ExitCode::SUCCESS
            }
            None => {
                eprintln!("error: there is no program {name}; `programs --list` names them");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: programs NAME | programs --list");
            ExitCode::FAILURE
        }
    }
}
