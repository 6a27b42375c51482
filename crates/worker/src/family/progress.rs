//! The progress thread: it sleeps until a child, its zygote, its output, a deadline or another thread wants something,
//! and sees to that without waiting for any of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use prewire_mailbox::Phase;
use prewire_os::process::{self, Pid, PidFd, Signal};
use prewire_os::{WaitSet, clock};
use prewire_platform::LaneId;
use prewire_runs::event;
use prewire_sync::atomic::Ordering;

use super::closing::{Closing, Farewell};
use super::member::{Key, Member, State};
use super::message::{Ask, Tell};
use super::relay::Relay;
use super::writer::Writer;
use super::zygote::{Heard, Zygote};
use super::{Crew, Family, lock};
use crate::children::Children;
use crate::error::{Error, Result};
use crate::inner::Inner;
use crate::plan::Plan;
use crate::serve;
use crate::tree::Mode;

/// How soon something is looked at again that tells nobody when it is over.
pub(super) const SOON: Duration = Duration::from_millis(1);

/// How long this thread leaves the children to an orchestration that looks after them.
const NAP: Duration = Duration::from_micros(100);

/// A thread of a child has ended.
pub(super) struct ThreadEnd {
    child: usize,
    /// What it panicked with.
    words: Option<String>,
}

/// What the progress thread works with.
pub(super) struct Progress {
    pub(super) family: Arc<Family>,
    pub(super) host: Arc<Inner>,
    pub(super) set: WaitSet,
    pub(super) zygote: Option<Zygote>,
    /// Why no process can be had any more.
    pub(super) barren: Option<String>,
    pub(super) members: Vec<Member>,
    /// Threads that have ended. Written by themselves.
    thread_ends: Arc<Mutex<Vec<ThreadEnd>>>,
    /// Who waits for the start, until it is told.
    pub(super) launching: Option<SyncSender<Result<()>>>,
    /// How often the orchestration had looked after the children at the last look.
    polls: u32,
    pub(super) closing: Option<Closing>,
    /// When to look again at groups of which a member has failed.
    groups_due: Option<Duration>,
    /// Hands on what children write.
    pub(super) writer: Writer,
    /// What children write stays in their pipes, until there is room for it.
    muted: bool,
}

impl Progress {
    /// The crew comes back if it cannot be.
    #[expect(clippy::result_large_err, reason = "made once, and the error is what there was")]
    pub(super) fn new(
        family: Arc<Family>,
        host: Arc<Inner>,
        crew: Crew,
        launching: SyncSender<Result<()>>,
    ) -> Result<Self, (Crew, Error)> {
        let watched = WaitSet::new().and_then(|set| {
            set.add(&family.plan.bell, Key::Bell.number())?;
            if let Some(zygote) = &crew.zygote {
                zygote.watch(&set, [Key::Says.number(), Key::Ends.number()])?;
            }
            for (child, relay) in crew.relays.iter().enumerate() {
                if let Some(relay) = relay {
                    relay.watch(&set, Key::Writes(child, 0).number())?;
                }
            }
            Ok(set)
        });
        match watched {
            Ok(set) => Ok(Self {
                writer: Writer::new(&family.plan),
                muted: false,
                family,
                host,
                set,
                zygote: crew.zygote,
                barren: None,
                members: crew.relays.into_iter().map(Member::new).collect(),
                thread_ends: Arc::default(),
                launching: Some(launching),
                polls: 0,
                closing: None,
                groups_due: None,
            }),
            Err(error) => Err((crew, Error::system("a descriptor could not be had")(error))),
        }
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.family.plan
    }

    pub(super) fn children(&self) -> &Children {
        self.host.engine.children()
    }

    /// The rest of the life of the thread.
    pub(super) fn run(mut self) -> Farewell {
        let (host, path) = (Arc::clone(&self.host), self.plan().path.clone());
        catch_unwind(AssertUnwindSafe(move || self.work())).unwrap_or_else(|panic| {
            let why = format!("its progress thread panicked: {}", prewire_runs::message(&*panic));
            prewire_runs::contained(|| drop(panic));
            host.engine.lose(&why);
            Farewell::lost(&path)
        })
    }

    fn work(&mut self) -> Farewell {
        let mut ready = Vec::new();
        loop {
            self.step();
            if let Some(farewell) = self.farewell() {
                if !self.writer.finish(self.plan().settings.close_limit) {
                    event!(warn, worker = %self.plan().path, "nobody reads what its children have written");
                }
                return farewell;
            }
            if self.muted && self.writer.has_room() {
                self.unmute();
            }
            self.sleep(&mut ready);
            // What the zygote says comes before what happened to processes that it speaks of.
            let mut keys: Vec<_> = ready.iter().map(|number| Key::of(*number)).collect();
            keys.sort_unstable();
            keys.into_iter().for_each(|key| self.hear(key));
            let ended = std::mem::take(&mut *lock(&self.thread_ends));
            ended.into_iter().for_each(|end| self.thread_ended(end));
            self.host.engine.poll_for_others();
        }
    }

