//! Kernels: what tasks run, as handles.

use std::fmt;
use std::sync::Arc;

use prewire_abi::{DataType, LaneMask, Shape, TensorArgType};
use prewire_platform::Core;
use prewire_ring::{Attrs, Cold, Packed};

use crate::context::KernelCtx;
use crate::error::{KernelError, Result};

/// The body of a kernel.
pub(crate) type Body = Arc<dyn Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + Send + Sync>;

/// What a kernel does with one of its tensors, and what its elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// Reads it.
    In(DataType),
    /// Overwrites it.
    Out(DataType),
    /// Reads and writes it.
    InOut(DataType),
}

impl Param {
    /// What the elements are.
    #[must_use]
    pub const fn dtype(self) -> DataType {
        match self {
            Self::In(dtype) | Self::Out(dtype) | Self::InOut(dtype) => dtype,
        }
    }

    /// Whether an argument that was passed so is one that the kernel can use so. What is passed as `no_dep` always is.
    pub(crate) const fn accepts(self, tag: TensorArgType) -> bool {
        match self {
            Self::In(_) => matches!(tag, TensorArgType::Input | TensorArgType::InOut | TensorArgType::NoDep),
            Self::Out(_) => !matches!(tag, TensorArgType::Input),
            Self::InOut(_) => matches!(tag, TensorArgType::InOut | TensorArgType::NoDep),
        }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self {
            Self::In(_) => "input",
            Self::Out(_) => "output",
            Self::InOut(_) => "inout",
        };
        write!(f, "{access} of {}", self.dtype())
    }
}

/// A registered kernel: what [`submit`](crate::Orch::submit) takes. A handle, which is cloned freely.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) chip: u64,
    pub(crate) id: u32,
    pub(crate) lanes: LaneMask,
    /// A task of it that has one block.
    pub(crate) once: Packed,
    pub(crate) name: Arc<str>,
    /// The tensors and the number of scalars that it takes, if that was said.
    pub(crate) signature: Option<(Arc<[Param]>, usize)>,
    /// Whether a part of it is of a library: its tasks keep their tensors whole.
    pub(crate) library: bool,
    /// The cores that it can be a part of a mix for: none, one kind, or all.
    pub(crate) part: Part,
    /// Keeps its id.
    pub(crate) held: Arc<()>,
}

/// A task of the kernel with this id, which runs on these lanes.
#[inline(always)]
pub(crate) fn task_of(id: u32, lanes: LaneMask, blocks: u16, sync_start: bool) -> Packed {
    let attrs = Attrs { sync_start, ..Attrs::default() };
    Cold { shape: lanes.shape(), lanes, blocks, attrs, callable: id }.into()
}

/// What a kernel is to a mix.
#[derive(Clone)]
pub(crate) enum Part {
    /// A mix itself.
    None,
    /// One for this kind of core, or for any.
    Of(Option<Core>, Body),
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says which tensors, in order, and how many scalars the kernel takes. A task that passes others is then refused
    /// at submit, with nothing of it done; without this, the kernel fails when it asks for them.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core, DataType, Param};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let copy = chip
    ///     .kernel("copy", Core::Aiv, |k| {
    ///         let from = k.input::<f32>(0)?;
    ///         k.output::<f32>(1)?.as_mut_slice()?.copy_from_slice(from.as_slice()?);
    ///         Ok(())
    ///     })?
    ///     .takes(&[Param::In(DataType::F32), Param::Out(DataType::F32)], 0);
    /// let (ints, floats) = (chip.zeros::<i32>(&[4])?, chip.zeros::<f32>(&[4])?);
    /// chip.run(|orch| {
    ///     let refused = orch.submit(&copy).input(&ints).output_into(&floats).go();
    ///     assert!(refused.unwrap_err().to_string().contains("argument 0 is an input of int32"));
    ///     Ok(())
    /// })?;
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    #[must_use]
    pub fn takes(mut self, tensors: &[Param], scalars: usize) -> Self {
        self.signature = Some((tensors.into(), scalars));
        self
    }

    /// The kind of cores that one block of it takes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.lanes.shape()
    }
}

/// The kernels of a MIX task, by their place in the cluster: at least two, each for the kind of core of its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix<'a> {
    /// On the cube core.
    pub aic: Option<&'a Kernel>,
    /// On the first vector core.
    pub aiv0: Option<&'a Kernel>,
    /// On the second vector core.
    pub aiv1: Option<&'a Kernel>,
}
