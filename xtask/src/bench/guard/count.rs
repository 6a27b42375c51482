//! Counting: runs a program under callgrind, which counts inside of the measured sections alone, and reads what it wrote.

use super::record::Counted;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// The function that all measured sections run in.
const INSIDE: &str = "--toggle-collect=*prewire_benches*clock*counted*";

/// Whether there is a counter on this machine.
pub(super) fn is_there() -> bool {
    let silent = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    silent(Command::new("valgrind").arg("--version")).is_ok_and(|status| status.success())
}

/// What the counts depend on beside the code: the compiler, the counter, the C library, and which of the C library's copies
/// of a function the processor chooses. The counter shows each program the same processor, with AVX2 if this one has it.
pub(super) fn system() -> Vec<String> {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(crate::workspace::root()).output().ok();
        let output = output.filter(|output| output.status.success());
        let line = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        line.unwrap_or_else(|| format!("no {program}"))
    };
    let avx2 = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" avx2 "));
    vec![
        said("rustc", &["--version"]),
        said("valgrind", &["--version"]),
        said("getconf", &["GNU_LIBC_VERSION"]),
        if avx2 { "AVX2".to_owned() } else { "no AVX2".to_owned() },
    ]
}

/// Counts the programs of `binary` whose name contains `part`, as many at a time as there are processors.
pub(super) fn all(binary: &Path, part: &str) -> Result<Vec<Counted>> {
    let list = Command::new(binary).arg("--list").output().context("the programs could not be run")?;
    let list = String::from_utf8(list.stdout).context("names are text")?;
    let names: Vec<&str> = list.lines().filter(|name| name.contains(part)).collect();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(names.len().max(1));
    let mut counted = std::thread::scope(|scope| -> Result<Vec<(usize, Counted)>> {
        let names = &names;
        let each = |first: usize| {
            let mine = (first..names.len()).step_by(threads);
            mine.map(|at| Ok((at, one(binary, names[at])?))).collect::<Result<Vec<_>>>()
        };
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || each(first))).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })?;
    counted.sort_by_key(|(at, _)| *at);
    Ok(counted.into_iter().map(|(_, counted)| counted).collect())
}

fn one(binary: &Path, name: &str) -> Result<Counted> {
    let out = binary.with_file_name(format!("guard-{name}.callgrind"));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", INSIDE])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(binary)
        .arg(name)
        // It would choose other copies of the C library's functions.
        .env_remove("GLIBC_TUNABLES")
        .output()
        .context("valgrind could not be started")?;
    let told = String::from_utf8_lossy(&run.stderr);
    ensure!(
        run.status.success(),
        "`valgrind {} {name}` ended with {}:\n{told}",
        binary.display(),
        run.status
    );
    let items = String::from_utf8_lossy(&run.stdout).trim().parse();
    let items = items.with_context(|| format!("{name} did not say how many items it counted"))?;
    let text = std::fs::read_to_string(&out).with_context(|| format!("{} cannot be read", out.display()))?;
    let _ = std::fs::remove_file(&out);
    let (own, outside) = sum(&text, &binary.display().to_string());
    ensure!(own > 0, "nothing of {name} was counted; is `counted` of the benches' clock still there?");
    Ok(Counted { name: name.to_owned(), items, own, outside })
}

/// The instructions of the code in `object`, and of all other code. What a call costs is in the lines of the function that
/// was called; the line after `calls=` says it once more.
fn sum(text: &str, object: &str) -> (u64, u64) {
    let (mut own, mut outside) = (0, 0);
    let mut names = std::collections::HashMap::new();
    let (mut here, mut call) = (false, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            here = *names.entry(id).or_insert(name == object);
        } else if let Some(name) = line.strip_prefix("cob=") {
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            names.entry(id).or_insert(name == object);
        } else if line.starts_with("calls=") {
            call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
            if !core::mem::take(&mut call) {
                *(if here { &mut own } else { &mut outside }) += cost;
            }
        }
    }
    (own, outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_instructions_are_told_from_those_of_libraries_and_calls_count_once() {
        let text = "version: 1\nevents: Ir\n\nob=(1) /x/programs\nfl=(1) a.rs\nfn=(1) counted\n10 4\n+2 6\n\
                    cob=(2) /lib/libc.so\ncfn=(2) memcpy\ncalls=3 0\n12 300\n* 1\n\n\
                    ob=(2)\nfn=(2)\n0 300\n\nob=(1)\nfn=(3) more\n-4 5\ntotals: 316\n";
        assert_eq!(sum(text, "/x/programs"), (16, 300));
        assert_eq!(sum(text, "/x/other"), (0, 316));
    }

    #[test]
    fn the_system_is_told_in_four_words_or_more() {
        let system = system();
        assert_eq!(system.len(), 4);
        assert!(system[0].starts_with("rustc "), "{system:?}");
    }
}
