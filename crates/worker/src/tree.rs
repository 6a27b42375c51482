//! The description of a tree: which workers there are, and what they are made of. Nothing runs before it is started.

use std::sync::Arc;
use std::time::Duration;

use prewire_chip::{ChipBuilder, Hazards, RingSizes};
use tracing::Level;

use crate::callable::Callable;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use crate::worker::Worker;

/// How many children a worker can have.
pub(crate) const MAX_CHILDREN: usize = 128;
/// The highest level.
const MAX_LEVEL: u8 = 15;
/// The level of a node.
const NODE: u8 = 3;

/// Where a child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// In a process of its own, forked from the zygote.
    #[default]
    Process,
    /// In a thread of this process.
    Thread,
}

/// What a child is.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Chip(Box<ChipBuilder>),
    Sub,
    Worker(Arc<Builder>),
}

impl Role {
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Chip(_) => "chip",
            Self::Sub => "sub",
            Self::Worker(_) => "worker",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) mode: Mode,
}

/// Describes a worker and everything below it. Made by [`Worker::node`] and [`Worker::network`].
///
/// Children are counted in the order in which they are added, and named: `chip0`, `chip1`, `sub0`, `worker0`, unless
/// they are given a name. A mistake is kept and told by [`start`](Builder::start); nothing exists before that.
///
/// ```
/// use prewire_chip::Chip;
/// use prewire_worker::Worker;
///
/// let tree = Worker::node().chips(2, Chip::sim(prewire_a2a3::a2a3())).subs(1);
/// assert_eq!(tree.names().collect::<Vec<_>>(), ["chip0", "chip1", "sub0"]);
/// ```
///
/// What was started is not described any more, so it has no `child`, and is no child:
///
/// ```compile_fail,E0599
/// let node = prewire_worker::Worker::node().subs(1).threads().start().unwrap();
/// node.subs(1);
/// ```
///
/// ```compile_fail,E0308
/// let node = prewire_worker::Worker::node().subs(1).threads().start().unwrap();
/// prewire_worker::Worker::network(4).child(node);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a tree is started by start()"]
pub struct Builder {
    pub(crate) level: u8,
    /// What it is called, if that was said.
    name: Option<String>,
    pub(crate) children: Vec<Child>,
    pub(crate) callables: Vec<Callable>,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    pub(crate) faults: Vec<Fault>,
    /// The name by which an executed zygote finds this description again.
    pub(crate) exec: Option<String>,
    /// Where children that are added from now on run.
    mode: Mode,
    mistake: Option<String>,
}

impl Worker {
    /// Describes a node: level 3, whose children are chips and SUB workers.
    pub fn node() -> Builder {
        Builder::new(NODE)
    }

    /// Describes a worker of level 4 or above, whose children are workers of levels below its own, and SUB workers.
    pub fn network(level: u8) -> Builder {
        let mut builder = Builder::new(level);
        if !(NODE + 1..=MAX_LEVEL).contains(&level) {
            builder.mistake(format!(
                "level {level} was asked for, but a network has levels {} to {MAX_LEVEL}; a node, which has chips, is \
                 made by Worker::node()",
                NODE + 1
            ));
        }
        builder
    }
}

impl Builder {
    fn new(level: u8) -> Self {
        Self {
            level,
            name: None,
            children: Vec::new(),
            callables: Vec::new(),
            settings: Settings::default(),
            output: Output::default(),
            faults: Vec::new(),
            exec: None,
            mode: Mode::Process,
            mistake: None,
        }
    }

    fn mistake(&mut self, what: String) {
        self.mistake.get_or_insert(what);
    }

