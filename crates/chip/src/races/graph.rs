//! The tasks and host accesses of a run, and what orders them.
//!
//! Invariant: an edge leads from a node to one with a smaller number, and stands for an order that the program asked
//! for, never for one that it happened to get. So an order between two nodes is a path back from the later one.

use std::collections::BinaryHeap;
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;

use prewire_abi::TaskId;

/// Who a node is.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// A task: of a dummy there is no kernel.
    Task { id: TaskId, kernel: Option<Arc<str>> },
    /// The program itself, reading or writing an element.
    Host,
}

/// What is known of a node when it is added.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub(crate) who: Who,
    pub(crate) site: &'static Location<'static>,
    /// Whether its accesses make no edges.
    pub(crate) manual: bool,
}

#[derive(Debug)]
struct Node {
    info: Info,
    /// Where its edges are.
    waits: Range<usize>,
    /// Those that only keep memory alive.
    retains: Range<usize>,
    /// The last host access before it: the program went on when that was over.
    host: Option<u32>,
    /// All nodes below this number ended before it was submitted, by what a call promises.
    fence: u32,
}

/// The nodes of a run, numbered in the order of their submits.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    edges: Vec<u32>,
    host: Option<u32>,
    fence: u32,
    /// By node: the last search that met it.
    met: Vec<u32>,
    searches: u32,
    /// Kept between searches.
    heap: BinaryHeap<u32>,
}

impl Graph {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The number that the next node gets.
    pub(crate) fn next(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Adds a node that waits for `waits`, and keeps the memory of `retains`. Both are left sorted, without duplicates.
    pub(crate) fn add(&mut self, info: Info, waits: &mut Vec<u32>, retains: &[u32]) -> u32 {
        let number = self.next();
        waits.sort_unstable();
        waits.dedup();
        let mut push = |list: &[u32]| {
            let start = self.edges.len();
            self.edges.extend_from_slice(list);
            start..self.edges.len()
        };
        let (waits, retains) = (push(waits), push(retains));
        let is_host = matches!(info.who, Who::Host);
        self.nodes.push(Node { info, waits, retains, host: self.host, fence: self.fence });
        self.met.push(0);
        if is_host {
            self.host = Some(number);
        }
        number
    }

    /// Everything so far ends before anything further is submitted.
    pub(crate) fn fence(&mut self) {
        self.fence = self.next();
    }

    pub(crate) fn info(&self, node: u32) -> &Info {
        &self.nodes[node as usize].info
    }

    /// Whether the only edge from `later` to `earlier` is one that keeps memory alive.
    pub(crate) fn only_retains(&self, later: u32, earlier: u32) -> bool {
        self.edges[self.nodes[later as usize].retains.clone()].contains(&earlier)
    }

    /// Whether `a` is `b`, or a path leads from `b` back to `a`.
    pub(crate) fn is_before(&mut self, a: u32, b: u32) -> bool {
        a == b || (a < b && self.unordered(b, &[a]).is_empty())
    }

    /// Those of `nodes` that no path joins with `node`. `nodes` has no duplicates, and each of them has run before
    /// `node`, so that one with a greater number cannot be ordered after it. Sorted.
    pub(crate) fn unordered(&mut self, node: u32, nodes: &[u32]) -> Vec<u32> {
        let fence = self.nodes[node as usize].fence;
        let mut wanted: Vec<u32> = nodes.iter().copied().filter(|&n| n != node && n >= fence).collect();
        wanted.sort_unstable();
        let before = wanted.partition_point(|&n| n < node);
        let mut left = before;
        let Some(&lowest) = wanted[..before].first() else { return wanted };
        self.searches += 1;
        self.heap.clear();
        self.heap.push(node);
        // From the greatest number on: what is near is found first, and nothing is looked at twice.
        while left > 0
            && let Some(at) = self.heap.pop()
        {
            let Node { waits, host, .. } = &self.nodes[at as usize];
            for &to in self.edges[waits.clone()].iter().chain(host) {
                let met = &mut self.met[to as usize];
                if to >= lowest && *met != self.searches {
                    *met = self.searches;
                    left -= usize::from(wanted[..before].binary_search(&to).is_ok());
                    self.heap.push(to);
                }
            }
        }
        wanted.retain(|&n| n > node || self.met[n as usize] != self.searches);
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[&[u32]]) -> Graph {
        let mut graph = Graph::default();
        for waits in edges {
            let who = Who::Task { id: TaskId::new(0, graph.next()), kernel: None };
            let info = Info { who, site: Location::caller(), manual: false };
            graph.add(info, &mut waits.to_vec(), &[]);
        }
        graph
    }

    #[test]
    fn paths_are_those_of_the_transitive_closure() {
        let mut seed = 7u64;
        let mut draw = |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for _ in 0..200 {
            let edges: Vec<Vec<u32>> = (0..24u64)
                .map(|node| (0..node).filter(|_| draw(8) == 0).map(|to| to as u32).collect())
                .collect();
            let mut closure = [0u32; 24];
            for (node, to) in edges.iter().enumerate() {
                closure[node] = to.iter().fold(0, |set, &to| set | 1 << to | closure[to as usize]);
            }
            let mut graph = graph(&edges.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for (node, before) in closure.iter().enumerate() {
                let others: Vec<u32> = (0..24).filter(|_| draw(2) == 0).collect();
                let expected: Vec<u32> =
                    others.iter().copied().filter(|&n| n != node as u32 && before >> n & 1 == 0).collect();
                assert_eq!(graph.unordered(node as u32, &others), expected, "node {node} of {edges:?}");
            }
        }
    }

    #[test]
    fn a_fence_orders_what_is_before_it_with_what_is_after_it() {
        let mut graph = graph(&[&[], &[]]);
        assert_eq!(graph.unordered(1, &[0]), [0]);
        graph.fence();
        let info = graph.info(0).clone();
        let (a, b) = (graph.add(info.clone(), &mut Vec::new(), &[]), graph.add(info, &mut Vec::new(), &[]));
        assert_eq!(graph.unordered(b, &[0, 1, a]), [a]);
    }

    #[test]
    fn the_program_goes_on_when_the_host_has_what_it_waited_for() {
        let mut graph = graph(&[&[], &[]]);
        let host = Info { who: Who::Host, ..graph.info(0).clone() };
        let task = graph.info(0).clone();
        graph.add(host, &mut vec![0], &[]);
        let after = graph.add(task, &mut Vec::new(), &[]);
        assert_eq!(graph.unordered(after, &[0, 1]), [1]);
    }
}
