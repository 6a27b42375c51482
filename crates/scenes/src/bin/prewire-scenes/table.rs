//! What `prewire-scenes` prints: a table, and one line that sums it up.

use core::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use prewire_scenes::{Row, Scene, platforms};

/// The scenes there are.
pub(crate) fn of_scenes(scenes: &[Scene]) -> String {
    let mut table = plain(&["scene", "level", "tolerance", "what it does"]);
    for scene in scenes {
        let level = scene.level.to_string();
        table.add_row([
            scene.name.to_owned(),
            level,
            format!("{:.0e}", scene.tolerance),
            scene.about.to_owned(),
        ]);
    }
    let names: Vec<_> = platforms().iter().map(|platform| platform.name).collect();
    format!("{}\nplatforms: {}", table.trim_fmt(), names.join(", "))
}

/// How the scenes went.
pub(crate) fn of_rows(rows: &[Row]) -> String {
    let mut table = plain(&[
        "scene",
        "platform",
        "tasks",
        "threads",
        "children",
        "wall",
        "worst error (tolerance)",
        "result",
    ]);
    for row in rows {
        let threads = if row.threads == 0 { "-".to_owned() } else { row.threads.to_string() };
        let children = row.inside.map_or_else(|| "-".to_owned(), |inside| inside.to_string());
        let error = row.max_error.map_or_else(|| "-".to_owned(), |error| format!("{error:.1e}"));
        table.add_row([
            Cell::new(&row.scene),
            Cell::new(&row.platform),
            Cell::new(row.tasks).set_alignment(CellAlignment::Right),
            Cell::new(threads).set_alignment(CellAlignment::Right),
            Cell::new(children),
            Cell::new(format!("{:.1} ms", row.wall_ms)).set_alignment(CellAlignment::Right),
            Cell::new(format!("{error} ({:.0e})", row.tolerance)).set_alignment(CellAlignment::Right),
            Cell::new(if row.ok { "ok" } else { "WRONG" }),
        ]);
    }
    table.trim_fmt()
}

/// What the scenes took of the sizes of their rings.
pub(crate) fn of_usage(rows: &[Row]) -> String {
    let mut table = plain(&["scene", "platform", "size", "needed", "high", "capacity", "waits"]);
    for row in rows {
        for used in &row.usage {
            let numbers = [used.needed, used.high, used.capacity, used.waits];
            let names = [&row.scene, &row.platform, &used.size].map(Cell::new);
            let numbers = numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
            table.add_row(names.into_iter().chain(numbers));
        }
    }
    table.trim_fmt()
}

/// One line: how many are right, how many tasks and how long.
pub(crate) fn summary(rows: &[Row], elapsed: Duration) -> String {
    let ok = rows.iter().filter(|row| row.ok).count();
    let tasks: u64 = rows.iter().map(|row| row.tasks).sum();
    format!("{ok} passed, {} failed; {tasks} tasks in {:.1} s", rows.len() - ok, elapsed.as_secs_f64())
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}
