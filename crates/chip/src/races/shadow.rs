//! Shadow memory: for each piece of a buffer that was accessed, who wrote it last and who has read it since.
//!
//! Invariant: what is put aside is ordered before a write that covers it. Whoever races with it races with that write
//! too, so it is looked at only where a race was found already, to find the closest pair.

use std::collections::HashMap;

use prewire_abi::TensorArgType;

use crate::span::Span;

/// Through what a node touches memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// A tensor of the task, and how it was passed.
    Arg(u16, TensorArgType),
    /// The predicate of the task.
    Predicate,
    /// A host access.
    Host,
}

/// One access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) node: u32,
    pub(crate) through: Through,
    pub(crate) write: bool,
    /// Whether the task said that it may do this.
    pub(crate) declared: bool,
}

/// A piece of memory that was accessed as a whole.
#[derive(Debug)]
struct Piece {
    span: Span,
    /// Its first byte, and the one after its last.
    bytes: (u64, u64),
    writes: Vec<Touch>,
    reads: Vec<Touch>,
}

/// An access that conflicts with a new one: the touch, and the bytes that both lie between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conflict {
    pub(crate) touch: Touch,
    pub(crate) bytes: (u64, u64),
}

/// What was accessed of one buffer.
#[derive(Debug, Default)]
struct Pieces {
    now: Vec<Piece>,
    /// What was put aside.
    past: Vec<(Span, Touch)>,
}

/// The accesses of a run, by the address of the buffer.
#[derive(Debug, Default)]
pub(crate) struct Shadow(HashMap<u64, Pieces>);

impl Shadow {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The address is given to new memory, which has no past.
    pub(crate) fn forget(&mut self, buffer: u64) {
        self.0.remove(&buffer);
    }

    /// Whether `touch` of `span` is what was recorded there last: then there is nothing new in it.
    fn is_known(&self, buffer: u64, span: &Span, touch: &Touch) -> bool {
        let piece =
            self.0.get(&buffer).and_then(|pieces| pieces.now.iter().find(|piece| piece.span == *span));
        piece.is_some_and(|p| if touch.write { p.writes.last() } else { p.reads.last() } == Some(touch))
    }

    /// What was recorded by others, and conflicts with `touch` of `span`; none if `touch` is known.
    pub(crate) fn conflicts(&self, buffer: u64, span: &Span, touch: &Touch) -> Option<Vec<Conflict>> {
        if span.len() == 0 || self.is_known(buffer, span, touch) {
            return None;
        }
        let mut found = Vec::new();
        let (from, end) = span.bytes();
        for piece in self.0.get(&buffer).map_or(&[][..], |pieces| &pieces.now) {
            let apart = piece.bytes.1 <= from || end <= piece.bytes.0;
            if apart || (!touch.write && piece.writes.is_empty()) || !piece.span.meets(span) {
                continue;
            }
            let reads = if touch.write { piece.reads.as_slice() } else { &[] };
            let bytes = (from.max(piece.bytes.0), end.min(piece.bytes.1));
            let others = piece.writes.iter().chain(reads).filter(|other| other.node != touch.node);
            found.extend(others.map(|&touch| Conflict { touch, bytes }));
        }
        Some(found)
    }

    /// What was put aside, and conflicts with `touch` of `span`.
    pub(crate) fn past(&self, buffer: u64, span: &Span, touch: &Touch) -> Vec<Conflict> {
        let past = self.0.get(&buffer).map_or(&[][..], |pieces| &pieces.past);
        let conflicts = past
            .iter()
            .filter(|(other, by)| by.node != touch.node && (by.write || touch.write) && other.meets(span));
        let (from, end) = span.bytes();
        conflicts
            .map(|(other, by)| {
                let bytes = other.bytes();
                Conflict { touch: *by, bytes: (from.max(bytes.0), end.min(bytes.1)) }
            })
            .collect()
    }

    /// Records `touch`, of which `loose` are the nodes, sorted, that it conflicts with and that nothing orders before it.
    pub(crate) fn record(&mut self, buffer: u64, span: &Span, touch: Touch, loose: &[u32]) {
        let Pieces { now: pieces, past } = self.0.entry(buffer).or_default();
        let bytes = span.bytes();
        if touch.write {
            let dense = span.is_packed();
            pieces.retain_mut(|piece| {
                let inside = bytes.0 <= piece.bytes.0 && piece.bytes.1 <= bytes.1;
                if piece.span == *span || (dense && inside) {
                    let own = |other: &Touch| other.node == touch.node;
                    let goes = |other: &mut Touch| !own(other) && loose.binary_search(&other.node).is_err();
                    let gone = piece.writes.extract_if(.., goes).chain(piece.reads.extract_if(.., goes));
                    past.extend(gone.map(|gone| (piece.span, gone)));
                }
                !(piece.writes.is_empty() && piece.reads.is_empty())
            });
        }
        let at = pieces.iter().position(|piece| piece.span == *span).unwrap_or_else(|| {
            pieces.push(Piece { span: *span, bytes, writes: Vec::new(), reads: Vec::new() });
            pieces.len() - 1
        });
        let piece = &mut pieces[at];
        if touch.write { piece.writes.push(touch) } else { piece.reads.push(touch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, n: u32) -> Span {
        Span::dense(4096 + start, 1, n)
    }

    fn touch(node: u32, write: bool) -> Touch {
        Touch { node, through: Through::Host, write, declared: true }
    }

    fn nodes(shadow: &Shadow, span: &Span, of: Touch) -> Vec<u32> {
        let found = shadow.conflicts(4096, span, &of).unwrap_or_default();
        found.iter().map(|conflict| conflict.touch.node).collect()
    }

    #[test]
    fn readers_meet_writers_and_writers_meet_all() {
        let mut shadow = Shadow::default();
        shadow.record(4096, &span(0, 8), touch(0, true), &[]);
        shadow.record(4096, &span(4, 8), touch(1, false), &[]);
        assert_eq!(nodes(&shadow, &span(6, 1), touch(2, false)), [0]);
        assert_eq!(nodes(&shadow, &span(6, 1), touch(2, true)), [0, 1]);
        assert_eq!(nodes(&shadow, &span(12, 1), touch(2, true)), []);
        assert_eq!(nodes(&shadow, &span(6, 1), touch(1, true)), [0], "nobody races with himself");
        shadow.forget(4096);
        assert_eq!(nodes(&shadow, &span(6, 1), touch(2, true)), []);
    }

    #[test]
    fn a_write_takes_the_place_of_what_is_ordered_before_it_and_no_other() {
        let mut shadow = Shadow::default();
        shadow.record(4096, &span(0, 8), touch(0, true), &[]);
        shadow.record(4096, &span(0, 4), touch(1, false), &[]);
        shadow.record(4096, &span(0, 8), touch(2, true), &[1]);
        assert_eq!(nodes(&shadow, &span(0, 8), touch(3, true)), [1, 2]);
        shadow.record(4096, &span(0, 4), touch(4, true), &[2]);
        assert_eq!(nodes(&shadow, &span(0, 8), touch(5, true)), [2, 4], "a part does not cover the whole");
    }
}
