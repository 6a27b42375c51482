//! Programs as data: what is submitted, in order. Invariant: a program of this form is legal, and means one thing
//! whatever the order in which its tasks run.

use prewire_chip::{DataType, EdgeKind, Hazards, PredicateOp};
use prewire_tensormap::Region;

/// What elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    U8,
    I32,
    I64,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::U8, Self::I32, Self::I64];

    pub(crate) const fn bytes(self) -> u32 {
        match self {
            Self::U8 => 1,
            Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    pub(crate) const fn dtype(self) -> DataType {
        match self {
            Self::U8 => DataType::U8,
            Self::I32 => DataType::I32,
            Self::I64 => DataType::I64,
        }
    }

    pub(crate) const fn rust(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }

    /// `value` as an element of this kind holds it.
    pub(crate) const fn wrap(self, value: i64) -> i64 {
        match self {
            Self::U8 => value as u8 as i64,
            Self::I32 => value as i32 as i64,
            Self::I64 => value,
        }
    }
}

/// A rectangle of a tensor, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) tensor: usize,
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) shape: Vec<u32>,
    pub(crate) strides: Vec<u32>,
}

impl Span {
    pub(crate) fn whole(tensor: usize, kind: Kind, shape: &[u32]) -> Self {
        Self { tensor, kind, start: 0, shape: shape.to_vec(), strides: packed(shape) }
    }

    /// The places of its elements, row after row.
    pub(crate) fn places(&self) -> Vec<usize> {
        let mut places = vec![self.start as usize];
        for (&n, &s) in self.shape.iter().zip(&self.strides) {
            places = places.iter().flat_map(|&at| (0..n).map(move |i| at + (i * s) as usize)).collect();
        }
        places
    }

    pub(crate) fn region(&self) -> Region {
        Region::new(self.tensor as u64 + 1, self.kind.bytes(), self.start.into(), &self.shape, &self.strides)
    }

    pub(crate) fn len(&self) -> u32 {
        self.shape.iter().product()
    }

    /// As it is after `step`.
    pub(crate) fn after(&self, step: &Step) -> Self {
        let mut span = self.clone();
        match step {
            Step::View { offsets, shape } => {
                span.shape.clone_from(shape);
                if shape.contains(&0) {
                    span.strides = packed(shape);
                } else {
                    span.start += offsets.iter().zip(&self.strides).map(|(o, s)| o * s).sum::<u32>();
                }
            }
            Step::Transpose(a, b) => {
                span.shape.swap(*a, *b);
                span.strides.swap(*a, *b);
            }
            Step::Reshape(shape) => {
                span.strides = packed(shape);
                span.shape.clone_from(shape);
            }
        }
        span
    }

    /// Whether its elements lie row after row.
    pub(crate) fn is_packed(&self) -> bool {
        self.shape.contains(&0)
            || self
                .shape
                .iter()
                .zip(self.strides.iter().zip(packed(&self.shape)))
                .all(|(&n, (&s, p))| n == 1 || s == p)
    }
}

fn packed(shape: &[u32]) -> Vec<u32> {
    let mut step = 1;
    let mut strides: Vec<u32> = shape
        .iter()
        .rev()
        .map(|&n| {
            let stride = step;
            step *= n.max(1);
            stride
        })
        .collect();
    strides.reverse();
    strides
}

/// One step from a tensor to a view of it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    View { offsets: Vec<u32>, shape: Vec<u32> },
    Transpose(usize, usize),
    Reshape(Vec<u32>),
}

/// A view: a tensor, how to get to it, and what comes of that.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) steps: Vec<Step>,
    pub(crate) span: Span,
}

/// What a task does with memory that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Input,
    InOut,
    Into,
    /// Reads, passed as `no_dep`.
    Peek,
    /// Reads and writes, passed as `no_dep`.
    Poke,
}

impl Use {
    pub(crate) const fn reads(self) -> bool {
        !matches!(self, Self::Into)
    }

    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::InOut | Self::Into | Self::Poke)
    }

    /// Whether the tensor map is asked and told.
    pub(crate) const fn is_inferred(self) -> bool {
        !matches!(self, Self::Peek | Self::Poke)
    }
}

