//! Processes: forked and spawned, killed and reaped, and what they share. Each case is alone in a process of its own.

mod end;
mod share;
mod start;

use core::time::Duration;
use prewire_os::process::{self, Fork, Pid, PidFd};
use prewire_os::{Channel, WaitSet};
use prewire_test_support::child;

/// Long enough for anything that is going to happen at all.
const LONG: Duration = Duration::from_secs(30);

/// As [`child`], with a channel between the two. Each has its own end alone, so each sees when the other is gone.
fn child_on_line(run: impl FnOnce(Channel) -> i32) -> (Pid, Channel) {
    let (here, there) = Channel::pair().unwrap();
    let me = Pid::current();
    match process::fork().unwrap() {
        Fork::Parent(child) => (child, here),
        Fork::Child => {
            drop(here);
            process::die_with_parent(me).unwrap();
            process::exit_now(run(there));
        }
    }
}

/// Waits for the end of the other side, for ever: who is not killed has to be told.
fn wait_for_end(channel: &Channel) -> i32 {
    match channel.recv(&mut [0; 8]) {
        Ok(0) => 0,
        other => panic!("nothing was to come, and {other:?} came"),
    }
}

/// That `process` ends within [`LONG`].
fn assert_ends(process: &PidFd) {
    let (set, mut ready) = (WaitSet::new().unwrap(), Vec::new());
    set.add(process, 1).unwrap();
    set.wait(Some(LONG), &mut ready).unwrap();
    assert_eq!(ready, [1], "the process has not ended");
    assert!(process.has_exited().unwrap());
}

prewire_test_support::cases! {
    start::a_process_of_several_threads_is_not_forked_and_says_which,
    start::a_child_has_its_own_number_name_and_parent,
    start::what_is_not_written_yet_is_not_written_twice,
    start::output_goes_where_it_is_redirected,
    start::what_could_not_be_written_is_not_the_copys_to_write,
    start::printing_waits_on_a_stream_that_does_not,
    start::a_spawned_process_takes_the_descriptors_that_are_kept,
    start::a_thread_may_spawn_and_what_it_spawned_outlives_it,
    start::what_was_not_handed_over_is_refused,
    end::codes_and_signals_are_told_apart,
    end::a_descriptor_of_a_process_is_readable_when_it_has_ended,
    end::a_grandchild_dies_when_the_process_between_is_killed,
    end::who_comes_too_late_to_die_with_its_parent_dies_at_once,
    end::a_stopped_process_is_alive_and_can_be_killed,
    end::everything_is_given_back,
    share::what_a_child_writes_is_read_here,
    share::an_event_hands_a_ball_to_and_fro_between_processes,
    share::waiting_for_another_process_costs_no_processor_time,
    share::waiters_that_died_can_be_forgotten,
    share::a_copy_waits_for_no_lock_of_its_parent,
    share::a_bell_is_heard_in_another_process;
    parts:
    start::spawned,
    start::spawned_and_waiting,
}
