//! The callables of a device, by the numbers that a front end gives them. Invariant: callables with the same bytes share
//! what was loaded for them, and it is unloaded with the last of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prewire_abi::{ChipCallable, MAX_REGISTERED_CALLABLES};

use super::chips::Kept;
use super::error::HostError;
use super::{content_hash, log, raw_callable};
use crate::orchestration::{Bound, Program};

/// What was loaded for the bytes of a callable.
pub(crate) struct Content {
    hash: u64,
    bytes: Vec<u8>,
    pub(crate) program: Arc<Program>,
    /// Its kernels on a chip, and the number of that chip.
    bound: Mutex<Option<(u64, Arc<Bound>)>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("hash", &self.hash)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Content {
    /// Its kernels on `chip`: registered when they are first asked for.
    pub(crate) fn bind(&self, id: i32, chip: &Kept) -> Result<Arc<Bound>, HostError> {
        // What a panic has left is either bound or not.
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, bound)) = &*bound
            && *number == chip.number
        {
            return Ok(Arc::clone(bound));
        }
        // Of another chip, which is no more.
        *bound = None;
        let load = |error: crate::orchestration::LoadError| HostError::Load { id, why: error.to_string() };
        let made = Arc::new(self.program.bind(chip.chip()).map_err(load)?);
        *bound = Some((chip.number, Arc::clone(&made)));
        Ok(made)
    }

    /// Takes its kernels off the chip.
    fn unbind(&self) {
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Up to 64 callables.
#[derive(Debug)]
pub(crate) struct Callables {
    table: [Option<Arc<Content>>; MAX_REGISTERED_CALLABLES],
    /// How many numbers were given, those that were taken back included.
    given: usize,
}

impl Callables {
    pub(crate) fn new() -> Self {
        Self { table: [const { None }; MAX_REGISTERED_CALLABLES], given: 0 }
    }

    fn index(id: i32) -> Result<usize, HostError> {
        usize::try_from(id)
            .ok()
            .filter(|&at| at < MAX_REGISTERED_CALLABLES)
            .ok_or(HostError::CallableId { id })
    }

    /// Gives the callable whose bytes begin at `addr` the number `id`. The bytes are copied, whatever is there.
    ///
    /// # Safety
    ///
    /// As [`Program::load`]: its libraries are what they say.
    pub(crate) unsafe fn register(&mut self, id: i32, addr: u64) -> Result<(), HostError> {
        let at = Self::index(id)?;
        if self.table[at].is_some() {
            return Err(HostError::CallableTaken { id });
        }
        let bytes = raw_callable::at(addr)?;
        let hash = content_hash(&bytes);
        let same = self.table.iter().flatten().find(|content| content.hash == hash && content.bytes == bytes);
        let content = match same {
            Some(content) => Arc::clone(content),
            None => {
                let load =
                    |error: crate::orchestration::LoadError| HostError::Load { id, why: error.to_string() };
                // SAFETY: the caller's word.
                let program = unsafe { Program::load(&ChipCallable::parse(&bytes)?) }.map_err(load)?;
                Arc::new(Content { hash, bytes, program, bound: Mutex::new(None) })
            }
        };
        log::debug("simpler_register_callable", format_args!("callable {id} has content {hash:016x}"));
        self.table[at] = Some(content);
        self.given += 1;
        Ok(())
    }

    /// Takes the number back. A number that nothing has is nothing to do.
    pub(crate) fn unregister(&mut self, id: i32) -> Result<(), HostError> {
        self.table[Self::index(id)?] = None;
        Ok(())
    }

    /// What has the number `id`.
    pub(crate) fn find(&self, id: i32) -> Result<&Arc<Content>, HostError> {
        self.table[Self::index(id)?].as_ref().ok_or(HostError::CallableUnknown { id })
    }

    /// Takes all kernels off the chip, before it goes.
    pub(crate) fn unbind(&self) {
        self.table.iter().flatten().for_each(|content| content.unbind());
    }

    /// How many numbers were given so far: each is one load for the device, as a front end counts.
    pub(crate) fn given(&self) -> usize {
        self.given
    }
}
