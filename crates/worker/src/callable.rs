//! Callables: what a task runs, named by a digest that is the same in every process.
//!
//! A callable is code and a name. The code never travels: a child has it because it was forked from this process, or
//! because it runs the same program. What travels is the digest of kind and name, which each side looks up in a
//! [`Catalog`] of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prewire_chip::{Chip, HostArgs, KernelError};
use sha2::{Digest as _, Sha256};

use crate::args::Args;
use crate::error::{Error, Result};
use crate::orch::Orch;

/// What is sent in place of a callable: SHA-256 of its kind and name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    /// The first eight bytes, as hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What kind of child a callable runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A chip: the callable submits tasks to its cores.
    ChipProgram,
    /// A SUB worker: the callable is a function of the host.
    HostFunction,
    /// A worker: the callable submits tasks to its children.
    Orchestration,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChipProgram => "chip program",
            Self::HostFunction => "host function",
            Self::Orchestration => "orchestration",
        })
    }
}

/// A chip program that is ready to run on one chip.
pub(crate) type ChipRun =
    Box<dyn Fn(&mut prewire_chip::Orch<'_>, &Args<'_>) -> Result<(), prewire_chip::Error> + Send + Sync>;
type Prepare = dyn Fn(&Chip) -> Result<ChipRun, prewire_chip::Error> + Send + Sync;
type Host = dyn Fn(&HostArgs<'_>) -> Result<(), KernelError> + Send + Sync;
type Orchestrate = dyn Fn(&mut Orch<'_>, &Args<'_>) -> Result<()> + Send + Sync;

/// The code of a callable.
#[derive(Clone)]
pub(crate) enum Body {
    Chip(Arc<Prepare>),
    Host(Arc<Host>),
    Orchestration(Arc<Orchestrate>),
}

/// What a task of a worker runs. Cloned freely: all clones are the same callable.
///
/// ```
/// use prewire_worker::{Callable, Kind};
///
/// let double = Callable::host_function("double", |args| {
///     args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
///     Ok(())
/// });
/// assert_eq!((double.name(), double.kind()), ("double", Kind::HostFunction));
/// let again = Callable::host_function("double", |_| Ok(()));
/// assert_eq!(double.digest(), again.digest(), "the name decides");
/// ```
#[derive(Clone)]
pub struct Callable {
    name: Arc<str>,
    digest: Digest,
    body: Body,
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ({})", self.kind(), self.name, self.digest)
    }
}

impl Callable {
    /// A program for chips. `prepare` is called once on each chip, before the first task: it registers kernels and
    /// returns what each task does with them.
    ///
    /// ```
    /// use prewire_chip::Core;
    /// use prewire_worker::{Args, Callable};
    ///
    /// let program = Callable::chip_program("double", |chip| {
    ///     let double = chip.kernel("double", Core::Aiv, |k| {
    ///         k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
    ///         Ok(())
    ///     })?;
    ///     Ok(move |orch: &mut prewire_chip::Orch<'_>, args: &Args<'_>| {
    ///         orch.submit(&double).inout(&args.tensor(0)?).go().map(drop)
    ///     })
    /// });
    /// assert_eq!(program.name(), "double");
    /// ```
    pub fn chip_program<F>(
        name: impl Into<String>,
        prepare: impl Fn(&Chip) -> Result<F, prewire_chip::Error> + Send + Sync + 'static,
    ) -> Self
    where
        F: Fn(&mut prewire_chip::Orch<'_>, &Args<'_>) -> Result<(), prewire_chip::Error>
            + Send
            + Sync
            + 'static,
    {
        let prepare = move |chip: &Chip| prepare(chip).map(|run| Box::new(run) as ChipRun);
        Self::new(name.into(), Body::Chip(Arc::new(prepare)))
    }

    /// A function of the host, for SUB workers.
    pub fn host_function(
        name: impl Into<String>,
        function: impl Fn(&HostArgs<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name.into(), Body::Host(Arc::new(function)))
    }

