//! What a task does beside checking its inputs: nothing, arithmetic, or walking memory. `benches/versus/taskbench.h` has
//! the same loops for the peers that are not written in Rust.

use core::cell::RefCell;
use core::fmt;
use core::hint::black_box;
use core::str::FromStr;

/// Words of memory that a thread walks: more than its own caches hold.
const SCRATCH: usize = 4 << 20 >> 3;
/// Words of a cache line.
const LINE: usize = 8;
/// Cache lines that one iteration walks.
const LINES: usize = 16;

/// The kind of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Nothing.
    Empty,
    /// An iteration is a multiply and an add in each of four chains: what takes time is how long these take, so that one
    /// compiler's code is as fast as another's.
    Compute,
    /// An iteration adds to a word in each of 16 cache lines, of 4 MiB that each thread has.
    Memory,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Empty, Self::Compute, Self::Memory];

    /// Its name on command lines and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Compute => "compute",
            Self::Memory => "memory",
        }
    }

    /// Runs so many iterations.
    pub fn run(self, iterations: u64) {
        match self {
            Self::Empty => {}
            Self::Compute => compute(iterations),
            Self::Memory => SCRATCH_OF_THREAD.with_borrow_mut(|scratch| scratch.walk(iterations)),
        }
    }
}

#[inline(never)]
fn compute(iterations: u64) {
    let mut chains = [1.0f64, 2.0, 3.0, 4.0];
    for _ in 0..iterations {
        chains = chains.map(|x| x * 0.999_999 + 0.000_001);
    }
    black_box(chains);
}

/// The memory that a thread walks, and how far it has come.
struct Scratch {
    words: Vec<u64>,
    at: usize,
}

impl Scratch {
    #[inline(never)]
    fn walk(&mut self, iterations: u64) {
        if self.words.is_empty() {
            self.words.resize(SCRATCH, 1);
        }
        for _ in 0..iterations {
            let piece = &mut self.words[self.at..self.at + LINES * LINE];
            for line in piece.chunks_exact_mut(LINE) {
                line[0] += 1;
            }
            self.at = (self.at + LINES * LINE) % SCRATCH;
        }
    }
}

thread_local! {
    static SCRATCH_OF_THREAD: RefCell<Scratch> = const { RefCell::new(Scratch { words: Vec::new(), at: 0 }) };
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kernel| kernel.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no kernel {name:?}; there are {names}")
        })
    }
}
