//! The commands that the documents show work: each `cargo xtask` line parses, and each package, example or binary
//! that a `cargo` line names is there.

use super::{Problem, TextFile, assert_none, files_with, markdown};
use crate::cli::{Cli, Task};
use crate::{sim_test, workspace};
use cargo_metadata::{Metadata, TargetKind};
use clap::Parser;

/// The commands of a document's shell fences, with their lines. Comments and prompts are taken off.
fn commands(text: &str) -> Vec<(usize, &str)> {
    let (fences, _) = markdown::parts(text);
    let mut found = Vec::new();
    for fence in fences {
        for (index, line) in fence.content.iter().enumerate() {
            let command = match fence.language {
                "sh" => line.trim(),
                // In a console only the lines after a prompt are commands.
                "console" => line.trim().strip_prefix("$ ").unwrap_or(""),
                _ => "",
            };
            let command = command.split(" #").next().unwrap_or("").trim();
            if !command.is_empty() {
                found.push((fence.line + index, command));
            }
        }
    }
    found
}

/// What is wrong with a `cargo xtask` command.
fn wrong_task(words: &[&str]) -> Option<String> {
    match Cli::try_parse_from(words.iter().skip(1)) {
        Err(error) => Some(error.to_string().lines().next().unwrap_or_default().to_owned()),
        Ok(Cli { task: Task::SimTest { args } }) => {
            let flags = args.iter().filter_map(|arg| arg.to_str()).filter(|arg| arg.starts_with('-'));
            let name = |flag: &str| flag.split('=').next().unwrap_or(flag).to_owned();
            let unknown = flags.map(name).find(|flag| !sim_test::FLAGS.contains(&flag.as_str()));
            unknown.map(|flag| format!("the scenes know no `{flag}`, only {}", sim_test::FLAGS.join(", ")))
        }
        Ok(_) => None,
    }
}

/// What is wrong with another cargo command.
fn wrong_cargo(words: &[&str], metadata: &Metadata) -> Option<String> {
    let after = |flags: &[&str]| words.iter().position(|w| flags.contains(w)).and_then(|i| words.get(i + 1));
    let package = after(&["-p", "--package"]);
    let packages = metadata.workspace_packages();
    if let Some(name) = package
        && !packages.iter().any(|p| p.name.as_str() == *name)
    {
        return Some(format!("there is no package {name}"));
    }
    for (flag, kind) in
        [("--example", TargetKind::Example), ("--bin", TargetKind::Bin), ("--bench", TargetKind::Bench)]
    {
        let Some(name) = after(&[flag]) else { continue };
        let here = packages.iter().filter(|p| package.is_none_or(|wanted| p.name.as_str() == *wanted));
        let mut targets = here.flat_map(|p| &p.targets);
        if !targets.any(|t| t.kind.contains(&kind) && t.name == *name) {
            return Some(format!("there is no `{flag} {name}`"));
        }
    }
    None
}

fn check(file: &TextFile, metadata: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, command) in commands(&file.text) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let wrong = match words[..] {
            ["cargo", "xtask", ..] => wrong_task(&words),
            ["cargo", ..] => wrong_cargo(&words, metadata),
            _ => None,
        };
        if let Some(why) = wrong {
            let what = format!("`{command}` does not work: {why}; correct the document");
            problems.push(Problem::new(&file.path, line, what));
        }
    }
    problems
}

#[test]
fn the_commands_of_the_documents_work() {
    let metadata = workspace::metadata().expect("the workspace can be read");
    let problems: Vec<Problem> = files_with("md").iter().flat_map(|file| check(file, &metadata)).collect();
    assert_none(&problems);
}

#[test]
fn the_readme_shows_the_two_commands() {
    let text = std::fs::read_to_string(workspace::root().join("README.md")).expect("README.md can be read");
    let shown: Vec<&str> = commands(&text).into_iter().map(|(_, command)| command).collect();
    for wanted in ["cargo xtask sim-test", "cargo xtask test"] {
        assert!(shown.contains(&wanted), "README.md does not show `{wanted}` but {shown:?}");
    }
}

#[test]
fn the_scenes_know_the_flags_that_the_documents_may_show() {
    let mut files = files_with("rs");
    files.retain(|f| f.path.starts_with("crates/scenes/src/"));
    for flag in sim_test::FLAGS {
        let name = flag.trim_start_matches('-').replace('-', "_");
        let named =
            files.iter().any(|f| f.text.contains(&format!("\"{flag}\"")) || clap_field(&f.text, &name));
        assert!(named || *flag == "--help", "the source of the scenes does not name {flag}");
    }
}

/// Whether the source has a clap argument of that long name.
fn clap_field(text: &str, name: &str) -> bool {
    text.contains("#[arg(")
        && text.lines().any(|line| {
            line.trim()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ")
                .starts_with(&format!("{name}:"))
        })
}

#[test]
fn commands_that_do_not_work_are_found() {
    let text = "```sh\ncargo xtask test --fast # quick\ncargo xtask tset\ncargo xtask sim-test --platform a5\n\
                cargo xtask sim-test --plattform=a5\n```\n```console\n$ cargo xtask test --slow\ncargo xtask output\n```\n\
                ```text\ncargo xtask nothing\n```\n```sh\ncargo run -p prewire-none\ncargo run -p xtask --bin xtask\n\
                cargo run --example no_such_example\n```\n";
    let file = TextFile { path: "a.md".to_owned(), text: text.to_owned() };
    let metadata = workspace::metadata().expect("the workspace can be read");
    let lines: Vec<usize> = check(&file, &metadata).iter().map(|p| p.line).collect();
    assert_eq!(lines, [3, 5, 8, 15, 17]);
}
