//! Requests to children beside their tasks, and what children are to know after the start.

use std::time::Duration;

use prewire_mailbox::{Answer, ControlError, Phase};
use prewire_os::clock;

use super::message::Ask;
use super::{Family, lock};
use crate::callable::{Callable, Kind};
use crate::error::{Error, Result};
use crate::serve::control::{self, Code};
use crate::tree::{Mode, Role};

/// How long a child may take to answer.
const LIMIT: Duration = Duration::from_secs(60);

impl Family {
    /// Asks a child for something, and waits for its answer, its death, or the end of its time. Requests to one child
    /// follow one another.
    pub(crate) fn request(&self, child: usize, code: Code, args: [u64; 4], bytes: &[u8]) -> Result<Answer> {
        self.ask(child, code, args, bytes).map_err(|error| self.refused(child, code, error.to_string()))
    }

    fn ask(&self, child: usize, code: Code, args: [u64; 4], bytes: &[u8]) -> Result<Answer, ControlError> {
        let _turn = lock(&self.posts[child].asking);
        let answer = self.end(child).request(code as u32, args, bytes)?.wait(Some(LIMIT));
        if let Err(ControlError::TimedOut { began: true, .. }) = answer {
            // It may write whenever it goes on, into memory that is somebody else's by then.
            let _ = self.kill(child);
        }
        answer
    }

    fn refused(&self, child: usize, code: Code, why: String) -> Error {
        Error::Control { path: self.plan.child_path(child), request: code.name(), why }
    }

    /// The children in processes that run callables of this kind. Those in threads know what this process knows.
    fn pupils(&self, kind: Kind) -> impl Iterator<Item = usize> {
        let runs = move |role: &Role| match role {
            Role::Chip(_) => kind == Kind::ChipProgram,
            Role::Sub => kind == Kind::HostFunction,
            Role::Worker(_) => kind == Kind::Orchestration,
        };
        let children = self.plan.children.iter().enumerate();
        children.filter(move |(_, child)| child.mode == Mode::Process && runs(&child.role)).map(|(at, _)| at)
    }

    /// Registers a callable here, in the zygote, and in every child that is to run it.
    pub(crate) fn register(&self, callable: &Callable) -> Result<()> {
        self.plan.catalog.register(callable)?;
        let request = control::learn(callable);
        // First those that are yet to be made.
        if let Some(zygote) = &*lock(&self.zygote) {
            let _ = zygote.send(&Ask::Learn { request: request.clone() }.encode());
        }
        let taught = self.pupils(callable.kind()).try_for_each(|child| self.teach(child, &request));
        if taught.is_err() {
            let _ = self.unregister(callable);
        }
        taught
    }

    /// Has one child know a callable. One that has been made before the zygote knew it, and does not serve yet, is waited
    /// for; one that is gone for good needs to know nothing.
    fn teach(&self, child: usize, request: &[u8]) -> Result<()> {
        let end = clock::monotonic().saturating_add(self.plan.settings.start_limit);
        loop {
            match self.ask(child, Code::Register, [0; 4], request) {
                Ok(_) => return Ok(()),
                // Its replacement comes from the zygote, which knows.
                Err(ControlError::Lost { .. }) => return Ok(()),
                Err(ControlError::NotUp { .. }) => {
                    let left = end.saturating_sub(clock::monotonic());
                    let life = self.end(child).wait_started(Some(left));
                    if life.phase.is_none_or(Phase::is_over) {
                        return Ok(());
                    }
                    if left.is_zero() {
                        let why = "it has not come to serve".to_owned();
                        return Err(self.refused(child, Code::Register, why));
                    }
                }
                Err(error) => return Err(self.refused(child, Code::Register, error.to_string())),
            }
        }
    }

    /// Forgets a callable here and in every child that knows it.
    pub(crate) fn unregister(&self, callable: &Callable) -> Result<()> {
        if !self.plan.catalog.unregister(&callable.digest()) {
            let why = "it is not registered with this worker".to_owned();
            return Err(Error::Callable { name: callable.name().to_owned(), why });
        }
        // First those that are yet to be made: what they knew by that name may be other code than what comes next.
        if let Some(zygote) = &*lock(&self.zygote) {
            let _ = zygote.send(&Ask::Forget { digest: callable.digest().0.to_vec() }.encode());
        }
        for child in self.pupils(callable.kind()) {
            match self.ask(child, Code::Unregister, [0; 4], &callable.digest().0) {
                // Nobody can submit it any more: what a child that is just replaced knows is of no account.
                Ok(_)
                | Err(ControlError::Lost { .. } | ControlError::NotUp { .. } | ControlError::Failed { .. }) =>
                    {}
                Err(error) => return Err(self.refused(child, Code::Unregister, error.to_string())),
            }
        }
        Ok(())
    }
}