    /// Sleeps until there is something to do.
    fn sleep(&mut self, ready: &mut Vec<u64>) {
        let due = self.members.iter().filter_map(|member| member.due);
        let due = due.chain(self.closing.as_ref().map(Closing::due)).chain(self.host.watch());
        let due = due.chain(self.groups_due).min();
        let block = self.family.plan.area.block();
        let left = due.map(|due| due.saturating_sub(clock::monotonic()));
        let polls = self.host.engine.polls();
        let timeout = if std::mem::replace(&mut self.polls, polls) != polls && !block.is_attended() {
            // An orchestration is at work that looks after the children itself: a nap, in which none of them wakes this
            // thread. If it has done nothing by then, this thread takes over.
            Some(left.map_or(NAP, |left| left.min(NAP)))
        } else if block.about_to_sleep() {
            left
        } else {
            Some(Duration::ZERO)
        };
        let slept = self.set.wait(timeout, ready);
        block.awake();
        if let Err(error) = slept {
            // Without it nothing is heard of any child any more.
            self.host.engine.lose(&format!("its progress thread cannot wait: {error}"));
            self.begin_closing();
        }
    }

    fn hear(&mut self, key: Key) {
        match key {
            // What it was rung for is looked at by everybody who comes by here.
            Key::Bell => drop(self.plan().bell.clear()),
            Key::Says => self.hear_zygote(),
            Key::Ends => self.zygote_ended(),
            Key::Writes(..) if self.writer.is_full() => self.mute(),
            Key::Writes(child, which) => {
                let member = &mut self.members[child];
                // Before its number is known its lines wait.
                if member.state != State::Asked
                    && let pid = member.pid()
                    && let Some(relay) = &mut member.relay
                {
                    relay.pump(which, pid, &mut |line| self.writer.say(line));
                }
            }
            Key::Dies(child) => self.process_ended(child),
        }
    }

    /// Leaves what children write in their pipes: whoever reads it is slower than they are.
    fn mute(&mut self) {
        if !std::mem::replace(&mut self.muted, true) {
            self.relays().try_for_each(|(_, relay)| relay.unwatch(&self.set)).unwrap_or_else(|error| {
                event!(warn, %error, "what children write is read although nobody takes it");
            });
        }
    }

    /// Goes on reading what children write.
    fn unmute(&mut self) {
        self.muted = false;
        let watch = |(child, relay): (usize, &Relay)| relay.watch(&self.set, Key::Writes(child, 0).number());
        let watched = self.relays().try_for_each(watch);
        if let Err(error) = watched {
            self.host.engine.lose(&format!("what its children write cannot be read: {error}"));
            self.begin_closing();
        }
    }

    fn relays(&self) -> impl Iterator<Item = (usize, &Relay)> {
        let relays = self.members.iter().map(|member| member.relay.as_ref());
        relays.enumerate().filter_map(|(child, relay)| Some((child, relay?)))
    }

    /// What the zygote has said so far.
    pub(super) fn hear_zygote(&mut self) {
        while let Some(zygote) = &self.zygote {
            match zygote.hear() {
                Heard::Nothing => return,
                Heard::Said(Tell::Forked { child, generation, pid }) => {
                    match self.members.get(child as usize) {
                        Some(member) if member.state == State::Asked && member.generation == generation => {
                            self.forked(child as usize, pid);
                        }
                        // It comes too late: nobody waits for it any more.
                        _ => drop(process::kill(pid, Signal::KILL)),
                    }
                }
                Heard::Said(Tell::Refused { child, generation, why }) => {
                    let asked =
                        |member: &&Member| member.state == State::Asked && member.generation == generation;
                    if self.members.get(child as usize).filter(asked).is_some() {
                        self.unborn(child as usize, why);
                    }
                }
                Heard::Said(Tell::Ended { pid, exit }) => {
                    let is_it = |member: &Member| member.process.as_ref().is_some_and(|(p, _)| *p == pid);
                    if let Some(child) = self.members.iter().position(is_it) {
                        self.die(child, exit);
                    }
                }
                Heard::Said(Tell::Wrong { why }) => self.barren = Some(why),
                Heard::Gone => {
                    // Its end is seen by another key; until then nothing is to be heard here.
                    zygote.kill();
                    zygote.mute(&self.set);
                    return;
                }
            }
        }
    }

