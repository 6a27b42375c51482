//! Inside of the zygote: it forks children and says how they end, and does nothing else.
//!
//! **Invariant: the zygote is one thread, always**, so that it can be forked at any time; and what it forks dies with it,
//! as it dies with its worker.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use prewire_mailbox::Generation;
use prewire_os::Channel;
use prewire_os::process::{self, Exit, Fork, Pid, Signal};

use super::message::{Ask, ROOM, Tell};
use super::relay::{Relay, Voice};
use crate::output::say;
use crate::plan::Plan;
use crate::serve;
use crate::tree::Role;

/// The exit code of a child that panicked outside of a callable.
const PANICKED: i32 = 101;
/// The exit code of a child that could not even begin.
const UNFIT: i32 = 71;

/// What zygotes are called, and how the names of children begin.
const NAME: &str = "prewire-zygote";
const CHILD: &str = "prewire:";

/// In a process that never returns to what has called: ends it if something here panics. What has called is the program, of
/// which this is a copy, and would go on.
pub(super) struct NoReturn;

impl Drop for NoReturn {
    fn drop(&mut self) {
        process::exit_now(PANICKED);
    }
}

/// The zygote of a worker, in its own process.
pub(super) struct Inside {
    plan: Arc<Plan>,
    channel: Channel,
    /// By child: where it writes; none for one that is a thread of the worker.
    voices: Vec<Option<Voice>>,
    /// What it has forked and not reaped, and whether that is a worker, which has children of its own.
    forked: Vec<(Pid, bool)>,
}

impl Inside {
    pub(super) fn new(plan: Arc<Plan>, channel: Channel, voices: Vec<Option<Voice>>) -> Self {
        Self { plan, channel, voices, forked: Vec::new() }
    }

    /// The rest of the life of a forked zygote. Of what it is a copy of it keeps nothing that its children do not need.
    pub(super) fn become_zygote(
        plan: Arc<Plan>,
        channel: Channel,
        relays: Vec<Option<Relay>>,
        parent: Pid,
    ) -> ! {
        let _here = NoReturn;
        let voices = process::die_with_parent(parent).and_then(|()| {
            relays
                .into_iter()
                .map(|relay| relay.map(Relay::into_voice).transpose())
                .collect::<io::Result<_>>()
        });
        let Ok(voices) = voices else { process::exit_now(UNFIT) };
        // Workers below that run as threads of the parent are none of this process.
        for nested in &plan.nested {
            drop(nested.lock().ok().and_then(|mut nested| nested.take()));
        }
        Self::new(plan, channel, voices).run()
    }

    /// The rest of the life of a zygote. It ends when it is told to, or when its worker is gone.
    pub(super) fn run(mut self) -> ! {
        let _here = NoReturn;
        process::set_name(NAME);
        // Ctrl-C is the program's to answer: if it ends, all of this does; if it wants to close the tree first, it can.
        let _ = process::ignore(Signal::INT);
        if let Err(error) = process::adopt_orphans() {
            say(format_args!("what ends below {} may not be heard of: {error}", self.plan.path));
        }
        let mut room = vec![0; ROOM];
        loop {
            let length = self.channel.recv(&mut room).unwrap_or(0);
            match Ask::decode(&room[..length]) {
                Some(Ask::Fork { child, generation }) => self = self.fork(child, generation),
                Some(Ask::Reap { pid }) => {
                    let exit = self.reap(pid);
                    self.tell(&Tell::Ended { pid, exit });
                }
                // Who asked has asked the children that run, and heard from them.
                Some(Ask::Learn { request }) => serve::learn(&self.plan.catalog, &request),
                Some(Ask::Forget { digest }) => serve::forget(&self.plan.catalog, &digest),
                Some(Ask::End) | None => process::exit_now(0),
            }
        }
    }

    fn tell(&self, tell: &Tell) {
        if self.channel.send(&tell.encode()).is_err() {
            process::exit_now(0);
        }
    }

    /// How a child has ended. When this returns, nothing that it has started touches shared memory any more: if it was a
    /// worker, its zygote is a child of this one now, and dies, and then what that has forked.
    fn reap(&mut self, pid: Pid) -> Option<Exit> {
        let exit = process::reap(pid).ok();
        let at = self.forked.iter().position(|(forked, _)| *forked == pid);
        if at.is_some_and(|at| self.forked.swap_remove(at).1) {
            while self.reap_orphans() > 0 {}
        }
        exit
    }

    /// Ends and reaps what has come here from below: how many.
    fn reap_orphans(&self) -> usize {
        let mut all = process::children().unwrap_or_default();
        all.retain(|process| {
            let ours = process.name == NAME || process.name.starts_with(CHILD);
            ours && self.forked.iter().all(|(forked, _)| *forked != process.pid)
        });
        // They are told before they are waited for. None has been reaped, so no number is another's.
        all.iter().for_each(|process| drop(process::kill(process.pid, Signal::KILL)));
        all.iter().filter(|process| process::reap(process.pid).is_ok()).count()
    }

    /// Forks a child.
    fn fork(mut self, child: u32, generation: Generation) -> Self {
        let zygote = Pid::current();
        let told = if self.voices.get(child as usize).is_none_or(Option::is_none) {
            Tell::Refused { child, generation, why: format!("child {child} is no process") }
        } else {
            match process::fork() {
                Ok(Fork::Child) => self.become_child(zygote, child as usize, generation),
                Ok(Fork::Parent(pid)) => {
                    let role = &self.plan.children[child as usize].role;
                    self.forked.push((pid, matches!(role, Role::Worker(_))));
                    Tell::Forked { child, generation, pid }
                }
                Err(error) => Tell::Refused { child, generation, why: error.to_string() },
            }
        };
        self.tell(&told);
        self
    }

    /// The rest of the life of a child.
    fn become_child(mut self, zygote: Pid, child: usize, generation: Generation) -> ! {
        let _here = NoReturn;
        let begun = process::die_with_parent(zygote).and_then(|()| {
            process::set_name(&format!("prewire:{}", self.plan.children[child].name));
            let voice = self.voices[child].take().ok_or(io::ErrorKind::NotFound)?;
            process::redirect_output(voice.stdout.as_fd(), voice.stderr.as_fd())
        });
        if let Err(error) = begun {
            say(format_args!("{} cannot begin: {error}", self.plan.child_path(child)));
            process::exit_now(UNFIT);
        }
        let Self { plan, channel, voices, .. } = self;
        // Of these a child holds nothing: the line is the zygote's, and what its siblings write is theirs.
        drop((channel, voices));
        let serves = || serve::serve(&plan, child, generation).code();
        let code = catch_unwind(AssertUnwindSafe(serves)).unwrap_or_else(|panic| {
            prewire_runs::contained(|| drop(panic));
            PANICKED
        });
        let _ = io::stdout().flush();
        process::exit_now(code)
    }
}
