//! The record: what each program took when it was last looked at on purpose, and why; and how counts compare with it.

use anyhow::Result;
use comfy_table::{CellAlignment, Table};
use serde::{Deserialize, Serialize};

/// More than this part above the record fails; more than it below is worth recording.
const MARGIN: f64 = 0.05;

/// Pairs of programs that differ in their number of tasks alone: the second may take this part more a task, and no more.
const FLAT: &[(&str, &str)] = &[("growth-1-thousand", "growth-20-thousand")];
const FLATNESS: f64 = 0.02;

/// What was counted of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) name: String,
    /// Tasks, accesses or round trips.
    pub(super) items: u64,
    /// Instructions of the code of this workspace.
    pub(super) own: u64,
    /// Instructions of the C library, for it.
    pub(super) outside: u64,
}

/// What was recorded of one program: instructions an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    pub(super) name: String,
    /// Of all code.
    pub(super) instructions: f64,
    /// Of the code of this workspace alone.
    pub(super) own: f64,
    /// Why it is as it is since it last changed.
    pub(super) reason: String,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// What it was counted with.
    pub(super) system: Vec<String>,
    pub(super) programs: Vec<Program>,
}

/// How counts compare with the record.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) table: String,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<String>,
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Counted {
    fn own(&self) -> f64 {
        rounded(self.own as f64 / self.items as f64)
    }

    fn all(&self) -> f64 {
        rounded((self.own + self.outside) as f64 / self.items as f64)
    }
}

