//! The kernels of a chip, by id: what the word of a task names.
//!
//! Invariant: what an id stands for is there as long as a task can name it. It goes only while no run goes on, after it
//! was given up, and with no handle left that a task could be submitted with. So a core reads it without a lock.

use std::fmt;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_abi::{LaneMask, MAX_FUNC_IDS};
use prewire_platform::Core;
use prewire_runs::contained;
use prewire_sync::atomic::{AtomicPtr, Ordering};

use crate::error::{Error, Result};
use crate::kernel::{Body, Kernel, Mix, Part, task_of};
use crate::library::KernelLibrary;

/// In the word of a task: three ids follow, one a place of the cluster, lowest first. Otherwise the word is one id.
const TOGETHER: u32 = 1 << 30;
const ID_BITS: u32 = 10;
const ID: u32 = (1 << ID_BITS) - 1;
const _: () = assert!(MAX_FUNC_IDS == 1 << ID_BITS && 3 * ID_BITS <= 30);

/// What an id stands for.
pub(crate) struct Callable {
    name: Arc<str>,
    bodies: [Option<Body>; 3],
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callable({:?})", self.name)
    }
}

/// An id that was given out.
#[derive(Debug)]
struct Row {
    /// Every handle has this too.
    held: Arc<()>,
    /// It was not given up.
    registered: bool,
}

#[derive(Debug, Default)]
struct Book {
    rows: Vec<Row>,
    /// Ids that stand for nothing.
    free: Vec<u32>,
    /// How many were given up and still stand for something.
    given_up: usize,
    /// A run goes on, or went on when the chip was lost.
    running: bool,
}

/// The word of a task that runs these kernels in the places of its cluster.
#[must_use]
pub(crate) fn word_of(places: [Option<&Kernel>; 3]) -> u32 {
    let Some(first) = places.iter().flatten().next() else { return u32::MAX };
    let ids = places.map(|kernel| kernel.map_or(first.id, |kernel| kernel.id));
    if ids.iter().all(|&id| id == first.id) {
        return first.id;
    }
    TOGETHER | ids[0] | ids[1] << ID_BITS | ids[2] << (2 * ID_BITS)
}

/// What the word of a task names in `place`.
#[inline]
const fn id_in(word: u32, place: u16) -> u32 {
    if word >> 30 == 1 { word >> (place as u32 * ID_BITS) & ID } else { word }
}

/// The kernels of a chip.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// By id; null for one that stands for nothing. Written by whoever has the lock of `book`.
    entries: Box<[AtomicPtr<Callable>]>,
    book: Mutex<Book>,
}