    /// An orchestration for workers of a level below.
    pub fn orchestration(
        name: impl Into<String>,
        body: impl Fn(&mut Orch<'_>, &Args<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name.into(), Body::Orchestration(Arc::new(body)))
    }

    fn new(name: String, body: Body) -> Self {
        let mut hash = Sha256::new();
        hash.update(kind_of(&body).to_string());
        hash.update([0]);
        hash.update(&name);
        Self { name: name.into(), digest: Digest(hash.finalize().into()), body }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of child runs it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        kind_of(&self.body)
    }

    /// What is sent in its place.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) const fn body(&self) -> &Body {
        &self.body
    }
}

const fn kind_of(body: &Body) -> Kind {
    match body {
        Body::Chip(_) => Kind::ChipProgram,
        Body::Host(_) => Kind::HostFunction,
        Body::Orchestration(_) => Kind::Orchestration,
    }
}

#[derive(Debug, Default)]
struct Table {
    /// By the number that slots hold. One that was unregistered leaves a gap: no number ever means another callable.
    by_id: Vec<Option<Callable>>,
    by_digest: BTreeMap<Digest, u32>,
}

/// The callables that a process knows, by digest and by number.
#[derive(Debug, Default)]
pub(crate) struct Catalog(RwLock<Table>);

impl Catalog {
    /// Registers `callable`, and returns its number.
    pub(crate) fn register(&self, callable: &Callable) -> Result<u32> {
        let refused = |why: &str| Error::Callable { name: callable.name.to_string(), why: why.to_owned() };
        if callable.name.is_empty() {
            return Err(refused("a callable needs a name, which is how processes find it"));
        }
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.by_digest.contains_key(&callable.digest) {
            return Err(refused("its name is taken by another of its kind; names tell callables apart"));
        }
        let id = table.by_id.len() as u32;
        table.by_id.push(Some(callable.clone()));
        table.by_digest.insert(callable.digest, id);
        Ok(id)
    }

    /// Forgets a callable; false if it was not registered.
    pub(crate) fn unregister(&self, digest: &Digest) -> bool {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(id) = table.by_digest.remove(digest) else { return false };
        table.by_id[id as usize] = None;
        true
    }

    /// The number of a callable.
    pub(crate) fn id_of(&self, digest: &Digest) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_digest.get(digest).copied()
    }

    /// The callable with a number.
    pub(crate) fn get(&self, id: u32) -> Option<Callable> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.get(id as usize)?.clone()
    }

    /// The digest of the callable with a number; zeros if there is none.
    pub(crate) fn digest_of(&self, id: u32) -> [u8; 32] {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get(id as usize).and_then(Option::as_ref).map_or([0; 32], |callable| callable.digest.0)
    }

    /// What every callable is called on the way, in an order that does not depend on that of registration.
    pub(crate) fn names(&self) -> Vec<String> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.by_digest.keys().map(ToString::to_string).collect()
    }

    /// The callable with a digest.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Callable> {
        self.get(self.id_of(digest)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_callable_for_ever() {
        let catalog = Catalog::default();
        let first = Callable::host_function("first", |_| Ok(()));
        let id = catalog.register(&first).unwrap();
        assert!(catalog.register(&first.clone()).unwrap_err().to_string().contains("\"first\""));
        assert!(catalog.unregister(&first.digest()) && !catalog.unregister(&first.digest()));
        assert!(catalog.get(id).is_none() && catalog.find(&first.digest()).is_none());
        assert_ne!(catalog.register(&first).unwrap(), id);
    }

    #[test]
    fn kind_and_name_decide() {
        let host = Callable::host_function("x", |_| Ok(()));
        let above = Callable::orchestration("x", |_, _| Ok(()));
        assert_ne!(host.digest(), above.digest());
        assert!(Catalog::default().register(&Callable::host_function("", |_| Ok(()))).is_err());
    }
}