    fn add(&mut self, name: String, role: Role) {
        if name.is_empty() || name.contains(['/', '\0', '\n']) {
            self.mistake(format!(
                "{name:?} cannot be the name of a child: a name has a letter at least, and no slash"
            ));
        }
        if self.children.iter().any(|child| child.name == name) {
            self.mistake(format!("two of its children are called {name:?}; names tell children apart"));
        }
        if self.children.len() == MAX_CHILDREN {
            self.mistake(format!(
                "it has more than {MAX_CHILDREN} children; put some under a worker in between"
            ));
        }
        self.children.push(Child { name, role, mode: self.mode });
    }

    fn numbered(&self, role: &Role) -> String {
        let so_far = self.children.iter().filter(|child| child.role.noun() == role.noun()).count();
        format!("{}{so_far}", role.noun())
    }

    /// What it is called, in messages and in the list of processes. `node`, `network1`, ... unless said.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds `count` chips.
    pub fn chips(mut self, count: usize, chip: ChipBuilder) -> Self {
        for _ in 0..count {
            let role = Role::Chip(Box::new(chip.clone()));
            let name = self.numbered(&role);
            self.add(name, role);
        }
        if self.level != NODE && count > 0 {
            let level = self.level;
            self.mistake(format!(
                "it is of level {level}, and chips are children of nodes, which are of level {NODE}"
            ));
        }
        self
    }

    /// Adds `count` SUB workers, which run host functions.
    pub fn subs(mut self, count: usize) -> Self {
        for _ in 0..count {
            let name = self.numbered(&Role::Sub);
            self.add(name, Role::Sub);
        }
        self
    }

    /// Adds a worker of a level below, under the name that it was given, else `worker0`, `worker1`, ...
    pub fn child(mut self, worker: Self) -> Self {
        if worker.level >= self.level {
            let (own, level) = (self.level, worker.level);
            self.mistake(format!(
                "it is of level {own} and was given a child of level {level}; a child is of a level below"
            ));
        }
        let name = worker.name.clone();
        let role = Role::Worker(Arc::new(worker));
        let name = name.unwrap_or_else(|| self.numbered(&role));
        self.add(name, role);
        self
    }

    /// What it is called.
    pub(crate) fn label(&self) -> String {
        let default = || match self.level {
            NODE => "node".into(),
            level => format!("network{}", level.saturating_sub(NODE)),
        };
        self.name.clone().unwrap_or_else(default)
    }

    /// Registers a callable. Everything that children are to run, and everything that orchestrations below are to
    /// submit, is registered with the worker that submits it.
    pub fn callable(mut self, callable: &Callable) -> Self {
        self.callables.push(callable.clone());
        self
    }

    /// Children that are added from here on, and those that were added before, run in threads of this process: for
    /// debugging, or where nothing may be forked. A thread cannot be killed: a child that hangs, or crashes, does so
    /// with this process.
    pub fn threads(mut self) -> Self {
        self.mode = Mode::Thread;
        for child in &mut self.children {
            child.mode = Mode::Thread;
        }
        self
    }

    /// Children come from a new instance of this program instead of a fork of this process, so that other threads may
    /// run already. The new instance calls [`entry`](crate::entry), which describes the tree again by this name.
    pub fn exec(mut self, name: impl Into<String>) -> Self {
        self.exec = Some(name.into());
        self
    }

    /// The sizes of the worker's own rings.
    pub fn rings(mut self, sizes: RingSizes) -> Self {
        self.settings.rings = sizes;
        self
    }

    /// Which hazards become edges. All unless said.
    pub fn hazards(mut self, hazards: Hazards) -> Self {
        self.settings.hazards = hazards;
        self
    }

