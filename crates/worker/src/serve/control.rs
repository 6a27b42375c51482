//! What a parent asks of a child beside its tasks, and how that is written: codes, words and bytes of the control frame.
//!
//! **Invariant: whatever comes in a request, reading it is safe**, and what makes no sense is refused.

use prewire_mailbox::Control;

use super::Trade;
use super::outcome::{BROKEN, Refused, UNKNOWN};
use crate::callable::{Callable, Catalog, Digest};
use crate::plan::Plan;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Code {
    /// Whether it serves. The answer is the first word that came.
    Ping = 1,
    /// To know a callable: what [`learn`] takes.
    Register = 2,
    /// To forget the callable whose digest comes.
    Unregister = 3,
    /// For so many bytes of device memory. The answer: address, serial number, life of the chip.
    Malloc = 4,
    /// To free device memory. Its first three words, as those of all that follow, are what `Malloc` answered.
    Free = 5,
    /// To copy the shared memory of a descriptor to device memory, from a byte on that is the fourth word.
    Upload = 6,
    /// The other way round.
    Download = 7,
    /// To write bytes to device memory, from a byte on that is the fourth word.
    Write = 8,
    /// For bytes of device memory, from a byte on that is the fourth word: how many there are to be, in eight bytes.
    Read = 9,
}

impl Code {
    const ALL: [Self; 9] = [
        Self::Ping,
        Self::Register,
        Self::Unregister,
        Self::Malloc,
        Self::Free,
        Self::Upload,
        Self::Download,
        Self::Write,
        Self::Read,
    ];

    /// In messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Register => "register",
            Self::Unregister => "unregister",
            Self::Malloc => "malloc",
            Self::Free => "free",
            Self::Upload => "copy_to",
            Self::Download => "copy_from",
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| *code as u32 == number)
    }
}

/// What an answer consists of.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) results: [u64; 4],
    pub(super) bytes: Vec<u8>,
}

/// What a child needs in order to know a callable.
pub(crate) fn learn(callable: &Callable) -> Vec<u8> {
    let mut request = callable.digest().0.to_vec();
    request.extend_from_slice(callable.name().as_bytes());
    request
}

/// Learns a callable from what [`learn`] wrote.
pub(super) fn learnt(catalog: &Catalog, request: &[u8]) -> Result<(), Refused> {
    let Some((digest, name)) = request.split_first_chunk() else {
        return Err(Refused { code: BROKEN, text: "the request names no callable".into() });
    };
    let (digest, name) = (Digest(*digest), String::from_utf8_lossy(name));
    if catalog.find(&digest).is_some() {
        return Ok(());
    }
    let Some(callable) = crate::portable::find(&digest) else {
        let text = format!(
            "this process does not know the code of {name:?} ({digest}): it was not registered before the start, and is \
             not portable; register it with the Builder, or declare it with portable!"
        );
        return Err(Refused { code: UNKNOWN, text });
    };
    catalog.register(&callable).map(drop).map_err(|error| Refused { code: UNKNOWN, text: error.to_string() })
}

/// Forgets the callable whose digest comes.
pub(super) fn unlearnt(catalog: &Catalog, request: &[u8]) -> Result<(), Refused> {
    let digest = request.try_into().map(Digest);
    let digest =
        digest.map_err(|_| Refused { code: BROKEN, text: "the request names no callable".into() })?;
    // One that is not known is forgotten already.
    let _ = catalog.unregister(&digest);
    Ok(())
}

/// Does what is asked for.
pub(super) fn serve(plan: &Plan, trade: &Trade, control: &Control<'_>) -> Result<Said, Refused> {
    let (number, args) = (control.code(), control.args());
    let Some(code) = Code::of(number) else {
        return Err(Refused { code: BROKEN, text: format!("there is no request {number}") });
    };
    match code {
        Code::Ping => Ok(Said { results: [args[0], 0, 0, 0], ..Said::default() }),
        Code::Register => learnt(&plan.catalog, control.bytes()).map(|()| Said::default()),
        Code::Unregister => unlearnt(&plan.catalog, control.bytes()).map(|()| Said::default()),
        _ => match trade {
            Trade::Chip(chip) => chip.answer(plan, code, args, control.bytes()),
            _ => {
                let text = format!("{} is for chips, and this child is none", code.name());
                Err(Refused { code: BROKEN, text })
            }
        },
    }
}
