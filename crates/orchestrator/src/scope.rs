//! Scopes: lifetime brackets that choose the ring.

use core::panic::Location;

use prewire_abi::ScopeMode;
use prewire_ring::RING_COUNT;

/// Names the scope that a tensor was made in. A tensor is good for as long as its scope is open.
///
/// Two words, so that it is handed on in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeKey {
    /// The depth, below the serial number, which no other scope has.
    name: u64,
    site: Option<&'static Location<'static>>,
}

impl ScopeKey {
    /// Of memory that no scope owns: it is good until its owner frees it.
    pub const NONE: Self = Self { name: 0, site: None };

    const fn new(depth: usize, serial: u32, site: &'static Location<'static>) -> Self {
        Self { name: depth as u64 | (serial as u64) << 32, site: Some(site) }
    }

    /// Whether it is [`NONE`](ScopeKey::NONE).
    #[must_use]
    #[inline]
    pub const fn is_none(&self) -> bool {
        self.name == 0
    }

    const fn depth(&self) -> usize {
        (self.name & 0xFFFF_FFFF) as usize
    }

    /// Whether both name the same scope, or none.
    #[inline]
    pub(crate) const fn is(&self, other: &Self) -> bool {
        self.name == other.name
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
    /// Where it allocates.
    ring: u32,
}

impl Scope {
    /// What stands for the innermost scope where none is open. It holds nothing: as if it had what it is to hold.
    const NONE: Self =
        Self { key: ScopeKey::NONE, mode: ScopeMode::Auto, pin: Some(0), nested_in_ring: false, ring: 0 };
}

/// The open scopes. The one at depth `d` allocates in ring `min(d, 3)`.
#[derive(Debug)]
pub(crate) struct Scopes {
    innermost: Scope,
    /// Those around it, the outermost first; and before that what stands for none.
    around: alloc::vec::Vec<Scope>,
    serial: u32,
}

impl Default for Scopes {
    fn default() -> Self {
        Self { innermost: Scope::NONE, around: alloc::vec::Vec::new(), serial: 0 }
    }
}

impl Scopes {
    /// As deep as scopes nest.
    pub(crate) const DEPTH: usize = 64;

    pub(crate) fn depth(&self) -> usize {
        self.around.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.depth() >= Self::DEPTH
    }

    /// The innermost scope, if one is open.
    pub(crate) fn current(&self) -> Option<&Scope> {
        if self.around.is_empty() { None } else { Some(&self.innermost) }
    }

    /// Whether the innermost scope has yet to learn which is the first task that it holds.
    #[inline]
    pub(crate) fn is_unpinned(&self) -> bool {
        self.innermost.pin.is_none()
    }

    /// The innermost scope, where it [has to learn](Scopes::is_unpinned) which is the first task that it holds.
    pub(crate) fn unpinned(&mut self) -> Option<&mut Scope> {
        Some(&mut self.innermost).filter(|scope| scope.pin.is_none())
    }

    /// The ring of the innermost scope.
    #[inline]
    pub(crate) fn ring(&self) -> usize {
        self.innermost.ring as usize & (RING_COUNT - 1)
    }

    /// How accesses make edges in the innermost scope.
    #[inline]
    pub(crate) fn mode(&self) -> ScopeMode {
        self.innermost.mode
    }

    /// What names the innermost scope.
    #[inline]
    pub(crate) fn key(&self) -> ScopeKey {
        self.innermost.key
    }

    pub(crate) fn push(&mut self, mode: ScopeMode, site: &'static Location<'static>) {
        self.serial = self.serial.wrapping_add(1).max(1);
        let depth = self.depth();
        let ring = depth.min(RING_COUNT - 1) as u32;
        let key = ScopeKey::new(depth, self.serial, site);
        let around = core::mem::replace(
            &mut self.innermost,
            Scope { key, mode, pin: None, nested_in_ring: false, ring },
        );
        self.around.push(around);
        // Those that share its ring, which no other scope does than those of the last.
        let sharing = self.around.get(RING_COUNT..).unwrap_or_default();
        self.innermost.nested_in_ring = sharing.iter().any(|scope| scope.pin.is_some());
    }

    pub(crate) fn pop(&mut self) -> Option<Scope> {
        let around = self.around.pop()?;
        Some(core::mem::replace(&mut self.innermost, around))
    }

    /// Whether what was made under `key` is still good.
    #[inline]
    pub(crate) fn is_open(&self, key: &ScopeKey) -> bool {
        key.is_none() || key.name == self.innermost.key.name || self.is_around(key)
    }

    fn is_around(&self, key: &ScopeKey) -> bool {
        // Before the outermost is what stands for none.
        self.around.get(key.depth() + 1).is_some_and(|scope| scope.key.name == key.name)
    }
}
