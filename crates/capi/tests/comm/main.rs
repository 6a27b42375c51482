//! Ranks in processes of their own: windows, barriers, domains, and what happens when one of them ends. Each case is alone in
//! a process.

mod ends;
mod together;

use core::time::Duration;
use host_runtime::comm::{CommContext, Communicator};
use prewire_os::process::{self, Exit, Pid};
use prewire_sync::atomic::AtomicU64;
use prewire_test_support::child;

/// Long enough for anything that is going to happen at all.
const LONG: Duration = Duration::from_secs(60);

/// That each child exits with 0.
fn all_well(children: &[Pid]) {
    for child in children {
        assert_eq!(process::reap(*child).unwrap(), Exit::Code(0));
    }
}

fn rank(rank: i32, ranks: i32) -> Communicator {
    Communicator::with_limit(rank, ranks, b"a root", LONG).unwrap()
}

/// What a kernel is given.
fn context(address: u64) -> CommContext {
    // SAFETY: it is the address of a context that a communicator of this process keeps for longer than this.
    unsafe { *core::ptr::without_provenance::<CommContext>(address as usize) }
}

/// Word `index` of a window.
fn word(window: u64, index: usize) -> &'static AtomicU64 {
    let at = core::ptr::without_provenance::<AtomicU64>(window as usize + 8 * index);
    // SAFETY: the window is larger, aligned to a page, and mapped for longer than the case uses the word; all processes use it
    // as an atomic.
    unsafe { &*at }
}

prewire_test_support::cases! {
    together::ranks_reduce_through_their_windows,
    together::ranks_gather_again_and_again_by_one_name,
    together::ranks_may_be_in_one_process,
    together::parts_of_windows_are_where_the_context_says,
    together::domains_of_some_ranks_have_windows_of_their_own,
    together::a_global_domain_needs_no_communicator,
    together::descriptors_that_do_not_hold_are_refused,
    together::contexts_are_copied_from_and_not_to,
    together::the_symbols_do_the_same,
    ends::a_rank_that_is_killed_ends_the_barrier_of_the_others,
    ends::a_rank_that_dies_before_all_have_come_ends_the_wait_for_them,
    ends::a_rank_that_leaves_ends_the_barrier_of_the_others,
    ends::who_gathers_may_be_killed_and_leaves_nothing,
    ends::a_window_of_a_process_that_died_is_not_imported,
    ends::ranks_that_disagree_are_told,
    ends::what_knocks_and_is_no_rank_is_not_let_in,
    ends::a_copy_of_a_process_has_no_communicator,
    ends::a_copy_of_a_process_has_no_global_domain,
    ends::everything_is_given_back,
}
