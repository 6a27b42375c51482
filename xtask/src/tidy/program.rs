//! The program of `README.md` is an example of the facade, letter by letter: what a reader copies has been compiled.

use super::markdown;
use crate::workspace;

const EXAMPLE: &str = "crates/prewire/examples/hello.rs";

/// What is wrong with the first Rust fence of a document, against the text of the example.
fn check(document: &str, example: &str) -> Result<(), String> {
    let (fences, _) = markdown::parts(document);
    let fence = fences.iter().find(|f| f.language == "rust").ok_or("there is no ```rust fence")?;
    let mut lines = example.lines();
    for (index, shown) in fence.content.iter().enumerate() {
        let wanted = lines.next();
        if wanted != Some(shown) {
            let line = fence.line + index;
            return Err(format!(
                "line {line}: `{shown}`, the example has `{}`",
                wanted.unwrap_or("no more lines")
            ));
        }
    }
    lines.next().map_or(Ok(()), |left| Err(format!("the program ends before the example's `{left}`")))
}

#[test]
fn the_program_of_the_readme_is_the_example() {
    let read = |path: &str| {
        std::fs::read_to_string(workspace::root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    if let Err(why) = check(&read("README.md"), &read(EXAMPLE)) {
        panic!("README.md: {why}; copy {EXAMPLE} into its first ```rust fence");
    }
}

#[test]
fn a_program_that_differs_is_found() {
    let document = "# Title\n```sh\nls\n```\n```rust\nfn a() {}\nfn b() {}\n```\n";
    assert_eq!(check(document, "fn a() {}\nfn b() {}\n"), Ok(()));
    let why = |example| check(document, example).expect_err("a difference passed");
    assert_eq!(why("fn a() {}\nfn c() {}\n"), "line 7: `fn b() {}`, the example has `fn c() {}`");
    assert_eq!(why("fn a() {}\n"), "line 7: `fn b() {}`, the example has `no more lines`");
    assert_eq!(why("fn a() {}\nfn b() {}\nfn c() {}\n"), "the program ends before the example's `fn c() {}`");
    assert_eq!(check("# Title\n", ""), Err("there is no ```rust fence".to_owned()));
}