impl Record {
    /// With what is counted now, and `reason` where that differs by more than what rounds away.
    pub(super) fn updated(&self, counted: &[Counted], system: &[String], reason: &str) -> Self {
        let programs = counted.iter().map(|counted| {
            let before = self.programs.iter().find(|program| program.name == counted.name);
            let same = before.filter(|program| (program.own - counted.own()).abs() <= program.own * 0.001);
            let reason = same.map_or(reason, |program| &program.reason).to_owned();
            Program { name: counted.name.clone(), instructions: counted.all(), own: counted.own(), reason }
        });
        Self { system: system.to_vec(), programs: programs.collect() }
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Compares with what was counted on `system` of the programs whose name contains `part`. Instructions of libraries
    /// count where the record was made with the same ones.
    pub(super) fn compare(&self, counted: &[Counted], system: &[String], part: &str) -> Outcome {
        let (mut notes, mut problems) = (Vec::new(), Vec::new());
        let same = self.system == system;
        if !same {
            notes.push(format!(
                "recorded with {}; this is {}: only the instructions of this workspace's code are compared",
                self.system.join(", "),
                system.join(", ")
            ));
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["instructions an item", "recorded", "counted", "of libraries", "change"]);
        for counted in counted {
            let name = &counted.name;
            let Some(before) = self.programs.iter().find(|program| program.name == *name) else {
                problems.push(format!("{name} is not recorded: `{}`", again()));
                continue;
            };
            let (was, is) =
                if same { (before.instructions, counted.all()) } else { (before.own, counted.own()) };
            let change = is / was - 1.0;
            let libraries = format!("{:.1}", counted.all() - counted.own());
            let change_told = format!("{:+.1} %", change * 100.0);
            table.add_row([name.clone(), format!("{was:.1}"), format!("{is:.1}"), libraries, change_told]);
            if change > MARGIN {
                problems.push(format!(
                    "{name} takes {is:.1} instructions an item, {:.1} % more than the {was:.1} recorded for \"{}\"; at \
                     most {:.0} % more passes. Make it as short as it was, or, if it has to be, record it in the same \
                     commit with the reason: `{}`",
                    change * 100.0,
                    before.reason,
                    MARGIN * 100.0,
                    again()
                ));
            } else if change < -MARGIN {
                notes.push(format!(
                    "{name} takes {:.1} % fewer instructions than recorded; keep the gain: `{}`",
                    -change * 100.0,
                    again()
                ));
            }
        }
        for gone in self.programs.iter().filter(|program| program.name.contains(part)) {
            if !counted.iter().any(|counted| counted.name == gone.name) {
                problems.push(format!("{} is recorded and is no program any more: `{}`", gone.name, again()));
            }
        }
        let of = |name: &str| counted.iter().find(|counted| counted.name == name).map(Counted::own);
        for (few, many) in FLAT {
            if let (Some(a), Some(b)) = (of(few), of(many))
                && b > a * (1.0 + FLATNESS)
            {
                problems.push(format!(
                    "{many} takes {b:.1} instructions a task and {few} {a:.1}: what a task costs grows with how many \
                     there were; find what is kept of tasks that are over"
                ));
            }
        }
        for column in 1..5 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let table = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        Outcome { table, notes, problems }
    }
}

/// What records the counts of now.
fn again() -> &'static str {
    "cargo xtask bench guard --record REASON"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, own: u64, outside: u64) -> Counted {
        Counted { name: name.to_owned(), items: 10, own, outside }
    }

    fn record() -> (Record, Vec<String>) {
        let system = vec!["rustc 1".to_owned(), "counter 1".to_owned()];
        let all = [counted("submit", 9_000, 1_000), counted("chain", 5_000, 0)];
        (Record::default().updated(&all, &system, "the first count"), system)
    }

    #[test]
    fn six_per_cent_more_fails_and_says_where_by_how_much_and_what_to_do() {
        let (record, system) = record();
        let now = [counted("submit", 9_600, 1_000), counted("chain", 5_000, 0)];
        let outcome = record.compare(&now, &system, "");
        let [problem] = &outcome.problems[..] else { panic!("{:?}", outcome.problems) };
        for said in ["submit takes 1060.0", "6.0 % more", "1000.0", "the first count", "--record REASON"] {
            assert!(problem.contains(said), "\"{said}\" is not in: {problem}");
        }
        assert!(outcome.table.contains("+6.0 %"), "{}", outcome.table);
    }

    #[test]
    fn up_to_five_per_cent_passes() {
        let (record, system) = record();
        let now = [counted("submit", 9_480, 1_000), counted("chain", 4_800, 0)];
        let outcome = record.compare(&now, &system, "");
        assert!(outcome.problems.is_empty() && outcome.notes.is_empty(), "{outcome:?}");
    }

    #[test]
    fn more_calls_into_libraries_fail_where_the_libraries_are_those_of_the_record() {
        let (record, system) = record();
        let now = [counted("submit", 9_000, 1_700), counted("chain", 5_000, 0)];
        assert_eq!(record.compare(&now, &system, "").problems.len(), 1);
        let elsewhere = record.compare(&now, &["rustc 2".to_owned()], "");
        assert!(elsewhere.problems.is_empty(), "{elsewhere:?}");
        assert!(elsewhere.notes[0].contains("rustc 2"), "{elsewhere:?}");
        // Its own code counts everywhere.
        let now = [counted("submit", 9_600, 0), counted("chain", 5_000, 0)];
        assert_eq!(record.compare(&now, &["rustc 2".to_owned()], "").problems.len(), 1);
    }

    #[test]
    fn a_gain_is_to_be_recorded_and_does_not_fail() {
        let (record, system) = record();
        let now = [counted("submit", 8_000, 1_000), counted("chain", 5_000, 0)];
        let outcome = record.compare(&now, &system, "");
        assert!(outcome.problems.is_empty());
        assert!(outcome.notes[0].contains("submit takes 10.0 % fewer"), "{outcome:?}");
    }

    #[test]
    fn a_program_without_a_record_and_a_record_without_a_program_fail() {
        let (record, system) = record();
        let outcome = record.compare(&[counted("submit", 9_000, 1_000), counted("new", 1, 0)], &system, "");
        assert_eq!(outcome.problems.len(), 2, "{outcome:?}");
        let outcome = record.compare(&[counted("submit", 9_000, 1_000)], &system, "submit");
        assert!(outcome.problems.is_empty(), "{outcome:?}");
    }

    #[test]
    fn a_reason_is_kept_until_the_count_changes() {
        let (record, system) = record();
        let now = [counted("submit", 8_000, 1_000), counted("chain", 5_001, 0)];
        let record = record.updated(&now, &system, "shorter");
        let reasons: Vec<&str> = record.programs.iter().map(|program| program.reason.as_str()).collect();
        assert_eq!(reasons, ["shorter", "the first count"]);
    }

    #[test]
    fn what_costs_more_the_more_there_were_fails() {
        let system = vec![];
        let [few, many] = FLAT[0].into();
        let record =
            Record::default().updated(&[counted(few, 1000, 0), counted(many, 1030, 0)], &system, "x");
        let grows = record.compare(&[counted(few, 1000, 0), counted(many, 1030, 0)], &system, "");
        assert!(grows.problems.len() == 1 && grows.problems[0].contains("grows"), "{grows:?}");
        let flat = record.compare(&[counted(few, 1000, 0), counted(many, 1010, 0)], &system, "");
        assert!(flat.problems.is_empty(), "{flat:?}");
    }

    #[test]
    fn what_is_written_can_be_read() {
        let (record, _) = record();
        assert_eq!(serde_json::from_str::<Record>(&record.json().unwrap()).unwrap(), record);
    }
}
