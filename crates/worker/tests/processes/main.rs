//! Trees of processes: started and closed, killed at every level, replaced, given up. Each case is alone in a process of
//! its own, which begins as one thread.

mod chips;
mod close;
mod death;
mod ends;
mod exec;
mod orphans;
mod output;
mod points;
mod register;
mod start;
mod stray;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use prewire_os::process::{Pid, PidFd, Process, descendants};
use prewire_os::{Event, WaitSet, clock};
use prewire_test_support::cases;
use prewire_worker::{Callable, Line, Output, Stream, Worker};

/// Long enough for anything that is going to happen at all.
const LONG: Duration = Duration::from_secs(30);

/// Adds one to each element of its tensor.
fn count() -> Callable {
    Callable::host_function("count", |args| {
        args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x += 1.0);
        Ok(())
    })
}

/// Says that it hangs, and does.
fn hang() -> Callable {
    Callable::host_function("hang", |_| {
        eprintln!("it hangs");
        loop {
            std::thread::park();
        }
    })
}

/// Has an orchestration run `count` on a SUB worker below, so that all levels of a tree have done something.
fn below() -> Callable {
    Callable::orchestration("below", |orch, _| {
        let x = orch.alloc(&[4], prewire_chip::DataType::F32)?;
        orch.submit(&count()).inout(&x).go()?;
        Ok(())
    })
}

/// That tasks are as good as ever.
#[track_caller]
fn assert_works(node: &Worker, times: usize) {
    let (count, x) = (count(), node.zeros::<f32>(&[4]).unwrap());
    let run = node.run(|orch| {
        for _ in 0..times {
            orch.submit(&count).inout(&x).go()?;
        }
        Ok(())
    });
    run.unwrap();
    assert_eq!(node.read::<f32>(&x).unwrap(), [times as f32; 4]);
}

/// Looks until `look` says something. What is looked at tells nobody when it changes.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = clock::monotonic() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock::monotonic() < end, "this has not come: {what}");
        let _ = Event::new().wait_until(Some(Duration::from_millis(1)), || None::<()>);
    }
}

/// The process that has taken the place of `old`.
fn replaced_by(node: &Worker, child: usize, old: u32) -> u32 {
    until("a replacement", || node.processes()[child].filter(|new| *new != old))
}

/// That the process ends.
#[track_caller]
fn assert_ends(process: &PidFd, what: &str) {
    let (set, mut ready) = (WaitSet::new().unwrap(), Vec::new());
    set.add(process, 1).unwrap();
    set.wait(Some(LONG), &mut ready).unwrap();
    assert_eq!(ready, [1], "{what} has not ended");
}

/// The processes below this one that have such a name.
fn named(name: &str) -> Vec<Process> {
    let mut all = descendants().unwrap();
    all.retain(|process| process.name == name && !process.ended);
    all
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).unwrap()
}

/// A line: who wrote it, of which process, where, what.
type Said = (String, u32, Stream, String);

/// What children wrote.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Said>>>);

impl Heard {
    fn output(&self) -> Output {
        let to = self.clone();
        Output::sink(move |line: &Line<'_>| {
            to.0.lock().unwrap().push((line.worker.to_owned(), line.pid, line.stream, line.text.to_owned()));
        })
    }

    /// Waits for a line of that text, and forgets it: who wrote it, of which process.
    #[track_caller]
    fn wait_for(&self, text: &str) -> (String, u32, Stream) {
        until(text, || {
            let mut lines = self.0.lock().unwrap();
            let at = lines.iter().position(|line| line.3 == text)?;
            let (worker, pid, stream, _) = lines.remove(at);
            Some((worker, pid, stream))
        })
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|line| line.3.clone()).collect()
    }
}

