//! A zygote by exec: this program again, which describes the same tree again, and is handed the worker's memory.
//!
//! **Invariant: what the new instance has described is what the worker was started from, or it serves nothing.** Both
//! sides take a fingerprint of the tree, its settings and its callables.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use prewire_abi::BufferIdentity;
use prewire_chip::{Segments, SharedMemory};
use prewire_mailbox::Area;
use prewire_os::process::{self, Pid};
use prewire_os::{Bell, Channel, Segment};
use sha2::{Digest as _, Sha256};

use super::inside::{Inside, NoReturn};
use super::message::{ROOM, Tell};
use super::relay::Voice;
use crate::callable::Catalog;
use crate::error::{Error, Result};
use crate::plan::{Own, Plan};
use crate::tree::{Builder, Child, Mode, Role};

/// Tells a new instance that it is one: `<number of the parent>:<name of the tree>`.
const CALLED: &str = "PREWIRE_ENTRY";

/// The name of the tree, if this process was started to be the zygote of one.
fn called() -> Option<String> {
    let text = std::env::var(CALLED).ok()?;
    let (parent, name) = text.split_once(':')?;
    // Whatever that process starts sees its environment, and is none.
    (Pid::parent()?.to_string() == parent).then(|| name.to_owned())
}

/// Refuses to start a new instance from one that should have become a zygote: it would do the same, without end.
pub(super) fn check(path: &str) -> Result<()> {
    match called() {
        None => Ok(()),
        Some(name) => Err(Error::Tree {
            path: path.to_owned(),
            why: format!(
                "this process was started to make children of the tree {name:?} and starts a tree itself; call \
                 prewire::entry (prewire_worker::entry) first thing in main"
            ),
        }),
    }
}

/// The descriptor of memory that was made to be handed on.
fn descriptor(memory: &SharedMemory) -> Result<BorrowedFd<'_>> {
    let segment = memory.pages::<Segment>().map(AsFd::as_fd);
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "a mapping without a descriptor");
    segment.ok_or_else(none).map_err(Error::system("shared memory cannot be handed to a new process"))
}

/// Starts this program again, with what it needs to be the zygote of `plan`.
pub(super) fn spawn(plan: &Plan, name: &str, there: &Channel, voices: &[Option<Voice>]) -> Result<Pid> {
    let mut keep = vec![there.as_fd(), plan.area.memory().as_fd(), plan.bell.as_fd()];
    for (_, _, memory) in plan.segments.iter() {
        keep.push(descriptor(memory)?);
    }
    for voice in voices.iter().flatten() {
        keep.extend([voice.stdout.as_fd(), voice.stderr.as_fd()]);
    }
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let called = format!("{}:{name}", Pid::current());
    process::spawn_self(&arguments, &[(CALLED, OsStr::new(&called))], &keep)
        .map_err(Error::system("a new instance of this program could not be started"))
}

/// What tells two trees apart.
fn fingerprint(children: &[Child], settings: &str, callables: &[String]) -> [u8; 32] {
    fn tree(text: &mut String, children: &[Child]) {
        for child in children {
            // Writing to a string does not fail.
            let _ = write!(text, "({} {} {:?} ", child.name, child.role.noun(), child.mode);
            match &child.role {
                Role::Chip(chip) => {
                    let _ = write!(text, "{chip:?}");
                }
                Role::Sub => {}
                Role::Worker(below) => {
                    let _ = write!(text, "{:?} ", below.settings);
                    below.callables.iter().for_each(|callable| {
                        let _ = write!(text, "{} ", callable.digest());
                    });
                    tree(text, &below.children);
                }
            }
            text.push(')');
        }
    }
    let mut text = String::new();
    tree(&mut text, children);
    let callables = callables.join(" ");
    Sha256::new().chain_update(text).chain_update(settings).chain_update(callables).finalize().into()
}

fn fingerprint_of(plan: &Plan) -> [u8; 32] {
    fingerprint(&plan.children, &format!("{:?}", plan.settings), &plan.catalog.names())
}

/// What a new instance is told: the fingerprint, which segments are the worker's own, what they are called, and the
/// worker's place in its tree.
pub(super) fn description(plan: &Plan) -> Vec<u8> {
    let mut bytes = fingerprint_of(plan).to_vec();
    let segments: Vec<_> = plan.segments.iter().collect();
    let place = |own: &SharedMemory| segments.iter().position(|(_, _, memory)| memory.is(own));
    let own = std::iter::once(&plan.own.arena).chain(&plan.own.heaps);
    // The worker's own memory is among the segments that it shares.
    let own: Vec<u32> = own.filter_map(place).map(|at| at as u32).collect();
    bytes.extend_from_slice(&(own.len() as u32).to_ne_bytes());
    own.iter().for_each(|at| bytes.extend_from_slice(&at.to_ne_bytes()));
    bytes.extend_from_slice(&(segments.len() as u32).to_ne_bytes());
    for (identity, origin, _) in &segments {
        bytes.extend_from_slice(&identity.owner_instance_id());
        bytes.extend_from_slice(&identity.buffer_id().to_ne_bytes());
        bytes.extend_from_slice(&identity.generation().to_ne_bytes());
        bytes.extend_from_slice(&origin.to_ne_bytes());
    }
    bytes.extend_from_slice(plan.path.as_bytes());
    bytes
}

/// Takes pieces off the front of a description.
struct Reader<'d>(&'d [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }
}

/// What [`description`] says, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    fingerprint: [u8; 32],
    own: Vec<usize>,
    segments: Vec<(BufferIdentity, u64)>,
    path: String,
}

