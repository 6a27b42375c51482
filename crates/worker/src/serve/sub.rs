//! A SUB worker: it runs functions of the host, on memory that it shares with its parent.

use prewire_chip::HostArgs;

use super::Assigned;
use super::outcome::{Refused, SAID, misplaced, refuse};
use crate::callable::{Body, Kind};
use crate::plan::Plan;

pub(super) fn run(plan: &Plan, task: &Assigned<'_>) -> Result<(), Refused> {
    let Body::Host(function) = task.callable.body() else {
        return Err(misplaced(&task.callable, Kind::HostFunction));
    };
    let args = HostArgs::new(task.args, &plan.segments);
    function(&args).map_err(|error| refuse(SAID, &error))
}
