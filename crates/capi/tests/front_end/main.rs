//! A front end, in Rust: it loads the library that was built, as front ends of simpler do, and drives it. Each case is alone
//! in a process.

mod api;
mod bad;
mod codes;
mod compile;
mod life;
mod recipes;
mod runs;
mod several;
mod symbols;
mod worker;

prewire_test_support::cases! {
    symbols::the_library_exports_the_interface_and_nothing_else,
    symbols::the_contract_is_one_that_a_front_end_takes,
    life::a_context_has_one_device_at_a_time,
    life::memory_is_counted_checked_and_copied,
    life::handles_that_are_none_are_refused,
    life::contexts_leave_nothing_behind,
    life::a_device_has_neither_workspaces_nor_streams,
    runs::vector_gives_47,
    runs::memory_of_the_device_is_used_where_it_is,
    runs::a_thousand_callables_come_and_go,
    runs::loads_are_counted_by_registration,
    runs::a_second_run_is_prepared_while_the_first_goes_on,
    runs::a_run_reads_what_the_one_before_it_gave_to_the_host,
    runs::a_run_with_other_sizes_waits_for_the_one_that_goes_on,
    runs::storage_that_is_not_as_it_should_be_is_refused,
    runs::sizes_come_from_the_run_then_from_the_environment,
    runs::a_variable_that_is_not_used_is_told_once,
    runs::configurations_are_checked_and_diagnostics_accepted,
    recipes::orchestrations_compute_what_they_say_on_both_chips,
    bad::callables_that_are_none,
    bad::arguments_that_are_none,
    bad::a_configuration_of_the_orchestration_is_asked,
    several::devices_of_one_process_run_at_the_same_time,
    several::copies_of_the_library_know_nothing_of_each_other,
    several::the_library_goes_with_the_last_thread_that_ran_in_it,
    several::forked_children_have_contexts_of_their_own,
    several::a_fork_during_calls_of_other_threads_is_free,
    several::whole_lives_leave_nothing_behind,
    codes::codes_reach_the_caller_and_the_log,
    codes::a_run_that_stands_still_is_told_with_what_keeps_it,
    codes::a_lost_chip_takes_its_runs_with_it_and_no_others,
    codes::what_a_lost_kernel_uses_stays,
    codes::the_log_is_as_loud_as_the_front_end_says;
    parts:
    codes::scope_deadlock,
    codes::heap_deadlock,
    codes::flow_deadlock,
    codes::pool_overflow,
    codes::invalid_args,
    codes::sync_start,
    codes::fatal,
    codes::map_overflow,
    codes::declared,
    codes::element,
    codes::unknown_kernel,
    codes::completion_invalid,
    codes::completion_overflow,
    codes::completion_malformed,
    codes::stall,
    codes::never_raised,
    codes::hang,
    codes::hang_freed,
    codes::hang_staged,
    codes::hang_prepared,
    codes::hang_launched,
    codes::loud,
    codes::usual,
    codes::silent,
    runs::variables,
}
