//! The children of one worker as processes and threads: made, watched, replaced, and gone when the worker is closed.
//!
//! **Invariant: what was started is seen to its end.** One thread, the progress thread, knows every child from its start to
//! its death, and ends only when all of them have, or have been told apart as lost.

mod closing;
mod deaths;
mod exec;
mod inside;
mod member;
mod message;
mod progress;
mod relay;
mod request;
mod writer;
mod zygote;

use std::sync::mpsc::{self, RecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use prewire_mailbox::ParentEnd;
use prewire_os::Channel;
use prewire_os::process::{Pid, PidFd, Signal};
use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::inner::Inner;
use crate::plan::Plan;
use crate::tree::Mode;

use closing::Farewell;
use progress::Progress;
use relay::Relay;
use zygote::Zygote;

pub(crate) use exec::enter;

/// What is made before the first thread, for the progress thread to work with.
#[derive(Debug)]
struct Crew {
    /// None if all children are threads.
    zygote: Option<Zygote>,
    /// By child: what it writes; none for a thread, which writes where this process does.
    relays: Vec<Option<Relay>>,
}

/// What other threads than the progress thread need of a child.
#[derive(Debug, Default)]
struct Post {
    /// Its process. Written by the progress thread.
    process: Mutex<Option<Arc<PidFd>>>,
    /// Held by whoever has a request on its way.
    asking: Mutex<()>,
}

/// The children of one worker.
#[derive(Debug)]
pub(crate) struct Family {
    plan: Arc<Plan>,
    /// The process that these are the children of: in a copy of it, this is a memory and no more.
    owner: Pid,
    crew: Mutex<Option<Crew>>,
    posts: Vec<Post>,
    /// Another end of the line to the zygote.
    zygote: Mutex<Option<Channel>>,
    thread: Mutex<Option<JoinHandle<Farewell>>>,
    /// Children are to leave. Set once, by whoever closes the worker.
    closing: AtomicBool,
    /// No process can be had any more. Set once, by the progress thread.
    barren: AtomicBool,
    /// Since the worker is being closed: those that were killed for that. Pushed by whoever kills.
    killed: Mutex<Option<Vec<String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these is whole whenever it can be unlocked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Family {
    /// Makes what has to be there before the first thread: pipes, and the process that children are forked from.
    pub(crate) fn prepare(plan: Arc<Plan>) -> Result<Self> {
        let pipes = Error::system("pipes for what children write could not be had");
        let relays = plan.children.iter().enumerate().map(|(index, child)| match child.mode {
            Mode::Process => Relay::new(plan.child_path(index)).map(Some),
            Mode::Thread => Ok(None),
        });
        let relays: Vec<_> = relays.collect::<std::io::Result<_>>().map_err(pipes)?;
        let (zygote, relays) = match &plan.exec {
            _ if relays.iter().all(Option::is_none) => (None, relays),
            None => Zygote::fork(&plan, relays).map(|(zygote, relays)| (Some(zygote), relays))?,
            Some(name) => {
                exec::check(&plan.path)?;
                let voices = relays.iter().map(|relay| relay.as_ref().map(Relay::voice).transpose());
                let voices: std::io::Result<Vec<_>> = voices.collect();
                let voices = voices.map_err(Error::system("a descriptor could not be had"))?;
                (Some(Zygote::execute(&plan, name, &voices)?), relays)
            }
        };
        let line = zygote.as_ref().map(Zygote::line).transpose();
        let line = line.map_err(Error::system("a line to the zygote could not be had"))?;
        Ok(Self {
            posts: plan.children.iter().map(|_| Post::default()).collect(),
            plan,
            owner: Pid::current(),
            crew: Mutex::new(Some(Crew { zygote, relays })),
            zygote: Mutex::new(line),
            thread: Mutex::new(None),
            closing: AtomicBool::new(false),
            barren: AtomicBool::new(false),
            killed: Mutex::new(None),
        })
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    fn end(&self, child: usize) -> ParentEnd<'_> {
        self.plan.area.parent(child as u32).expect("each child has a mailbox")
    }

    /// Starts the progress thread and all children, and waits until all of them serve.
    pub(crate) fn launch(self: &Arc<Self>, host: Arc<Inner>) -> Result<()> {
        let unfit = |why: &str| Error::Lost { path: self.plan.path.clone(), why: why.to_owned() };
        let crew = lock(&self.crew).take().ok_or_else(|| unfit("it was started before"))?;
        let (tells, told) = mpsc::sync_channel(1);
        let progress = match Progress::new(Arc::clone(self), host, crew, tells) {
            Ok(progress) => progress,
            Err((crew, error)) => {
                *lock(&self.crew) = Some(crew);
                return Err(error);
            }
        };
        let name = format!("prewire:{}", self.plan.path);
        let thread = thread::Builder::new().name(name).spawn(move || progress.run());
        let thread = thread.map_err(Error::system("the progress thread could not be started"))?;
        *lock(&self.thread) = Some(thread);
        told.recv().unwrap_or_else(|RecvError| Err(unfit("its progress thread ended")))
    }

    /// Wakes the progress thread.
    pub(crate) fn nudge(&self) {
        self.plan.bell.ring();
    }

    /// Kills the process of a child; false if it has none.
    pub(crate) fn kill(&self, child: usize) -> bool {
        let process = self.posts.get(child).and_then(|post| lock(&post.process).clone());
        let killed = process.is_some_and(|process| process.kill(Signal::KILL).is_ok());
        if killed && let Some(all) = &mut *lock(&self.killed) {
            all.push(self.plan.child_path(child));
        }
        killed
    }

    /// Whether no process can be had any more: then no child that ends is replaced.
    pub(crate) fn is_barren(&self) -> bool {
        self.barren.load(Ordering::Relaxed)
    }

    /// The worker is being closed: [`close`](Family::close) follows, and names whoever has to be killed from here on.
    pub(crate) fn begin_closing(&self) {
        lock(&self.killed).get_or_insert_default();
    }

    /// As [`close`](Family::close), and does not wait.
    pub(crate) fn part(&self) {
        self.begin_closing();
        // ORDERING: Release, "family-closing"; pairs with the load in Progress::step.
        self.closing.store(true, Ordering::Release);
        self.nudge();
    }

    /// Has all children leave, kills those that do not in time, and waits until everything is gone. A second call does
    /// nothing.
    pub(crate) fn close(&self) -> Result<()> {
        let mut thread = lock(&self.thread);
        let Some(progress) = thread.take() else { return Ok(()) };
        self.part();
        if progress.thread().id() == thread::current().id() {
            // It sees to that once it is back in its loop.
            *thread = Some(progress);
            return Err(Error::InsideRun { call: "Worker::close" });
        }
        let farewell = progress.join().unwrap_or_else(|_| Farewell::lost(&self.plan.path));
        drop(lock(&self.zygote).take());
        farewell.result(&self.plan.path, &lock(&self.killed).take().unwrap_or_default())
    }
}

impl Drop for Family {
    /// One that was never launched has a zygote that waits.
    fn drop(&mut self) {
        let zygote = lock(&self.crew).take().and_then(|crew| crew.zygote);
        if let Some(zygote) = zygote
            && Pid::current() == self.owner
        {
            zygote.end();
        }
    }
}