cases! {
    first: prewire_worker::entry(exec::describe);
    start::children_are_processes_and_their_names_say_which,
    start::a_tree_is_refused_when_threads_run_and_the_message_says_what_to_do,
    start::a_child_that_does_not_come_to_serve_fails_the_start,
    start::a_child_that_dies_while_it_starts_fails_the_start,
    start::threads_and_processes_may_be_mixed,
    close::everything_is_given_back,
    close::a_tree_of_three_levels_is_given_back,
    close::a_worker_that_was_never_started_leaves_nothing,
    close::a_child_that_does_not_leave_is_killed_and_named,
    close::a_child_that_was_stopped_is_killed_and_named,
    close::closing_twice_and_dropping_is_closing_once,
    close::a_tree_that_idles_costs_no_processor_time,
    close::sixteen_chips_and_sixteen_subs_that_idle_cost_no_processor_time,
    death::each_child_is_replaced_when_it_is_killed,
    death::a_killed_child_fails_its_task_and_nothing_else,
    death::every_way_to_end_is_told_apart,
    death::what_a_terminal_sends_to_all_ends_no_child,
    death::a_child_that_fails_again_and_again_is_given_up,
    death::a_child_that_was_useful_is_replaced_for_ever,
    death::the_zygote_takes_its_children_along_and_says_so,
    death::a_child_that_hangs_is_killed_at_the_deadline,
    death::a_stopped_child_is_killed_at_the_deadline,
    death::a_worker_between_is_replaced_with_all_below_it,
    ends::a_chip_may_end_at_every_point_in_every_way,
    ends::a_worker_between_may_end_at_every_point,
    ends::a_member_that_ends_fails_its_group_once,
    ends::members_that_wait_for_one_that_is_gone_are_ended,
    ends::a_child_that_panics_in_its_task_says_so_and_serves_on,
    orphans::a_killed_root_leaves_nothing,
    orphans::a_killed_worker_between_leaves_nothing,
    orphans::a_killed_zygote_leaves_nothing,
    orphans::a_killed_root_of_executed_children_leaves_nothing,
    death::what_a_dead_child_had_not_taken_is_run_by_its_replacement,
    points::a_child_that_dies_at_any_state_loses_what_it_runs_and_no_more,
    points::a_child_that_stands_still_is_killed_at_the_deadline_and_no_sooner,
    points::a_request_is_answered_or_lost_with_its_child,
    points::a_child_that_dies_as_it_leaves_or_as_it_begins_to_serve_is_contained,
    chips::a_kernel_that_crashes_takes_its_chip_along_and_no_other,
    chips::a_kernel_that_hangs_is_ended_with_its_process_at_the_deadline,
    chips::a_chip_that_is_lost_says_so_and_is_replaced,
    chips::a_tree_that_ends_in_order_says_nothing,
    chips::memory_of_a_chip_that_was_replaced_is_gone_and_not_mistaken,
    chips::a_run_below_ends_before_the_deadline_and_its_worker_lives_on,
    chips::events_of_children_come_labelled_from_the_level_on_that_was_asked_for,
    register::children_and_their_replacements_learn_what_is_portable,
    register::what_is_not_portable_is_refused_and_leaves_no_trace,
    register::workers_below_know_what_is_portable_and_so_do_their_replacements,
    register::a_replacement_does_not_know_what_was_forgotten,
    register::a_child_that_dies_over_a_request_is_replaced_by_one_that_knows,
    output::lines_come_with_the_place_and_the_process_of_who_wrote_them,
    output::lines_of_all_levels_keep_their_labels,
    output::a_line_without_end_comes_at_death,
    output::a_flood_is_neither_lost_nor_does_it_hold_up_others,
    output::nothing_but_output_waits_for_who_reads_it,
    output::a_stream_that_nobody_reads_any_more_is_no_reason_to_stop,
    output::a_stream_that_takes_nothing_is_told_of_once,
    exec::threads_may_run_when_a_tree_is_executed,
    exec::a_child_of_an_executed_tree_is_replaced,
    exec::another_tree_is_refused,
    exec::a_program_without_the_tree_says_so,
    stray::a_child_that_garbles_its_mailbox_harms_itself_alone,
    stray::a_refused_task_swallows_no_wake_up,
    stray::a_group_on_a_stopped_chip_is_ended_without_losing_the_worker,
    stray::nothing_below_a_dead_worker_outlives_its_task,
    stray::a_worker_whose_zygote_has_died_is_replaced,
    stray::how_a_child_ended_is_known_where_ends_are_ignored,
    stray::a_worker_that_is_dropped_last_by_its_own_run_is_closed;
    parts:
    orphans::root,
    orphans::executed_root,
    orphans::executed_root_in_a_thread,
    stray::deaf,
    output::speaks_to_nobody,
}
