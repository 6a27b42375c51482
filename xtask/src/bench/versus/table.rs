//! What a session is told as: a table for people, rows for machines.

use super::session::{Measured, Samples, median, peak};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// One runtime on one pattern.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// The pattern.
    pub(super) work: String,
    /// The runtime.
    pub(super) peer: String,
    /// The median of nanoseconds for an empty task.
    pub(super) ns_per_task: f64,
    /// How many times the first runtime's time that is; the median of the rounds' ratios.
    pub(super) ratio: f64,
    /// METG(50 %), in microseconds; `None` if it was not found.
    pub(super) metg_us: Option<f64>,
    /// The least and the largest of the rounds.
    #[serde(skip)]
    spread: Spread,
}

/// The least and the largest of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    ns: (f64, f64),
    ratio: (f64, f64),
}

fn ends(of: &[f64]) -> (f64, f64) {
    of.iter().fold((f64::INFINITY, 0.0), |(low, high), &x| (low.min(x), high.max(x)))
}

/// A row for each runtime on each pattern. Ratios are to the first runtime, in the same round.
pub(super) fn rows(patterns: &[String], names: &[&str], measured: &Measured, workers: usize) -> Vec<Row> {
    let peak = peak(measured);
    let mut rows = Vec::new();
    for (pattern, samples) in patterns.iter().zip(measured) {
        let Some(Samples { ns: base, .. }) = samples.first() else { continue };
        for (name, samples) in names.iter().zip(samples) {
            let ratios: Vec<f64> = samples.ns.iter().zip(base).map(|(ns, base)| ns / base).collect();
            rows.push(Row {
                work: pattern.clone(),
                peer: (*name).to_owned(),
                ns_per_task: median(&samples.ns),
                ratio: median(&ratios),
                metg_us: samples.metg(peak, workers),
                spread: Spread { ns: ends(&samples.ns), ratio: ends(&ratios) },
            });
        }
    }
    rows
}

/// The table for people.
pub(super) fn table(rows: &[Row], kernel: &str) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let metg = format!("METG(50 %), {kernel}, us");
    table.set_header(["pattern", "runtime", "ns/task", "min", "max", "ratio", "min", "max", &metg]);
    let mut last = "";
    for row in rows {
        let Spread { ns, ratio } = row.spread;
        let work = if row.work == last { "" } else { &row.work };
        last = &row.work;
        let metg = row.metg_us.map_or_else(|| "-".to_owned(), |us| format!("{us:.2}"));
        let numbers = [row.ns_per_task, ns.0, ns.1].map(|ns| format!("{ns:.0}"));
        let ratios = [row.ratio, ratio.0, ratio.1].map(|ratio| format!("{ratio:.2}"));
        let names = [work.to_owned(), row.peer.clone()];
        table.add_row(names.into_iter().chain(numbers).chain(ratios).chain([metg]));
    }
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::versus::metg::Point;
    use std::collections::BTreeMap;

    fn measured() -> Measured {
        let sweep = |overhead: f64| {
            let point = |iterations: u64| {
                let seconds = 100.0 * (iterations as f64 * 1e-9 + overhead);
                (iterations, vec![Point { iterations, tasks: 100, seconds }])
            };
            (0..20).map(|size| point(1 << size)).collect::<BTreeMap<_, _>>()
        };
        let fast = Samples { ns: vec![100.0, 80.0, 90.0], sweeps: sweep(1e-7) };
        let slow = Samples { ns: vec![400.0, 240.0, 450.0], sweeps: sweep(1e-6) };
        vec![vec![fast, slow]]
    }

    #[test]
    fn ratios_are_of_the_same_round_and_their_median_counts() {
        let rows = rows(&["fft".to_owned()], &["prewire", "openmp"], &measured(), 1);
        assert_eq!((rows[0].ns_per_task, rows[0].ratio, rows[0].spread.ratio), (90.0, 1.0, (1.0, 1.0)));
        // 4, 3 and 5 times, round by round.
        assert_eq!((rows[1].ns_per_task, rows[1].ratio, rows[1].spread.ratio), (400.0, 4.0, (3.0, 5.0)));
        let (fast, slow) = (rows[0].metg_us.unwrap(), rows[1].metg_us.unwrap());
        assert!(fast < 0.25 && slow > 1.8, "{fast} and {slow} us");
    }

    #[test]
    fn a_row_for_machines_has_these_names() {
        let rows = rows(&["fft".to_owned()], &["prewire", "openmp"], &measured(), 1);
        let json = serde_json::to_value(&rows[1]).unwrap();
        let mut keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["metg_us", "ns_per_task", "peer", "ratio", "work"]);
        let table = table(&rows, "compute").to_string();
        assert!(table.contains("openmp") && table.contains("4.00"), "{table}");
    }
}
