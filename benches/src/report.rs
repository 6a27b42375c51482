//! Rows: one figure each, with its spread, as a table and as JSON.

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// What it is counted in.
    pub unit: String,
    /// The median of the samples.
    pub median: f64,
    /// The least of them.
    pub min: f64,
    /// The most of them.
    pub max: f64,
    /// How many they are.
    pub n: usize,
}

impl Row {
    /// The row of `samples`; without any it is a row of zeros.
    #[must_use]
    pub fn of(name: impl Into<String>, unit: &str, mut samples: Vec<f64>) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or(0.0);
        let (n, last) = (samples.len(), samples.len().saturating_sub(1));
        let median = (at(last / 2) + at(samples.len() / 2)) / 2.0;
        Self { name: name.into(), unit: unit.to_owned(), median, min: at(0), max: at(last), n }
    }
}

/// All rows of a run. The first are of the machine.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// The name of the row that times are given as multiples of.
    pub const YARDSTICK: &'static str = "machine/atomic add, uncontended";

    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many uncontended atomic additions fit into a time of this row; none for what is no time.
    fn multiple(&self, row: &Row) -> Option<f64> {
        let nanoseconds = match row.unit.as_str() {
            "ns" => row.median,
            "us" => row.median * 1e3,
            _ => return None,
        };
        let yard = self.rows.iter().find(|row| row.name == Self::YARDSTICK)?;
        (yard.median > 0.0).then(|| nanoseconds / yard.median)
    }

    /// The rows as a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["", "unit", "median", "min", "max", "n", "x atomic"]);
        for row in &self.rows {
            let multiple = self.multiple(row).map(figure).unwrap_or_default();
            table.add_row([
                row.name.clone(),
                row.unit.clone(),
                figure(row.median),
                figure(row.min),
                figure(row.max),
                row.n.to_string(),
                multiple,
            ]);
        }
        for column in 2..7 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// The rows as a JSON array.
    ///
    /// # Errors
    ///
    /// Never for rows of finite numbers.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.rows)
    }
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_middle_and_both_ends_of_its_samples() {
        let row = Row::of("a", "ns", vec![5.0, 1.0, 3.0]);
        assert_eq!((row.median, row.min, row.max, row.n), (3.0, 1.0, 5.0, 3));
        assert_eq!(Row::of("a", "ns", vec![4.0, 2.0]).median, 3.0);
        assert_eq!(Row::of("a", "ns", Vec::new()).n, 0);
    }

    #[test]
    fn times_are_multiples_of_an_atomic_addition_and_rates_are_not() {
        let mut report = Report::default();
        report.add(Row::of(Report::YARDSTICK, "ns", vec![5.0]));
        report.add(Row::of("life/chain", "ns", vec![45.0]));
        report.add(Row::of("run", "us", vec![2.0]));
        report.add(Row::of("rate", "M/s", vec![12.0]));
        let multiples: Vec<_> = report.rows().iter().map(|row| report.multiple(row)).collect();
        assert_eq!(multiples, [Some(1.0), Some(9.0), Some(400.0), None]);
        let table = report.table();
        assert!(table.contains("x atomic") && table.contains("45.0") && table.contains("9.00"), "{table}");
    }

    #[test]
    fn the_json_is_an_array_of_rows_with_these_fields() {
        let mut report = Report::default();
        report.add(Row::of("a", "ns", vec![1.5]));
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let wanted = r#"[{"name": "a", "unit": "ns", "median": 1.5, "min": 1.5, "max": 1.5, "n": 1}]"#;
        assert_eq!(json, serde_json::from_str::<serde_json::Value>(wanted).unwrap());
    }
}
