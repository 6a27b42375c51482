//! The producers of the task that is being submitted, each once, with the kind of its edge.

use alloc::vec::Vec;
use core::ops::Deref;

use prewire_abi::{EdgeKind, TaskId};

/// From how many edges on they are sorted.
const FEW: usize = 16;

/// Edges by producer. Distinct once [`make_distinct`](Edges::make_distinct) was called.
#[derive(Debug)]
pub(crate) struct Edges {
    all: Vec<(TaskId, EdgeKind)>,
    /// Where the last one is whose number is this modulo 64, if there is such a one and they are not many; else anything.
    places: [u8; 64],
}

impl Default for Edges {
    fn default() -> Self {
        Self { all: Vec::new(), places: [0; 64] }
    }
}

impl Edges {
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    /// Adds an edge. One that is where its number says is added to; few others with its number are compared in place, and
    /// many are sorted at the end.
    #[inline(always)]
    pub(crate) fn add(&mut self, id: TaskId, kind: EdgeKind) {
        let number = (id.local() & 63) as usize;
        if let Some(edge) = self.all.get_mut(usize::from(self.places[number])) {
            if edge.0 == id {
                edge.1 |= kind;
                return;
            }
            if (edge.0.local() ^ id.local()) & 63 == 0 && self.add_again(id, kind) {
                return;
            }
        }
        self.places[number] = self.all.len() as u8;
        self.all.push((id, kind));
    }

    /// Adds to an edge that is there already, unless there are many.
    #[cold]
    fn add_again(&mut self, id: TaskId, kind: EdgeKind) -> bool {
        if self.all.len() >= FEW {
            return false;
        }
        let before = self.all.iter_mut().find(|edge| edge.0 == id);
        before.map(|edge| edge.1 |= kind).is_some()
    }

    /// Makes many edges distinct; few are from the start.
    #[inline]
    pub(crate) fn make_distinct(&mut self) {
        if self.all.len() > FEW {
            self.sort();
        }
    }

    #[inline(never)]
    fn sort(&mut self) {
        self.all.sort_unstable_by_key(|edge| edge.0.raw());
        self.all.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 |= later.1;
            }
            same
        });
    }

    /// Drops those of which `stays` does not hold.
    pub(crate) fn retain(&mut self, stays: impl FnMut(&(TaskId, EdgeKind)) -> bool) {
        self.all.retain(stays);
    }
}

impl Deref for Edges {
    type Target = [(TaskId, EdgeKind)];

    #[inline]
    fn deref(&self) -> &[(TaskId, EdgeKind)] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_there_once_however_often_it_is_added() {
        for count in [1, FEW as u32 - 1, FEW as u32, 5 * FEW as u32] {
            let mut edges = Edges::default();
            for round in 0..3 {
                for task in 0..count {
                    // Of the same bits, and of two rings.
                    let id = TaskId::new(task & 1, task / 2 * 32);
                    edges.add(id, if round == 1 { EdgeKind::RETAIN } else { EdgeKind::WAIT });
                }
            }
            edges.make_distinct();
            assert_eq!(edges.len(), count as usize);
            assert!(edges.iter().all(|edge| edge.1 == EdgeKind::BOTH), "{count} edges");
            edges.clear();
            edges.add(TaskId::new(0, 0), EdgeKind::WAIT);
            assert_eq!(edges[..], [(TaskId::new(0, 0), EdgeKind::WAIT)]);
        }
    }
}