impl Described {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let fingerprint = from.array()?;
        let own = (0..from.number()?).map(|_| from.number().map(|at| at as usize)).collect::<Option<_>>()?;
        let mut segments = Vec::new();
        for _ in 0..from.number()? {
            let identity = BufferIdentity::new(from.array()?, from.long()?, from.number()?);
            segments.push((identity, from.long()?));
        }
        Some(Self { fingerprint, own, segments, path: String::from_utf8(from.0.to_vec()).ok()? })
    }
}

/// If this process was started to be a zygote, it is one until it ends.
pub(crate) fn enter(describe: impl Fn(&str) -> Option<Builder>) {
    let Some(name) = called() else { return };
    let _here = NoReturn;
    let mut fds = match process::inherited() {
        Ok(fds) if !fds.is_empty() => fds.into_iter(),
        // Without a line to the worker there is nobody to serve.
        _ => process::exit_now(1),
    };
    let Some(Ok(channel)) = fds.next().map(Channel::from_fd) else { process::exit_now(1) };
    match rebuild(&name, &channel, fds, describe) {
        Ok((plan, voices)) => Inside::new(Arc::new(plan), channel, voices).run(),
        Err(why) => {
            let _ = channel.send(&Tell::Wrong { why }.encode());
            process::exit_now(1)
        }
    }
}

/// The plan of the worker that has started this process; or why there is none, for people.
fn rebuild(
    name: &str,
    channel: &Channel,
    mut fds: impl Iterator<Item = OwnedFd>,
    describe: impl Fn(&str) -> Option<Builder>,
) -> Result<(Plan, Vec<Option<Voice>>), String> {
    let mut room = vec![0; ROOM];
    let length = channel.recv(&mut room).map_err(|error| error.to_string())?;
    let described = Described::parse(&room[..length]).ok_or("what it was told is of another build")?;
    let builder = describe(name)
        .ok_or_else(|| format!("the program describes no tree called {name:?} to prewire::entry"))?;
    let (children, settings) = (builder.ordered(), builder.settings);
    let catalog = Catalog::default();
    for callable in &builder.callables {
        catalog.register(callable).map_err(|error| error.to_string())?;
    }
    if fingerprint(&children, &format!("{settings:?}"), &catalog.names()) != described.fingerprint {
        return Err(format!(
            "the program describes another tree called {name:?} to prewire::entry than was started: children, \
             settings and callables must be the same"
        ));
    }
    let mut next = || fds.next().ok_or("a descriptor is missing");
    let mapped = |fd| Segment::from_fd(fd).map_err(|error| error.to_string());
    let area = Area::open(mapped(next()?)?).map_err(|error| error.to_string())?;
    let bell = Bell::from_fd(next()?);
    let mut segments = Segments::new();
    let mut all = Vec::new();
    for (identity, origin) in described.segments {
        let memory = SharedMemory::new(mapped(next()?)?);
        segments.add(identity, origin, &memory).map_err(|error| error.to_string())?;
        all.push(memory);
    }
    let mut own = described.own.iter().filter_map(|at| all.get(*at).cloned());
    let arena = own.next().ok_or("a segment is missing")?;
    let own = Own { arena, heaps: own.collect() };
    let mut voices = Vec::new();
    for child in &children {
        voices.push(match child.mode {
            Mode::Process => Some(Voice { stdout: next()?, stderr: next()? }),
            Mode::Thread => None,
        });
    }
    let nested = children.iter().map(|_| Mutex::new(None)).collect();
    let plan = Plan {
        path: described.path,
        children,
        catalog: Arc::new(catalog),
        settings,
        output: builder.output.clone(),
        faults: builder.faults.clone(),
        segments,
        own,
        area: Arc::new(area),
        bell,
        exec: Some(name.to_owned()),
        nested,
    };
    Ok((plan, voices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Callable, Worker};

    fn of(builder: &Builder) -> [u8; 32] {
        let catalog = Catalog::default();
        for callable in &builder.callables {
            let _ = catalog.register(callable).unwrap();
        }
        fingerprint(&builder.ordered(), &format!("{:?}", builder.settings), &catalog.names())
    }

    #[test]
    fn whatever_differs_is_another_tree() {
        let add = Callable::host_function("add", |_| Ok(()));
        let sub = Callable::host_function("sub", |_| Ok(()));
        let chip = || prewire_chip::Chip::sim(prewire_a2a3::a2a3());
        let node = || Worker::node().subs(2);
        let trees = [
            node(),
            node().subs(1),
            node().threads(),
            node().callable(&add),
            node().callable(&sub),
            node().memory_limit(1 << 20),
            node().chips(1, chip()),
            node().chips(1, chip().trace(true)),
            Worker::network(4).child(node()),
            Worker::network(4).child(node().callable(&add)),
            Worker::network(4).child(node().memory_limit(1 << 20)),
        ];
        for (i, one) in trees.iter().enumerate() {
            assert_eq!(of(one), of(&one.clone()));
            trees[..i].iter().for_each(|other| assert_ne!(of(one), of(other), "{one:?} {other:?}"));
        }
        let both = [node().callable(&add).callable(&sub), node().callable(&sub).callable(&add)];
        assert_eq!(of(&both[0]), of(&both[1]), "the order of callables is of no account");
    }

    #[test]
    fn a_description_cut_short_is_none() {
        let mut bytes = vec![7; 32];
        for number in [1u32, 0, 1] {
            bytes.extend_from_slice(&number.to_ne_bytes());
        }
        bytes.extend_from_slice(&[1; 28]);
        bytes.extend_from_slice(b"node");
        let described = Described::parse(&bytes).unwrap();
        assert_eq!(
            (described.own.as_slice(), described.segments.len(), described.path.as_str()),
            (&[0][..], 1, "node")
        );
        (0..72).for_each(|cut| assert_eq!(Described::parse(&bytes[..cut]), None, "{cut}"));
    }
}
