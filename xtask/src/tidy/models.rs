//! Every model claims something and has been seen to fail: see `loom::scan`, which also has the bad samples.

use super::{Problem, assert_none};
use crate::loom;

#[test]
fn models_and_mutants_fit_together() {
    let scan = loom::scan_workspace().unwrap();
    assert!(scan.models.len() >= 12 && scan.mutants.len() >= 12, "{} models found", scan.models.len());
    let problems = loom::problems(&scan).into_iter();
    let problems: Vec<Problem> = problems.map(|(file, line, what)| Problem::new(&file, line, what)).collect();
    assert_none(&problems);
}
