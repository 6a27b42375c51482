//! Models and mutants, as the source has them: a model's claim and what it catches are in its documentation, a mutant
//! is where it is used. There is no other list, so none can be out of date.

use crate::{source, workspace};
use std::path::{Path, PathBuf};

/// A model: a test of a `loom` target, or of the `models` of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    /// The folder of its crate under `crates`; the package is this with `prewire-` before it.
    pub(crate) folder: String,
    /// The test target; `None` for the library's own tests.
    pub(crate) target: Option<String>,
    /// The test, as its binary names it.
    pub(crate) test: String,
    /// What it shows.
    pub(crate) claim: String,
    /// The mutants that make it fail.
    pub(crate) catches: Vec<String>,
    pub(crate) file: String,
    pub(crate) line: usize,
}

impl Model {
    /// How users name it.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.folder, self.test)
    }
}

/// A mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    /// What it weakens; empty if the code does not say.
    pub(crate) what: String,
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// All models and all mutants of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) models: Vec<Model>,
    pub(crate) mutants: Vec<Mutant>,
}

/// How many lines above a use the comment may start that says what the mutant does.
const REACH: usize = 6;

/// Reads the crates of the workspace.
pub(crate) fn workspace() -> std::io::Result<Scan> {
    let root = workspace::root();
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files)?;
    files.sort();
    let mut scan = Scan::default();
    for path in files {
        let parts: Vec<String> = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        scan.add(&parts.join("/"), &std::fs::read_to_string(&path)?);
    }
    Ok(scan)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

impl Scan {
    /// Adds what a file has. `path` starts at the root, with `/` between the parts.
    pub(crate) fn add(&mut self, path: &str, text: &str) {
        if let Some((folder, target, module)) = place(path) {
            for (line, test, claim, catches) in tests(text) {
                let test = if module.is_empty() { test } else { format!("{module}::{test}") };
                let (folder, target, file) = (folder.clone(), target.clone(), path.to_owned());
                self.models.push(Model { folder, target, test, claim, catches, file, line });
            }
        } else if path.contains("/src/") {
            self.mutants.extend(uses(path, text));
        }
    }
}

/// Which crate, target and module the models in a file belong to; `None` for a file of the product or of other tests.
fn place(path: &str) -> Option<(String, Option<String>, String)> {
    let (folder, inside) = path.strip_prefix("crates/")?.split_once('/')?;
    let module = |parts: &[&str]| {
        let last = parts.len().saturating_sub(1);
        let parts =
            parts.iter().enumerate().filter(|(i, part)| *i < last || !matches!(**part, "main" | "mod"));
        parts.map(|(_, part)| *part).collect::<Vec<_>>().join("::")
    };
    let parts: Vec<&str> = inside.strip_suffix(".rs")?.split('/').collect();
    match parts[..] {
        ["tests", target, ref rest @ ..] if is_target(target) => {
            Some((folder.to_owned(), Some(target.to_owned()), module(rest)))
        }
        ["src", "models", ..] => Some((folder.to_owned(), None, module(&parts[1..]))),
        _ => None,
    }
}

/// Whether a test target holds models.
pub(crate) fn is_target(name: &str) -> bool {
    name == "loom" || name.starts_with("loom_")
}

/// The tests of a file: line, name, claim, and the mutants that its documentation says it catches.
fn tests(text: &str) -> Vec<(usize, String, String, Vec<String>)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (index, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[test]") {
        let above = lines[..index].iter().rev().take_while(|line| line.starts_with("///"));
        let mut doc: Vec<&str> = above.map(|line| line.trim_start_matches('/').trim()).collect();
        doc.reverse();
        let name = lines[index..].iter().find_map(|line| line.strip_prefix("fn ")?.split('(').next());
        let split = doc.iter().position(|line| line.starts_with("Catches ")).unwrap_or(doc.len());
        let claim = doc[..split].join(" ").trim().to_owned();
        let catches = doc[split..].join(" ");
        let catches = catches.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        found.push((index + 1, name.unwrap_or_default().to_owned(), claim, catches));
    }
    found
}

