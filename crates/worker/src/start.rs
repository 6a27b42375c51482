//! From a description to a worker that serves, in two steps: first everything that must be there before a fork, and the
//! fork; then threads.

use std::sync::{Arc, Mutex};

use prewire_abi::BufferIdentity;
use prewire_chip::{Segments, SharedMemory, Store};
use prewire_mailbox::Area;
use prewire_orchestrator::{Capacity, Orchestrator, Setup};
use prewire_os::{Bell, Segment, machine};
use prewire_platform::Limits;
use prewire_ring::{RING_COUNT, Ready, Rings};
use prewire_runs::Cause;
use prewire_sync::atomic::{AtomicU32, Ordering};

use crate::callable::Catalog;
use crate::children::Children;
use crate::devices::Devices;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::family::Family;
use crate::inner::Inner;
use crate::memory::{Arena, Memory};
use crate::output::Output;
use crate::plan::{Own, Plan};
use crate::tree::{Builder, Mode, Role};
use crate::worker::Worker;

/// What a task of a worker may ask for: what a message holds is less.
const LIMITS: Limits = Limits { task_tensors: 4096, task_scalars: 16384, blocks: 128 };

/// Tells the workers of a process apart. Raised by every start.
static STARTS: AtomicU32 = AtomicU32::new(1);

/// A worker whose segments, mailboxes and zygotes are there, and no thread.
#[derive(Debug)]
pub(crate) struct Prepared {
    family: Family,
}

/// The names of the segments of one worker, by number.
fn identities() -> impl Fn(u64) -> BufferIdentity {
    let mut owner = [0; 8];
    owner[..4].copy_from_slice(&std::process::id().to_ne_bytes());
    owner[4..].copy_from_slice(&STARTS.fetch_add(1, Ordering::Relaxed).to_ne_bytes());
    move |number| BufferIdentity::new(owner, number, 1)
}

fn segment(path: &str, what: &str, bytes: u64) -> Result<Segment> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Segment::new(&format!("prewire:{path}:{what}"), bytes)
        .map_err(Error::system("shared memory could not be had"))
}

impl Prepared {
    /// Makes what has to be there before the first thread, for the worker at `path` and those below it that run in this
    /// process; `above` is the memory that it shares with its parents, and
    /// `output` takes what its children write unless it says otherwise.
    pub(crate) fn new(builder: &Builder, path: &str, above: &Segments, output: &Output) -> Result<Self> {
        let output = builder.output.or(output);
        let settings = builder.settings;
        settings.rings.validate().map_err(|error| Error::Chip(error.into()))?;
        let children = builder.ordered();
        let catalog = Catalog::default();
        for callable in &builder.callables {
            catalog.register(callable)?;
        }
        let area = segment(path, "mailboxes", Area::<Segment>::bytes_for(children.len()) as u64)?;
        let area = Area::create(area, children.len())
            .map_err(|error| Error::Tree { path: path.to_owned(), why: error.to_string() })?;
        let identity = identities();
        let mut segments = above.clone();
        let mut own = |what: &str, bytes: u64, number: u64| -> Result<SharedMemory> {
            let memory = SharedMemory::new(segment(path, what, bytes)?);
            let added = segments.add(identity(number), memory.addr(), &memory);
            added.map_err(|error| Error::Tree { path: path.to_owned(), why: error.to_string() })?;
            Ok(memory)
        };
        let arena = own("buffers", settings.memory.max(1), 0)?;
        let mut heaps = Vec::with_capacity(RING_COUNT);
        for ring in 0..RING_COUNT {
            heaps.push(own(&format!("heap{ring}"), settings.rings.heap[ring].max(1), 1 + ring as u64)?);
        }
        let mut nested = Vec::with_capacity(children.len());
        for child in &children {
            let below = match &child.role {
                Role::Worker(below) if child.mode == Mode::Thread => {
                    Some(Self::new(below, &format!("{path}/{}", child.name), &segments, &output)?)
                }
                _ => None,
            };
            nested.push(Mutex::new(below));
        }
        let plan = Plan {
            path: path.to_owned(),
            children,
            catalog: Arc::new(catalog),
            settings,
            output,
            faults: builder.faults.clone(),
            exec: builder.exec.clone(),
            segments,
            own: Own { arena, heaps },
            area: Arc::new(area),
            bell: Bell::new().map_err(Error::system("a descriptor could not be had"))?,
            nested,
        };
        Ok(Self { family: Family::prepare(Arc::new(plan))? })
    }

    /// Starts the threads and the children, and waits until all of them serve.
    pub(crate) fn launch(self) -> Result<Worker> {
        let family = Arc::new(self.family);
        let plan = family.plan();
        let settings = plan.settings;
        // Not what the allocator has used before and would have to clear.
        let pages = |words| Some(Box::new(prewire_os::Words::new(words).ok()?) as prewire_ring::Words);
        // A node has one domain.
        let (rings, allocator) =
            Rings::new_in(&settings.rings, 1, &pages, |bytes| drop(prewire_os::populate(bytes)))
                .map_err(|error| Error::Chip(error.into()))?;
        let ready = Arc::new(Ready::new_in(&settings.rings, &pages));
        let cause = Arc::new(Cause::default());
        let devices = Arc::new(Devices::new(settings.device_quota));
        let children = Arc::new(Children::new(plan, &rings, &cause, &devices));
        let mut heaps = [0; RING_COUNT];
        for (addr, heap) in heaps.iter_mut().zip(&plan.own.heaps) {
            *addr = heap.addr();
        }
        let orchestrator = Orchestrator::new(Setup {
            allocator,
            ready: Arc::clone(&ready),
            heaps,
            limits: LIMITS,
            capacity: {
                let (workers, subs) = children.counts();
                Capacity::node(workers.into(), subs.into())
            },
            tensor_map: settings.rings.tensor_map,
            hazards: settings.hazards,
        });
        let arena = Arena::new(plan.own.arena.clone(), machine::memory());
        let store = Store::new(Arc::new(Memory::new(arena, &plan.segments, &devices)));
        let engine = Engine::new(Arc::clone(&family), rings, ready, children, cause)?;
        let inner = Arc::new(Inner::new(Arc::new(engine), store, devices, orchestrator, settings));
        let worker = Worker::new(Arc::clone(&inner), Arc::clone(&family));
        // If a child does not come to serve, the worker is closed as it is dropped.
        family.launch(inner)?;
        Ok(worker)
    }
}

impl Builder {
    /// Starts the worker and everything below it, and returns once every child serves.
    ///
    /// Children in processes are forked from this one, so no other thread may run yet: start workers first thing in
    /// `main`, or use [`exec`](Builder::exec) or [`threads`](Builder::threads).
    ///
    /// # Errors
    ///
    /// The tree cannot be; other threads run; memory, processes or threads cannot be had; or a child does not come to
    /// serve, and why. Nothing is left behind then.
    pub fn start(self) -> Result<Worker> {
        let path = self.label();
        self.check(&path)?;
        Prepared::new(&self, &path, &Segments::new(), &Output::default())?.launch()
    }
}