impl Kernels {
    pub(crate) fn new() -> Self {
        let entries = (0..MAX_FUNC_IDS).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Self { entries, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in here panics between two steps that belong together.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: u32) -> *mut Callable {
        // ORDERING: Acquire, "kernel-entry"; pairs with the store in `Kernels::add`.
        self.entries.get(id as usize).map_or(ptr::null_mut(), |entry| entry.load(Ordering::Acquire))
    }

    /// What `word` names in `place`, where it is not one id for all places.
    #[inline(never)]
    fn entry_in(&self, word: u32, place: u16) -> *mut Callable {
        self.entry(id_in(word, place))
    }

    /// What a task whose word this is runs in `place`.
    ///
    /// # Safety
    ///
    /// A run goes on, and so it does as long as what is returned is used.
    #[inline]
    pub(crate) unsafe fn body(&self, word: u32, place: u16) -> Option<&Body> {
        let entry = if word < MAX_FUNC_IDS as u32 { self.entry(word) } else { self.entry_in(word, place) };
        // SAFETY: it is null, or made of a box in `add` and freed by nobody while a run goes on, which the caller answers for.
        let callable = unsafe { entry.as_ref() }?;
        callable.bodies.get(usize::from(place))?.as_ref()
    }

    /// The name that a task with this word goes by, if it runs a kernel.
    pub(crate) fn named(&self, word: u32) -> Option<Arc<str>> {
        // Under the lock nothing is freed, whoever asks and when.
        let _book = self.book();
        let name = |id| {
            // SAFETY: it is null, or made of a box in `add`; it is freed after it was taken out under the lock only.
            unsafe { self.entry(id).as_ref() }.map(|callable| Arc::clone(&callable.name))
        };
        let mut names: Vec<Arc<str>> = Vec::new();
        for found in (0..3).filter_map(|place| name(id_in(word, place))) {
            if !names.contains(&found) {
                names.push(found);
            }
        }
        if names.len() > 1 { Some(names.join(" + ").into()) } else { names.pop() }
    }

    /// The same, for messages; of a task without a kernel too.
    pub(crate) fn name(&self, word: u32) -> String {
        self.named(word).map_or_else(|| "(no kernel)".into(), |name| name.to_string())
    }

    fn add(&self, name: &str, bodies: [Option<Body>; 3]) -> Result<(u32, Arc<str>, Arc<()>)> {
        let refuse = |why: String| Err(Error::Kernel { name: name.into(), why });
        if name.is_empty() {
            return refuse("a kernel needs a name, which messages and traces call it by".into());
        }
        let mut book = self.book();
        if self.is_taken(&book, name) {
            return refuse("a kernel of this name is registered already".into());
        }
        // What is freed may be anybody's code, and so is freed without the lock.
        let gone = self.sweep(&mut book);
        let (name, held) = (Arc::<str>::from(name), Arc::new(()));
        let row = Row { held: Arc::clone(&held), registered: true };
        let id = match book.free.pop() {
            Some(id) => {
                book.rows[id as usize] = row;
                id
            }
            None if book.rows.len() < self.entries.len() => {
                book.rows.push(row);
                book.rows.len() as u32 - 1
            }
            None => {
                return refuse(format!(
                    "{} kernels are registered, or given up and still in use, as many as a chip takes; give some up \
                     (Chip::unregister), and drop their handles",
                    book.rows.len()
                ));
            }
        };
        let callable = Box::new(Callable { name: Arc::clone(&name), bodies });
        // ORDERING: Release, "kernel-entry"; pairs with the load in `Kernels::entry`.
        self.entries[id as usize].store(Box::into_raw(callable), Ordering::Release);
        drop(book);
        drop(gone);
        Ok((id, name, held))
    }

    fn is_taken(&self, book: &Book, name: &str) -> bool {
        let named = |id: usize| {
            // SAFETY: it is null, or made of a box in `add`; it is freed after it was taken out under the lock only, which
            // the caller holds.
            unsafe { self.entry(id as u32).as_ref() }.is_some_and(|callable| &*callable.name == name)
        };
        book.rows.iter().enumerate().any(|(id, row)| row.registered && named(id))
    }

    /// Takes out what nobody can name any more. To be dropped without the lock.
    fn sweep(&self, book: &mut Book) -> Discarded {
        let mut gone = Discarded::default();
        if book.running || book.given_up == 0 {
            return gone;
        }
        for (id, row) in book.rows.iter().enumerate() {
            if row.registered || Arc::strong_count(&row.held) > 1 {
                continue;
            }
            let entry = self.entries[id].swap(ptr::null_mut(), Ordering::Relaxed);
            if !entry.is_null() {
                // SAFETY: it was made of a box in `add`, is taken out once, and nobody reads it: no run goes on, and those who
                // ask for its name do so under the lock.
                gone.0.push(*unsafe { Box::from_raw(entry) });
                book.free.push(id as u32);
                book.given_up -= 1;
            }
        }
        gone
    }

    /// From now on tasks may name kernels.
    pub(crate) fn begin_run(&self) {
        self.book().running = true;
    }

    /// No task is alive any more. What was given up and nobody can name now, to be dropped.
    pub(crate) fn end_run(&self) -> Discarded {
        let mut book = self.book();
        book.running = false;
        self.sweep(&mut book)
    }

    /// Gives `kernel` up.
    pub(crate) fn give_up(&self, chip: u64, kernel: Kernel) -> Result<()> {
        let refuse =
            |kernel: &Kernel, why: &str| Err(Error::Kernel { name: kernel.name().into(), why: why.into() });
        if kernel.chip != chip {
            return refuse(&kernel, "it was registered with another chip, and is given up there");
        }
        let mut book = self.book();
        match book.rows.get_mut(kernel.id as usize) {
            Some(row) if row.registered && Arc::ptr_eq(&row.held, &kernel.held) => row.registered = false,
            _ => {
                drop(book);
                return refuse(&kernel, "it was given up before");
            }
        }
        book.given_up += 1;
        // This may be the last handle: then its id is free now.
        let Kernel { part, held, .. } = kernel;
        drop(held);
        let gone = self.sweep(&mut book);
        drop(book);
        drop(gone);
        contained(|| drop(part));
        Ok(())
    }

    pub(crate) fn single(&self, chip: u64, name: &str, core: Core, body: Body) -> Result<Kernel> {
        self.register(chip, name, Some(core), body, false)
    }

    pub(crate) fn library(
        &self,
        chip: u64,
        name: &str,
        core: Option<Core>,
        library: KernelLibrary,
    ) -> Result<Kernel> {
        self.register(chip, name, core, Arc::new(move |ctx| library.run(ctx)), true)
    }

    fn register(
        &self,
        chip: u64,
        name: &str,
        core: Option<Core>,
        body: Body,
        library: bool,
    ) -> Result<Kernel> {
        let copy = |runs: bool| runs.then(|| Arc::clone(&body));
        // Either vector core of a cluster may run what is for one of them.
        let (aic, aiv) = (core != Some(Core::Aiv), core != Some(Core::Aic));
        let lanes = if core == Some(Core::Aic) { LaneMask::AIC } else { LaneMask::AIV0 };
        let (id, name, held) = self.add(name, [copy(aic), copy(aiv), copy(aiv)])?;
        let (once, part) = (task_of(id, lanes, 1, false), Part::Of(core, body));
        Ok(Kernel { chip, id, lanes, once, name, signature: None, library, part, held })
    }

    pub(crate) fn mix(&self, chip: u64, name: &str, mix: &Mix<'_>) -> Result<Kernel> {
        let places = [
            (mix.aic, LaneMask::AIC, Core::Aic),
            (mix.aiv0, LaneMask::AIV0, Core::Aiv),
            (mix.aiv1, LaneMask::AIV1, Core::Aiv),
        ];
        let (mut lanes, mut bodies, mut library) = (LaneMask::NONE, [const { None }; 3], false);
        for (place, (kernel, lane, core)) in places.into_iter().enumerate() {
            let Some(kernel) = kernel else { continue };
            let why = match &kernel.part {
                _ if kernel.chip != chip => {
                    format!("its part {:?} was registered with another chip", kernel.name)
                }
                Part::Of(runs_on, body) if runs_on.is_none_or(|runs_on| runs_on == core) => {
                    lanes = lanes | lane;
                    library |= kernel.library;
                    bodies[place] = Some(Arc::clone(body));
                    continue;
                }
                _ => format!("its part {:?} is not a kernel for an {core} core", kernel.name),
            };
            return Err(Error::Kernel { name: name.into(), why });
        }
        if lanes.count() < 2 {
            let why = "a mix has kernels for two or three places of a cluster".into();
            return Err(Error::Kernel { name: name.into(), why });
        }
        let (id, name, held) = self.add(name, bodies)?;
        let once = task_of(id, lanes, 1, false);
        Ok(Kernel { chip, id, lanes, once, name, signature: None, library, part: Part::None, held })
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        for entry in &mut self.entries {
            let entry = *entry.get_mut();
            if !entry.is_null() {
                // SAFETY: it was made of a box in `add`, and nobody else has the table any more.
                let callable = unsafe { Box::from_raw(entry) };
                contained(|| drop(callable));
            }
        }
    }
}

/// What was taken out. Dropping it may run anybody's code.
#[derive(Debug, Default)]
#[must_use = "it is dropped where no lock is held"]
pub(crate) struct Discarded(Vec<Callable>);

impl Drop for Discarded {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|callable| contained(|| drop(callable)));
    }
}