/// The mutants that a file of the product uses.
fn uses(path: &str, text: &str) -> Vec<Mutant> {
    let split = source::split(text);
    // The halves of a source keep the places of its characters.
    let (code, raw): (Vec<char>, Vec<char>) = (split.code.chars().collect(), text.chars().collect());
    let comments: Vec<&str> = split.comments.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (call, is_order) in [("mutant::order(", true), ("mutant::skips(", false)] {
        let call: Vec<char> = call.chars().collect();
        for at in (0..code.len().saturating_sub(call.len())).filter(|&at| code[at..].starts_with(&call)) {
            let line = code[..at].iter().filter(|c| **c == '\n').count();
            let arguments: String = raw[at + call.len()..].iter().take(200).collect();
            let mut quoted = arguments.split('"');
            // Between the parenthesis and the name there is nothing; else the name is not a literal.
            let literal = quoted.next().is_some_and(|before| before.trim().is_empty());
            let name = if literal { quoted.next().unwrap_or_default() } else { "" }.to_owned();
            let above = &comments[line.saturating_sub(REACH)..=line.min(comments.len() - 1)];
            let mut add = |name: String, what: String| {
                found.push(Mutant { name, what, file: path.to_owned(), line: line + 1 });
            };
            if !is_order {
                let what = said(above, &format!("MUTANT \"{name}\":"));
                add(name, what);
                continue;
            }
            let rest = quoted.next().unwrap_or_default();
            let strength = rest.split("Ordering::").nth(1).unwrap_or_default();
            let strength = strength.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let pair = pair(above);
            match strength {
                "AcqRel" => {
                    add(format!("{name}/acquire"), format!("{pair}: AcqRel becomes Release"));
                    add(format!("{name}/release"), format!("{pair}: AcqRel becomes Acquire"));
                }
                "Acquire" | "Release" | "SeqCst" => add(name, format!("{pair}: {strength} becomes Relaxed")),
                _ => add(name, String::new()),
            }
        }
    }
    found.sort_by_key(|mutant| mutant.line);
    found
}

/// What the comment that starts with `mark` says, to the end of its sentence.
fn said(comments: &[&str], mark: &str) -> String {
    let mut text = String::new();
    for line in comments {
        if let Some((_, after)) = line.split_once(mark) {
            after.trim().clone_into(&mut text);
        } else if !text.is_empty() && !text.ends_with('.') && line.starts_with("//") {
            text.push(' ');
            text.push_str(line.trim_start_matches('/').trim());
        }
    }
    text
}

/// The pair that the last `ORDERING:` comment of these lines names first.
fn pair(comments: &[&str]) -> String {
    let from = comments.iter().rposition(|line| line.contains("ORDERING:"));
    let text = from.map(|from| comments[from..].join(" ")).unwrap_or_default();
    text.split('"').nth(1).unwrap_or("no pair named").to_owned()
}