    /// Bytes of shared memory for buffers. 64 GiB unless said; what is not touched costs nothing.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.settings.memory = bytes;
        self
    }

    /// Bytes of device memory that buffers of the worker may take on each chip: see [`Worker::device`]. What the chip has
    /// unless said.
    pub fn device_quota(mut self, bytes: u64) -> Self {
        self.settings.device_quota = Some(bytes);
        self
    }

    /// How long a run may take; then it is ended, and children that still run tasks of it are killed and replaced. None
    /// unless said; [`Orch::deadline`](crate::Orch::deadline) sets that of one run.
    pub fn deadline(mut self, allowed: Duration) -> Self {
        self.settings.deadline = Some(allowed);
        self
    }

    /// How long a child may take to come to serve: 60 seconds unless said.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.settings.start_limit = limit;
        self
    }

    /// How long children are given to leave before they are killed: 5 seconds unless said.
    pub fn close_limit(mut self, limit: Duration) -> Self {
        self.settings.close_limit = limit;
        self
    }

    /// How long the members of a group may go on once one of them has failed, as they may wait for it in memory of their
    /// own: 10 seconds unless said. Then their processes are killed and replaced. A child in a thread cannot be killed.
    pub fn group_limit(mut self, limit: Duration) -> Self {
        self.settings.group_limit = limit;
        self
    }

    /// How often in a row a child is replaced that has completed no task in between: 3 unless said. Then it is given up.
    pub fn replacements(mut self, times: u32) -> Self {
        self.settings.replacements = times;
        self
    }

    /// Where what children write goes: see [`Output`].
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// From which level on children in processes write `tracing` events to their stderr, which comes here labelled:
    /// warnings and errors unless said. A subscriber that the program has set up before the start goes before this.
    pub fn events(mut self, level: Level) -> Self {
        self.settings.events = level;
        self
    }

    /// Has a child fail at a point of its life: see [`Fault`]. For tests.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The names of its children.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.children.iter().map(|child| child.name.as_str())
    }

    /// Its children, as the scheduler numbers lanes: first those that tasks name, then the SUB workers.
    pub(crate) fn ordered(&self) -> Vec<Child> {
        let mut children = self.children.clone();
        children.sort_by_key(|child| matches!(child.role, Role::Sub));
        children
    }

    /// What is wrong with it, or with anything below.
    pub(crate) fn check(&self, path: &str) -> Result<()> {
        let wrong = |why: String| Err(Error::Tree { path: path.to_owned(), why });
        if let Some(why) = &self.mistake {
            return wrong(why.clone());
        }
        if self.children.is_empty() {
            return wrong("it has no children, so nothing could run; add chips, subs or a child".into());
        }
        for fault in &self.faults {
            if !self.names().any(|name| name == fault.child()) {
                return wrong(format!("a fault was set for {:?}, and there is no such child", fault.child()));
            }
        }
        for child in &self.children {
            if let Role::Worker(below) = &child.role {
                below.check(&format!("{path}/{}", child.name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(tree: &Builder) -> String {
        tree.check("top").unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_named() {
        let chip = || prewire_chip::Chip::sim(prewire_a2a3::a2a3());
        assert!(why(&Worker::network(3).subs(1)).contains("levels 4 to 15"));
        assert!(why(&Worker::network(16).subs(1)).contains("level 16"));
        assert!(why(&Worker::network(4).chips(1, chip())).contains("children of nodes"));
        assert!(why(&Worker::network(4).child(Worker::network(4).subs(1))).contains("level below"));
        assert!(why(&Worker::node().child(Worker::node().subs(1))).contains("given a child of level 3"));
        assert!(why(&Worker::node()).contains("no children"));
        let twice = || Worker::node().name("left").subs(1);
        assert!(why(&Worker::network(4).child(twice()).child(twice())).contains("\"left\""));
        assert!(why(&Worker::network(4).child(Worker::node().name("a/b").subs(1))).contains("slash"));
        assert!(why(&Worker::node().subs(129)).contains("more than 128"));
        let below = Worker::network(5).child(Worker::network(4).child(Worker::node()));
        assert!(why(&below).starts_with("top/worker0/worker0 cannot be"), "{}", why(&below));
        Worker::network(5).child(Worker::node().subs(1)).subs(2).check("top").unwrap();
        Worker::node().chips(2, chip()).subs(126).check("top").unwrap();
    }
}
