//! What the library exports: every symbol of the interface, and nothing else.

use crate::api::{Api, built};
use host_runtime::host::MAX_RESOURCES;
use std::collections::BTreeSet;

/// The symbols of `comm`, which have tests of their own.
const COMM: &[&str] = &[
    "comm_alloc_domain_windows",
    "comm_alloc_windows",
    "comm_barrier",
    "comm_derive_context",
    "comm_destroy",
    "comm_get_local_window_base",
    "comm_get_window_size",
    "comm_global_domain_import",
    "comm_global_domain_prepare",
    "comm_global_domain_release",
    "comm_init",
    "comm_release_domain_windows",
    "create_comm_stream_ctx",
    "destroy_comm_stream_ctx",
    "ensure_acl_ready_ctx",
];

/// Names that earlier versions of the interface had, and that a front end takes for a sign of one.
const GONE: &[&str] = &[
    "select_arena_bank_ctx",
    "select_pipeline_slot_ctx",
    "set_native_run_identity_ctx",
    "set_task_accepted_state_ctx",
];

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(word)
}

/// The names that a 64-bit shared object defines for others.
fn exported(file: &[u8]) -> BTreeSet<String> {
    const DYNSYM: u64 = 11;
    assert_eq!(&file[..5], b"\x7fELF\x02", "a 64-bit ELF file");
    let (table, entry, count) = (number::<8>(file, 40), number::<2>(file, 58), number::<2>(file, 60));
    let section = |index: u64| (table + index * entry) as usize;
    let symbols = (0..count).map(section).find(|&at| number::<4>(file, at + 4) == DYNSYM).unwrap();
    let (start, size) = (number::<8>(file, symbols + 24) as usize, number::<8>(file, symbols + 32) as usize);
    let names = number::<8>(file, section(number::<4>(file, symbols + 40)) + 24) as usize;
    let defined = |at: &usize| number::<2>(file, at + 6) != 0 && file[at + 4] >> 4 != 0;
    (start..start + size)
        .step_by(24)
        .filter(defined)
        .map(|at| {
            let name = &file[names + number::<4>(file, at) as usize..];
            let end = name.iter().position(|&byte| byte == 0).unwrap();
            String::from_utf8(name[..end].to_vec()).unwrap()
        })
        .collect()
}

pub(crate) fn the_library_exports_the_interface_and_nothing_else() {
    let names: BTreeSet<String> = Api::NAMES.iter().chain(COMM).map(|name| (*name).to_owned()).collect();
    assert_eq!(names.len(), 43);
    assert_eq!(exported(&std::fs::read(built()).unwrap()), names);
    assert!(GONE.iter().all(|gone| !names.contains(*gone)));
    drop(Api::load(&built()));
}

pub(crate) fn the_contract_is_one_that_a_front_end_takes() {
    let api = Api::load(&built());
    // SAFETY: it takes nothing.
    let contract = unsafe { (api.get_pipeline_contract)() };
    // SAFETY: a record that stays as long as the library.
    let contract = unsafe { contract.read() };
    assert_eq!((contract.abi_version, contract.resource_count, contract.pipeline_depth), (1, 6, 2));
    let (named, free) = contract.resources.split_at(contract.resource_count as usize);
    assert_eq!(named.iter().map(|r| r.kind).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(contract.resources.iter().all(|r| r.class <= 2 && r.bytes_per_copy == 0));
    let banks: Vec<u32> = named[..3].iter().map(|r| r.class).collect();
    assert_eq!(banks, [1; 3], "one heap for both places");
    assert_eq!((named[3].class, free.len()), (0, MAX_RESOURCES - 6));
}