    /// Makes the place of a child ready and has it made.
    pub(super) fn birth(&mut self, child: usize) {
        let family = Arc::clone(&self.family);
        let member = &mut self.members[child];
        let generation = member.generation;
        {
            // Whoever still asks the dead one is about to hear that it is dead.
            let Ok(_asking) = family.posts[child].asking.try_lock() else {
                (member.state, member.due) = (State::Wanted, Some(clock::monotonic() + SOON));
                return;
            };
            if let Err(error) = family.end(child).arm(generation) {
                return self.give_up(child, &error.to_string());
            }
        }
        (member.served, member.late) = (false, false);
        member.due = clock::monotonic().checked_add(family.plan.settings.start_limit);
        member.state = State::Asked;
        match (family.plan.children[child].mode, &self.zygote) {
            (Mode::Thread, _) => self.spawn(child),
            (Mode::Process, Some(zygote)) => zygote.ask(&Ask::Fork { child: child as u32, generation }),
            (Mode::Process, None) => self.unborn(child, "there is no zygote".into()),
        }
    }

    /// Starts a child in a thread.
    fn spawn(&mut self, child: usize) {
        let plan = Arc::clone(self.plan());
        let generation = self.members[child].generation;
        let ends = Arc::clone(&self.thread_ends);
        let name = format!("prewire:{}", plan.children[child].name);
        let body = move || {
            let served = catch_unwind(AssertUnwindSafe(|| serve::serve(&plan, child, generation).code()));
            let words = served.err().map(|panic| {
                let words = format!("panicked: {}", prewire_runs::message(&*panic));
                prewire_runs::contained(|| drop(panic));
                words
            });
            lock(&ends).push(ThreadEnd { child, words });
            plan.bell.ring();
        };
        match thread::Builder::new().name(name).spawn(body) {
            Ok(thread) => {
                let member = &mut self.members[child];
                (member.thread, member.state) = (Some(thread), State::Starting);
            }
            Err(error) => self.unborn(child, format!("no thread could be started for it: {error}")),
        }
    }

    fn thread_ended(&mut self, end: ThreadEnd) {
        if let Some(thread) = self.members[end.child].thread.take() {
            // It has nothing left to do, and what it panicked with is known.
            let _ = thread.join();
            self.dead(end.child, None, end.words);
        }
    }

    /// A child has a process.
    fn forked(&mut self, child: usize, pid: Pid) {
        let watched = PidFd::open(pid).and_then(|process| {
            self.set.add(&process, Key::Dies(child).number())?;
            Ok(Arc::new(process))
        });
        match watched {
            Ok(process) => {
                *lock(&self.family.posts[child].process) = Some(Arc::clone(&process));
                let member = &mut self.members[child];
                (member.process, member.state) = (Some((pid, process)), State::Starting);
            }
            Err(error) => {
                // It cannot have been reaped: the zygote does that only when it is asked.
                let _ = process::kill(pid, Signal::KILL);
                self.unborn(child, format!("its process {pid} cannot be watched: {error}"));
            }
        }
    }

    /// Looks at everything that tells nobody when it happens.
    fn step(&mut self) {
        // ORDERING: Acquire, "family-closing"; pairs with the store in Family::close.
        if self.closing.is_none() && self.family.closing.load(Ordering::Acquire) {
            self.begin_closing();
        }
        let now = clock::monotonic();
        for child in 0..self.members.len() {
            let member = &self.members[child];
            let is_due = member.due.is_some_and(|due| due <= now);
            match member.state {
                State::Wanted if self.closing.is_none() => self.birth(child),
                State::Starting if self.has_started(child) => self.serving(child),
                State::Asked | State::Starting if is_due && self.closing.is_none() => self.overdue(child),
                State::Serving if self.children().is_wild(LaneId(child as u16)) => {
                    // Its death is heard of as any other.
                    let _ = self.family.kill(child);
                }
                // The zygote does not say how it ended, but that it did is known.
                State::Ended if is_due => self.die(child, None),
                State::Clearing => self.clear(child),
                _ => {}
            }
        }
        let limit = self.plan().settings.group_limit;
        self.groups_due = self.children().end_broken_groups(now, limit, |child| self.family.kill(child));
        self.go_on_closing(now);
    }

    fn has_started(&self, child: usize) -> bool {
        let life = self.family.end(child).life();
        let member = &self.members[child];
        !member.doomed && life.phase == Some(Phase::Up) && life.generation == member.generation
    }

    /// A child serves from now on.
    fn serving(&mut self, child: usize) {
        let member = &mut self.members[child];
        (member.state, member.due, member.served) = (State::Serving, None, true);
        let pid = member.process.as_ref().map(|_| member.pid());
        self.children().serving(LaneId(child as u16), pid);
        if self.members.iter().all(|member| member.state == State::Serving)
            && let Some(launching) = self.launching.take()
        {
            let _ = launching.send(Ok(()));
        }
    }
}
