//! What a worker asks of its zygote, and what that answers: one message each, in order.
//!
//! **Invariant: whatever bytes come, decoding them is safe.** A message that is none is no message, and its reader takes
//! the other side for gone wild.

use prewire_mailbox::Generation;
use prewire_os::process::{Exit, Pid, Signal};

/// The room that a message may take.
pub(super) const ROOM: usize = 64 << 10;

/// What a worker asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// For a new process of a child.
    Fork { child: u32, generation: Generation },
    /// How the process ended, which has.
    Reap { pid: Pid },
    /// To know a callable that was registered after the start, by what [`serve`](crate::serve) sends children for it.
    Learn { request: Vec<u8> },
    /// To forget the callable with this digest: a child made later is not to take it for one of the same name.
    Forget { digest: Vec<u8> },
    /// To end.
    End,
}

/// What a zygote says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// The child has a process.
    Forked { child: u32, generation: Generation, pid: Pid },
    /// The child has none, and why.
    Refused { child: u32, generation: Generation, why: String },
    /// How a process ended, if that is known.
    Ended { pid: Pid, exit: Option<Exit> },
    /// It cannot be the zygote of this worker, and why.
    Wrong { why: String },
}

/// Reads a message from its start.
struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    fn word(&mut self) -> Option<i32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_ne_bytes(*word))
    }

    fn pid(&mut self) -> Option<Pid> {
        Pid::from_raw(self.word()?)
    }

    fn number(&mut self) -> Option<u32> {
        self.word().map(i32::cast_unsigned)
    }

    fn generation(&mut self) -> Option<Generation> {
        self.number().map(Generation::new)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(std::mem::take(&mut self.0)).into_owned()
    }

    fn rest(&mut self) -> &'m [u8] {
        std::mem::take(&mut self.0)
    }
}

fn message(words: &[i32], rest: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.extend_from_slice(&rest[..rest.len().min(ROOM - bytes.len())]);
    bytes
}

impl Ask {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Fork { child, generation } => {
                message(&[1, child.cast_signed(), generation.get().cast_signed()], &[])
            }
            Self::Reap { pid } => message(&[2, pid.raw()], &[]),
            Self::Learn { request } => message(&[3], request),
            Self::End => message(&[4], &[]),
            Self::Forget { digest } => message(&[5], digest),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        Some(match from.word()? {
            1 => Self::Fork { child: from.number()?, generation: from.generation()? },
            2 => Self::Reap { pid: from.pid()? },
            3 => Self::Learn { request: from.rest().to_vec() },
            4 => Self::End,
            5 => Self::Forget { digest: from.rest().to_vec() },
            _ => return None,
        })
    }
}

impl Tell {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Forked { child, generation, pid } => {
                message(&[1, child.cast_signed(), generation.get().cast_signed(), pid.raw()], &[])
            }
            Self::Refused { child, generation, why } => {
                message(&[2, child.cast_signed(), generation.get().cast_signed()], why.as_bytes())
            }
            Self::Ended { pid, exit } => {
                let [kind, number] = match exit {
                    None => [0, 0],
                    Some(Exit::Code(code)) => [1, *code],
                    Some(Exit::Signal(signal)) => [2, signal.0],
                };
                message(&[3, pid.raw(), kind, number], &[])
            }
            Self::Wrong { why } => message(&[4], why.as_bytes()),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        Some(match from.word()? {
            1 => Self::Forked { child: from.number()?, generation: from.generation()?, pid: from.pid()? },
            2 => Self::Refused { child: from.number()?, generation: from.generation()?, why: from.text() },
            3 => Self::Ended {
                pid: from.pid()?,
                exit: match (from.word()?, from.word()?) {
                    (0, _) => None,
                    (1, code) => Some(Exit::Code(code)),
                    (2, number) => Some(Exit::Signal(Signal(number))),
                    _ => return None,
                },
            },
            4 => Self::Wrong { why: from.text() },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_heard() {
        let (child, generation, pid) = (127, Generation::new(0x00ff_fffe), Pid::from_raw(4_000_000).unwrap());
        let asks = [
            Ask::Fork { child, generation },
            Ask::Reap { pid },
            Ask::Learn { request: vec![1, 2, 3] },
            Ask::Forget { digest: vec![4; 32] },
            Ask::End,
        ];
        for ask in asks {
            let bytes = ask.encode();
            assert_eq!(Ask::decode(&bytes).as_ref(), Some(&ask));
        }
        let tells = [
            Tell::Forked { child, generation, pid },
            Tell::Refused { child, generation, why: "none left".into() },
            Tell::Ended { pid, exit: None },
            Tell::Ended { pid, exit: Some(Exit::Code(-1)) },
            Tell::Ended { pid, exit: Some(Exit::Signal(Signal::SEGV)) },
            Tell::Wrong { why: "another tree".into() },
        ];
        for tell in tells {
            let bytes = tell.encode();
            assert_eq!(Tell::decode(&bytes).as_ref(), Some(&tell));
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        for bytes in [&[][..], &[1], &[0; 64], &[0xff; 64], &Ask::End.encode()[..3]] {
            assert_eq!((Ask::decode(bytes), Tell::decode(bytes)), (None, None), "{bytes:?}");
        }
        let long = Tell::Wrong { why: "x".repeat(2 * ROOM) }.encode();
        assert_eq!(long.len(), ROOM);
        let mut wild = Tell::Ended { pid: Pid::current(), exit: None }.encode();
        wild[8] = 9;
        assert_eq!(Tell::decode(&wild), None);
    }
}
