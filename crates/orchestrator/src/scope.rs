//! Scopes: lifetime brackets that choose the ring.

use core::panic::Location;

use prewire_abi::ScopeMode;
use prewire_ring::RING_COUNT;

/// Names the scope that a tensor was made in. A tensor is good for as long as its scope is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeKey {
    depth: u32,
    serial: u32,
    site: Option<&'static Location<'static>>,
}

impl ScopeKey {
    /// Of memory that no scope owns: it is good until its owner frees it.
    pub const NONE: Self = Self { depth: 0, serial: 0, site: None };

    /// Whether it is [`NONE`](ScopeKey::NONE).
    #[must_use]
    #[inline]
    pub const fn is_none(&self) -> bool {
        self.serial == 0
    }

    /// Whether both name the same scope, or none.
    #[inline]
    pub(crate) const fn is(&self, other: &Self) -> bool {
        self.serial == other.serial
    }

    /// Where the scope was opened.
    #[must_use]
    pub const fn site(&self) -> Option<&'static Location<'static>> {
        self.site
    }
}

/// An open scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    pub(crate) key: ScopeKey,
    pub(crate) mode: ScopeMode,
    /// The first task with outputs that it holds in its ring.
    pub(crate) pin: Option<u32>,
    /// Whether a scope around it already held a task of the same ring when it opened: then the floor is that one's.
    pub(crate) nested_in_ring: bool,
}

/// The open scopes, outermost first. The one at depth `d` allocates in ring `min(d, 3)`.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    open: alloc::vec::Vec<Scope>,
    serial: u32,
}

impl Scopes {
    /// As deep as scopes nest.
    pub(crate) const DEPTH: usize = 64;

    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= Self::DEPTH
    }

    #[inline]
    pub(crate) fn current(&self) -> Option<&Scope> {
        self.open.last()
    }

    #[inline]
    pub(crate) fn current_mut(&mut self) -> Option<&mut Scope> {
        self.open.last_mut()
    }

    /// The ring of the innermost scope.
    #[inline]
    pub(crate) fn ring(&self) -> usize {
        self.open.len().saturating_sub(1).min(RING_COUNT - 1)
    }

    #[inline]
    pub(crate) fn mode(&self) -> ScopeMode {
        self.current().map_or(ScopeMode::Auto, |scope| scope.mode)
    }

    pub(crate) fn push(&mut self, mode: ScopeMode, site: &'static Location<'static>) {
        self.serial = self.serial.wrapping_add(1).max(1);
        let depth = self.open.len();
        let around = if depth >= RING_COUNT { &self.open[RING_COUNT - 1..] } else { &[] };
        let nested_in_ring = around.iter().any(|scope| scope.pin.is_some());
        let key = ScopeKey { depth: depth as u32, serial: self.serial, site: Some(site) };
        self.open.push(Scope { key, mode, pin: None, nested_in_ring });
    }

    pub(crate) fn pop(&mut self) -> Option<Scope> {
        self.open.pop()
    }

    /// Whether what was made under `key` is still good.
    #[inline]
    pub(crate) fn is_open(&self, key: &ScopeKey) -> bool {
        key.serial == 0
            || self.open.get(key.depth as usize).is_some_and(|scope| scope.key.serial == key.serial)
    }
}
