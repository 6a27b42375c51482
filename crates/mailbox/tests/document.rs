//! `docs/mailbox.md` and the code say the same of the layout: the tables of the page are those that the code makes, and
//! a layout that has changed has another version.

use prewire_mailbox::{
    ANSWER_BYTES, BLOB_BYTES, FIELDS, FRAME_BYTES, MAGIC, MAILBOX_BYTES, MAX_CHILDREN, PAGE, Phase,
    REASON_BYTES, REQUEST_BYTES, STATES, TASK_FRAMES, TEXT_BYTES, VERSION,
};
use std::fmt::Write;

/// The hash of the tables of the version that is published. A change of the layout changes it: give the layout the next
/// version, and write down the new pair.
const PUBLISHED: (u32, u64) = (1, 0xd971_45ae_c6ed_1955);

fn tables() -> String {
    let mut out = String::from("| constant | value |\n|---|---|\n");
    let constants = [
        ("VERSION", VERSION as usize),
        ("MAX_CHILDREN", MAX_CHILDREN),
        ("PAGE", PAGE),
        ("TASK_FRAMES", TASK_FRAMES),
        ("FRAME_BYTES", FRAME_BYTES),
        ("MAILBOX_BYTES", MAILBOX_BYTES),
        ("BLOB_BYTES", BLOB_BYTES),
        ("TEXT_BYTES", TEXT_BYTES),
        ("REQUEST_BYTES", REQUEST_BYTES),
        ("ANSWER_BYTES", ANSWER_BYTES),
        ("REASON_BYTES", REASON_BYTES),
    ];
    writeln!(out, "| `MAGIC` | {MAGIC:#018x} |").unwrap();
    for (name, value) in constants {
        writeln!(out, "| `{name}` | {value} |").unwrap();
    }
    out += "\n| state of a frame | value |\n|---|---|\n";
    for (state, name) in STATES {
        writeln!(out, "| {name} | {} |", state as u8).unwrap();
    }
    out += "\n| phase of a life | value |\n|---|---|\n";
    for (phase, name) in Phase::ALL {
        writeln!(out, "| {name} | {} |", phase as u8).unwrap();
    }
    let mut part = "";
    for field in FIELDS {
        if field.part != part {
            part = field.part;
            writeln!(out, "\n| {part} | offset | bytes | written by |\n|---|---|---|---|").unwrap();
        }
        writeln!(out, "| `{}` | {} | {} | {} |", field.name, field.offset, field.bytes, field.writer)
            .unwrap();
    }
    out
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The tables of the page's section on the layout, in their order, with a blank line between two.
fn shown(page: &str) -> String {
    let (_, page) = page.split_once("\n## The layout\n").expect("the page has such a section");
    let tables: Vec<&str> =
        page.split("\n\n").map(str::trim).filter(|block| block.starts_with('|')).collect();
    tables.join("\n\n") + "\n"
}

#[test]
fn the_tables_of_the_page_are_those_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mailbox.md");
    let page = std::fs::read_to_string(path).expect("docs/mailbox.md can be read");
    let (code, page) = (tables(), shown(&page));
    for (line, (code, page)) in code.lines().zip(page.lines()).enumerate() {
        assert_eq!(page, code, "line {line} of the tables of docs/mailbox.md; the code's are:\n{}", tables());
    }
    assert_eq!(page.lines().count(), code.lines().count(), "the code's tables are:\n{code}");
}

#[test]
fn another_layout_has_another_version() {
    assert_eq!(
        (VERSION, hash(&tables())),
        PUBLISHED,
        "if the layout was meant to change, raise VERSION and write this pair into PUBLISHED"
    );
}

#[test]
fn fields_neither_overlap_nor_leave_their_part() {
    for pair in FIELDS.windows(2).filter(|pair| pair[0].part == pair[1].part) {
        assert!(pair[0].offset + pair[0].bytes <= pair[1].offset, "{pair:?}");
    }
    for field in FIELDS {
        let size = match field.part {
            "parent block" | "header" => PAGE,
            "mailbox" => MAILBOX_BYTES,
            "call" => 80,
            _ => FRAME_BYTES,
        };
        assert!(field.bytes > 0 && field.offset + field.bytes <= size, "{field:?}");
    }
}
