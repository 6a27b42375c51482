//! The zygote, as its worker sees it: a process that was made while this one was a single thread, and from which the
//! children come.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prewire_os::process::{self, Exit, Fork, ForkError, Pid, PidFd, Signal};
use prewire_os::{Channel, WaitSet};

use super::inside::Inside;
use super::message::{Ask, ROOM, Tell};
use super::relay::{Relay, Voice};
use crate::error::{Error, Result};
use crate::plan::Plan;

/// How long a zygote that was told to end may take before it is killed.
pub(super) const LEAVE: Duration = Duration::from_secs(1);

/// The zygote of a worker. It dies with the worker's process.
#[derive(Debug)]
pub(super) struct Zygote {
    channel: Channel,
    process: PidFd,
    pid: Pid,
    /// It is a new instance of the program.
    executed: bool,
}

/// What came of a look at what the zygote says.
pub(super) enum Heard {
    Nothing,
    Said(Tell),
    /// It is gone, or talks nonsense.
    Gone,
}

impl Zygote {
    /// Forks it. Children write to where the `relays` read, which come back.
    pub(super) fn fork(plan: &Arc<Plan>, relays: Vec<Option<Relay>>) -> Result<(Self, Vec<Option<Relay>>)> {
        let (here, there) = channel()?;
        let parent = Pid::current();
        match process::fork() {
            Ok(Fork::Parent(pid)) => Ok((Self::new(here, pid, false)?, relays)),
            Ok(Fork::Child) => {
                drop(here);
                Inside::become_zygote(Arc::clone(plan), there, relays, parent)
            }
            Err(ForkError::Threads { names }) => {
                let (path, count, names) = (plan.path.clone(), names.len(), names.join(", "));
                Err(Error::ThreadsRunning { path, count, names })
            }
            Err(ForkError::System(error)) => Err(forking(error)),
            Err(error) => Err(forking(io::Error::other(error))),
        }
    }

    /// Starts it as a new instance of this program, which calls [`entry`](crate::entry).
    pub(super) fn execute(plan: &Plan, name: &str, voices: &[Option<Voice>]) -> Result<Self> {
        let (here, there) = channel()?;
        let pid = super::exec::spawn(plan, name, &there, voices)?;
        let zygote = Self::new(here, pid, true)?;
        let describes = zygote.channel.send(&super::exec::description(plan));
        describes
            .map_err(Error::system("a new instance of this program did not wait to be told what it is"))?;
        Ok(zygote)
    }

    fn new(channel: Channel, pid: Pid, executed: bool) -> Result<Self> {
        // It cannot have been reaped: this process does that alone.
        match PidFd::open(pid) {
            Ok(process) => Ok(Self { channel, process, pid, executed }),
            Err(error) => {
                let _ = process::kill(pid, Signal::KILL);
                let _ = process::reap(pid);
                Err(forking(error))
            }
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it is a new instance of the program.
    pub(super) fn is_executed(&self) -> bool {
        self.executed
    }

    /// Waits for what it says, and for its end, under two keys.
    pub(super) fn watch(&self, set: &WaitSet, [says, ends]: [u64; 2]) -> io::Result<()> {
        set.add(&self.channel, says)?;
        set.add(&self.process, ends)
    }

    /// Waits for its end alone: it has said its last.
    pub(super) fn mute(&self, set: &WaitSet) {
        let _ = set.remove(&self.channel);
    }

    /// Waits for nothing of it any more.
    pub(super) fn unwatch(&self, set: &WaitSet) {
        let _ = set.remove(&self.channel);
        let _ = set.remove(&self.process);
    }

    /// Asks it. One that is gone does not answer; that it is gone is seen elsewhere.
    pub(super) fn ask(&self, ask: &Ask) {
        let _ = self.channel.send(&ask.encode());
    }

    /// Another end to ask it by, for other threads.
    pub(super) fn line(&self) -> io::Result<Channel> {
        use std::os::fd::AsFd;
        Channel::from_fd(self.channel.as_fd().try_clone_to_owned()?)
    }

    /// What it says next, if it has said it already.
    pub(super) fn hear(&self) -> Heard {
        let mut room = vec![0; ROOM];
        match self.channel.recv_within(Duration::ZERO, &mut room) {
            Ok(None) => Heard::Nothing,
            Ok(Some(0)) | Err(_) => Heard::Gone,
            Ok(Some(length)) => Tell::decode(&room[..length]).map_or(Heard::Gone, Heard::Said),
        }
    }

    pub(super) fn kill(&self) {
        let _ = self.process.kill(Signal::KILL);
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<Option<Exit>> {
        let ended = self.process.has_exited().unwrap_or(true);
        ended.then(|| process::reap(self.pid).ok())
    }

    /// Ends it, and waits for that: for a worker that never started.
    pub(super) fn end(&self) {
        self.ask(&Ask::End);
        let (Ok(set), mut ready) = (WaitSet::new(), Vec::new()) else { return self.kill() };
        if set.add(&self.process, 0).is_ok() {
            let _ = set.wait(Some(LEAVE), &mut ready);
        }
        if ready.is_empty() {
            self.kill();
        }
        let _ = process::reap(self.pid);
    }
}

fn channel() -> Result<(Channel, Channel)> {
    Channel::pair().map_err(Error::system("a line to the zygote could not be had"))
}

fn forking(error: io::Error) -> Error {
    Error::system("the process that children are forked from could not be had")(error)
}