/// One tensor argument.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Existing { how: Use, view: View },
    Create { span: Span },
}

impl Arg {
    pub(crate) const fn span(&self) -> &Span {
        match self {
            Self::Existing { view, .. } => &view.span,
            Self::Create { span } => span,
        }
    }

    pub(crate) const fn how(&self) -> Use {
        match self {
            Self::Existing { how, .. } => *how,
            Self::Create { .. } => Use::Into,
        }
    }
}

/// What a task runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    Dummy,
    Aic,
    Aiv,
    /// The places of a cluster, as bits: AIC, first AIV, second AIV.
    Mix(u8),
}

impl Cores {
    pub(crate) const fn places(self) -> u32 {
        match self {
            Self::Dummy => 0,
            Self::Aic | Self::Aiv => 1,
            Self::Mix(bits) => bits.count_ones(),
        }
    }
}

/// How a task fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Every sub-task, before it writes.
    Before,
    /// Its only sub-task, after it has written.
    After,
    /// Every sub-task panics before it writes.
    Panic,
    /// This sub-task, before it writes; the others may run or not.
    Sub(u32),
}

/// A condition on an element.
#[derive(Clone, Debug)]
pub(crate) struct Predicate {
    pub(crate) view: View,
    pub(crate) index: Vec<u32>,
    pub(crate) op: PredicateOp,
    pub(crate) target: i64,
}

/// A task. Tasks and allocations are numbered in the order of their submits.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) number: usize,
    pub(crate) cores: Cores,
    pub(crate) blocks: u32,
    pub(crate) sync_start: bool,
    /// Its sub-tasks exchange what they wrote over a barrier.
    pub(crate) exchange: bool,
    pub(crate) args: Vec<Arg>,
    pub(crate) after: Vec<(usize, EdgeKind)>,
    pub(crate) predicate: Option<Predicate>,
    pub(crate) fault: Fault,
}

impl Task {
    /// Sub-tasks in all.
    pub(crate) const fn total(&self) -> u32 {
        self.blocks * self.cores.places()
    }

    /// How many sub-tasks meet at its barrier.
    pub(crate) const fn group(&self) -> u32 {
        if self.sync_start { self.total() } else { self.cores.places() }
    }

    /// What kernels are told: for each argument four bits, kind and use; then the places, and what meets.
    pub(crate) fn plan(&self) -> u64 {
        let mut plan = 0;
        for (i, arg) in self.args.iter().enumerate() {
            let kind = arg.span().kind as u64;
            let how = u64::from(arg.how().reads()) | u64::from(arg.how().writes()) << 1;
            plan |= (kind | how << 2) << (4 * i);
        }
        let places = if let Cores::Mix(bits) = self.cores { u64::from(bits) } else { 0 };
        plan | places << 40 | u64::from(self.exchange) << 48 | u64::from(self.sync_start) << 49
    }

    /// What kernels are told about failing.
    pub(crate) fn fault_word(&self) -> u64 {
        match self.fault {
            Fault::None => 0,
            Fault::Before => 1,
            Fault::After => 2,
            Fault::Panic => 3,
            Fault::Sub(sub) => 4 | u64::from(sub) << 8,
        }
    }
}

/// One call of the orchestration.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Task(Task),
    Alloc {
        span: Span,
    },
    Open {
        manual: bool,
    },
    Close,
    /// A host read, and what it gives; none if a task that it waits for failed.
    Read {
        view: View,
        index: Vec<u32>,
        value: Option<i64>,
    },
    /// A host write, and whether it succeeds.
    Write {
        view: View,
        index: Vec<u32>,
        value: i64,
        lands: bool,
    },
}

/// A buffer of the chip, and what is in it at first.
#[derive(Clone, Debug)]
pub(crate) struct External {
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<u32>,
    pub(crate) data: Vec<i64>,
}

/// A program. Tensors are numbered: the buffers first, then outputs and allocations in the order of their submits.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) externals: Vec<External>,
    pub(crate) ops: Vec<Op>,
    pub(crate) hazards: Hazards,
}
