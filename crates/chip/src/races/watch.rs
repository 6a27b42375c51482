//! What a kernel does behind its declaration: the bytes of its arguments as they were, compared with what they are.
//!
//! Invariant: between a look and the next one only this kernel ran. So whatever has changed, it has written. In memory
//! that others share that is so of what it reads alone, as long as nobody in this process holds a view to write it.

use prewire_abi::TensorArgType;
use prewire_orchestrator::Record;
use prewire_platform::DeviceMemory;

use crate::engine::Engine;
use crate::lease::Holder;
use crate::span::Span;

/// Pieces of one argument that are told apart; what changed beyond them is told as part of the last.
const PIECES: usize = 64;

/// An argument as it was.
#[derive(Debug)]
struct Kept {
    arg: usize,
    tag: TensorArgType,
    span: Span,
    bytes: Vec<u8>,
}

/// Who looks: a kernel, on its chip.
#[derive(Debug)]
pub(crate) struct Eye<'e> {
    pub(crate) engine: &'e Engine,
    pub(crate) holder: Holder,
}

impl Eye<'_> {
    /// The bytes of the elements of `span`, row after row; none if somebody else writes them.
    fn bytes(&self, span: &Span) -> Option<Vec<u8>> {
        let look = || bytes(self.engine.sim(), span);
        match self.engine.adoptions().at(span.addr) {
            Some(memory) => memory.leases().peek(span, self.holder, look),
            None => Some(look()),
        }
    }

    /// Whether others may write `span` while this kernel runs, with every right.
    fn is_shared(&self, span: &Span) -> bool {
        self.engine.adoptions().at(span.addr).is_some()
    }
}

/// The arguments of a kernel that runs, as they were when it was last looked at.
#[derive(Debug)]
pub(crate) struct Watch {
    kept: Vec<Kept>,
    /// Arguments that it took a view of to write, as bits: those it writes by the book.
    wrote: u64,
}

impl Watch {
    /// Looks at the arguments that a kernel may not write; where nothing orders its run, at those that it may write too.
    pub(crate) fn of(eye: &Eye<'_>, record: &Record<'_>, unordered: bool) -> Self {
        let kept = (0..record.tensors()).filter_map(|arg| {
            let tensor = record.tensor(arg)?;
            let span = Span::of(&tensor);
            let watched = match tensor.tag {
                TensorArgType::Input => true,
                TensorArgType::NoDep => !eye.is_shared(&span),
                TensorArgType::InOut | TensorArgType::OutputExisting => unordered && !eye.is_shared(&span),
                TensorArgType::Output => false,
            };
            let bytes = if watched { eye.bytes(&span)? } else { return None };
            Some(Kept { arg, tag: tensor.tag, span, bytes })
        });
        Self { kept: kept.collect(), wrote: 0 }
    }

    /// The kernel took a view of `arg` to write.
    pub(crate) fn writes(&mut self, arg: usize) {
        self.wrote |= 1 << arg;
    }

    /// Calls `told` with the pieces of each argument that have changed since the last look, unless the kernel said that
    /// it writes it.
    pub(crate) fn look(&mut self, eye: &Eye<'_>, mut told: impl FnMut(usize, TensorArgType, &[Span])) {
        for kept in &mut self.kept {
            if self.wrote >> kept.arg & 1 != 0 {
                continue;
            }
            let Some(now) = eye.bytes(&kept.span) else { continue };
            if now != kept.bytes {
                told(kept.arg, kept.tag, &changes(&kept.span, &kept.bytes, &now));
                kept.bytes = now;
            }
        }
    }

    /// Others have run: what they changed is not this kernel's doing.
    pub(crate) fn renew(&mut self, eye: &Eye<'_>) {
        self.kept.retain_mut(|kept| {
            let now = eye.bytes(&kept.span);
            let seen = now.is_some();
            kept.bytes = now.unwrap_or_default();
            seen
        });
    }
}

/// The bytes of the elements of `span`, row after row.
fn bytes(memory: &dyn DeviceMemory, span: &Span) -> Vec<u8> {
    let mut all = vec![0; span.len() * span.size as usize];
    let mut rest = all.as_mut_slice();
    for (addr, elements) in span.runs() {
        let (run, others) = rest.split_at_mut(elements as usize * span.size as usize);
        // The argument was checked at submit, and lives as long as the task.
        let read = memory.read(addr, run);
        debug_assert!(read.is_ok(), "an argument of a task that runs is memory");
        rest = others;
    }
    all
}

/// The elements that differ, as pieces that lie one after the other.
fn changes(span: &Span, before: &[u8], now: &[u8]) -> Vec<Span> {
    let size = span.size;
    let mut pieces: Vec<(u64, u64)> = Vec::new();
    let pairs = before.chunks_exact(size as usize).zip(now.chunks_exact(size as usize));
    let places = span.runs().flat_map(|(addr, n)| (0..u64::from(n)).map(move |i| addr + i * size));
    for (addr, _) in places.zip(pairs).filter(|(_, (before, now))| before != now) {
        let full = pieces.len() == PIECES;
        match pieces.last_mut() {
            Some(last) if addr == last.1 => last.1 += size,
            Some(last) if full => *last = (last.0.min(addr), last.1.max(addr + size)),
            _ => pieces.push((addr, addr + size)),
        }
    }
    let piece = |(from, end): (u64, u64)| Span::dense(from, size, ((end - from) / size) as u32);
    pieces.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_element_by_element() {
        let span = Span::new(64, 2, &[2, 3], &[10, 1]);
        let before = [0u8; 12];
        let mut now = before;
        // The second and third element of the first row, the first of the second.
        (now[3], now[4], now[6]) = (1, 1, 1);
        let found: Vec<_> = changes(&span, &before, &now).iter().map(Span::bytes).collect();
        assert_eq!(found, [(66, 70), (84, 86)]);
    }

    #[test]
    fn many_changes_end_in_one_piece_that_has_them_all() {
        let span = Span::dense(0, 1, 400);
        let before = [0u8; 400];
        let mut now = before;
        now.iter_mut().step_by(2).for_each(|byte| *byte = 1);
        let found: Vec<_> = changes(&span, &before, &now).iter().map(Span::bytes).collect();
        assert_eq!(found.len(), PIECES);
        assert_eq!(found.last(), Some(&(126, 399)));
    }
}