/// What does not fit together, as file, line and what to do.
pub(crate) fn problems(scan: &Scan) -> Vec<(String, usize, String)> {
    let mut problems = Vec::new();
    for model in &scan.models {
        let mut found = |what: String| problems.push((model.file.clone(), model.line, what));
        if model.claim.is_empty() {
            found(format!("{} claims nothing; say in its documentation what it shows", model.name()));
        }
        if model.catches.is_empty() {
            let name = model.name();
            found(format!("{name} has not been seen to fail; add a mutant and say `/// Catches ...`"));
        }
        for name in model.catches.iter().filter(|name| scan.mutants.iter().all(|m| m.name != **name)) {
            found(format!("{} catches `{name}`, which no code uses", model.name()));
        }
    }
    for (index, mutant) in scan.mutants.iter().enumerate() {
        let mut found = |what: String| problems.push((mutant.file.clone(), mutant.line, what));
        let name = &mutant.name;
        if name.is_empty() {
            found("the mutant's name is not a literal; write it as a string".to_owned());
        } else if mutant.what.is_empty() {
            found(format!(
                "`{name}` does not say what it weakens; write `// MUTANT \"{name}\": ....` above a step, and an \
                 ordering stronger than Relaxed as a literal"
            ));
        }
        if scan.mutants[..index].iter().any(|other| other.name == *name) {
            found(format!("`{name}` is used twice; a name belongs to one place"));
        }
        if !scan.models.iter().any(|model| model.catches.contains(name)) {
            found(format!("no model says that it catches `{name}`; strengthen one, or drop the mutant"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(files: &[(&str, &str)]) -> Scan {
        let mut scan = Scan::default();
        files.iter().for_each(|(path, text)| scan.add(path, text));
        scan
    }

    const MODELS: &str = "\
/// Nothing is lost:
/// whoever looks finds it.
///
/// Catches `push`, `close/acquire` and
/// `close/release`.
#[test]
fn nothing_is_lost() {}
";

    #[test]
    fn models_are_found_where_they_are_and_with_what_they_say() {
        let found = scan(&[
            ("crates/ring/tests/loom/fan/out.rs", MODELS),
            ("crates/os/tests/loom.rs", MODELS),
            ("crates/os/tests/loom_more/main.rs", MODELS),
            ("crates/sim/src/models/pool.rs", MODELS),
            ("crates/sim/tests/pool.rs", MODELS),
            ("crates/sim/src/pool.rs", MODELS),
        ]);
        let names: Vec<String> = found.models.iter().map(Model::name).collect();
        let wanted = [
            "ring::fan::out::nothing_is_lost",
            "os::nothing_is_lost",
            "os::nothing_is_lost",
            "sim::models::pool::nothing_is_lost",
        ];
        assert_eq!(names, wanted);
        assert_eq!(found.models[0].claim, "Nothing is lost: whoever looks finds it.");
        assert_eq!(found.models[0].catches, ["push", "close/acquire", "close/release"]);
        assert_eq!((found.models[2].target.as_deref(), &found.models[3].target), (Some("loom_more"), &None));
    }

    #[test]
    fn mutants_are_found_with_what_they_weaken() {
        let code = "\
//! mutant::skips(\"in-a-comment\")
fn f() {
    // ORDERING: AcqRel, \"gate\"; pairs with itself.
    a.swap(1, mutant::order(
        \"close\",
        Ordering::AcqRel,
    ));
    // ORDERING: Release, \"data\"; pairs with g.
    b.store(1, mutant::order(\"push\", Ordering::Release));
    // ORDERING: SeqCst, \"turn\"; pairs with h.
    c.fetch_or(1, mutant::order(\"raise\", Ordering::SeqCst));
    // MUTANT \"late\": the second look is
    // left out.
    if mutant::skips(\"late\") {}
}
";
        let found = scan(&[("crates/a/src/lib.rs", code)]).mutants;
        let found: Vec<(&str, &str, usize)> =
            found.iter().map(|m| (m.name.as_str(), m.what.as_str(), m.line)).collect();
        let wanted = [
            ("close/acquire", "gate: AcqRel becomes Release", 4),
            ("close/release", "gate: AcqRel becomes Acquire", 4),
            ("push", "data: Release becomes Relaxed", 9),
            ("raise", "turn: SeqCst becomes Relaxed", 11),
            ("late", "the second look is left out.", 14),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_does_not_fit_together_is_found() {
        let sound = "// ORDERING: Release, \"data\"; pairs with g.\na.store(1, mutant::order(\"push\", Ordering::Release));\n";
        let model = "/// It holds.\n///\n/// Catches `push`.\n#[test]\nfn it_holds() {}\n";
        let path = "crates/a/tests/loom.rs";
        assert_eq!(problems(&scan(&[("crates/a/src/lib.rs", sound), (path, model)])), []);
        for (code, models) in [
            ("", model),
            (sound, "#[test]\nfn it_holds() {}\n/// Yes.\n///\n/// Catches `push`.\n#[test]\nfn yes() {}\n"),
            (&format!("{sound}\n\n\n\n\n\n\n{sound}"), model),
            (
                &format!("{sound}if mutant::skips(\"step\") {{}}"),
                "/// It holds.\n///\n/// Catches `push`, `step`.\n#[test]\nfn it_holds() {}\n",
            ),
            (&format!("{sound}// MUTANT \"step\": none.\nif mutant::skips(\"step\") {{}}"), model),
            (&format!("{sound}if mutant::skips(name) {{}}"), model),
            (&sound.replace("Ordering::Release", "Ordering::Relaxed"), model),
        ] {
            let found = problems(&scan(&[("crates/a/src/lib.rs", code), (path, models)]));
            assert!(!found.is_empty(), "passed:\n{code}\n{models}");
        }
    }
}
