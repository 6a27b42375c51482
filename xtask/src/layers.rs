//! The layers of the workspace, as data. A crate depends on crates of lower layers, on those of its own layer that
//! its row names, and on no library from outside that its row does not name. A test checks this from the manifests.

/// What a member may depend on, and whether it may contain `unsafe`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the checks, which are tests, read every column"))]
pub(crate) struct Member {
    /// The package.
    pub(crate) package: &'static str,
    /// Its layer; `None` for what is beside the product (tests, scenes, tools) and may use all of it.
    pub(crate) layer: Option<u8>,
    /// Packages of the same layer that it may use.
    pub(crate) beside: &'static [&'static str],
    /// Libraries from outside that it may use; each has its reason in `ARCHITECTURE.md`. One that is used on a
    /// condition names it: `"library under cfg(...)"`.
    pub(crate) outside: &'static [&'static str],
    /// Whether it may contain `unsafe`; the others say `#![forbid(unsafe_code)]`.
    pub(crate) may_unsafe: bool,
}

const SAFE: bool = false;
const UNSAFE: bool = true;

/// One row a member, lowest layer first.
#[rustfmt::skip]
pub(crate) const MEMBERS: &[Member] = &[
    row("prewire-abi",          0, &[],                   &["bytemuck", "zerocopy"],       SAFE),
    row("prewire-sync",         0, &[],                   SYNC,                            UNSAFE),
    row("prewire-os",           0, &["prewire-sync"],     OS,                              UNSAFE),
    row("prewire-ring",         1, &[],                   &["bytemuck"],                   UNSAFE),
    row("prewire-tensormap",    1, &[],                   &[],                             SAFE),
    row("prewire-platform",     2, &[],                   &[],                             SAFE),
    row("prewire-orchestrator", 2, &["prewire-platform"], &[],                             SAFE),
    row("prewire-scheduler",    2, &["prewire-platform"], &[],                             SAFE),
    row("prewire-mailbox",      2, &[],                   &["bytemuck"],                   UNSAFE),
    row("prewire-sim",          3, &["prewire-runs"],     &[],                             UNSAFE),
    row("prewire-a2a3",         3, &[],                   &[],                             SAFE),
    row("prewire-a5",           3, &[],                   &[],                             SAFE),
    row("prewire-runs",         3, &[],                   &["tracing"],                    SAFE),
    row("prewire-chip",         4, &[],                   CHIP,                            UNSAFE),
    row("prewire-worker",       5, &[],                   WORKER,                          SAFE),
    row("prewire",              6, &[],                   &[],                             SAFE),
    row("prewire-capi",         6, &[],                   CAPI,                            UNSAFE),
    row("prewire-capi-context", 6, &[],                   &[],                             UNSAFE),
    aside("prewire-scenes"),
    aside("prewire-test-support"),
    aside("prewire-fuzz"),
    aside("prewire-benches"),
    aside("xtask"),
];

/// Loom is there for the models only: with any other condition, or none, it would reach the users.
const LOOM: &str = "loom under cfg(prewire_loom)";
/// As loom.
const SHUTTLE: &str = "shuttle under cfg(prewire_shuttle)";
const SYNC: &[&str] = &["crossbeam-utils", LOOM, SHUTTLE];
const OS: &[&str] = &["rustix", "libc", "memmap2", LOOM, SHUTTLE];
const WORKER: &[&str] = &["bytemuck", "inventory", "sha2", "thiserror", "tracing", "tracing-subscriber"];
const CAPI: &[&str] = &["bytemuck", "cc", "libloading", "thiserror", "tracing"];
const CHIP: &[&str] = &["half", "thiserror", "bytemuck", "libloading"];

const fn row(
    package: &'static str,
    layer: u8,
    beside: &'static [&'static str],
    outside: &'static [&'static str],
    may_unsafe: bool,
) -> Member {
    Member { package, layer: Some(layer), beside, outside, may_unsafe }
}

const fn aside(package: &'static str) -> Member {
    Member { package, layer: None, beside: &[], outside: &[], may_unsafe: SAFE }
}

/// The row of `package`.
pub(crate) fn of(package: &str) -> Option<&'static Member> {
    MEMBERS.iter().find(|member| member.package == package)
}
