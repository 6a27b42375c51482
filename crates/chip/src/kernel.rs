//! Kernels: what tasks run, and the table that names them.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prewire_abi::{DataType, LaneMask, MAX_FUNC_IDS, Shape, TensorArgType};
use prewire_platform::Core;

use crate::context::KernelCtx;
use crate::error::{Error, KernelError, Result};

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
    pub(crate) name: Arc<str>,
    /// The tensors and the number of scalars that it takes, if that was said.
    pub(crate) signature: Option<(Arc<[Param]>, usize)>,
    core: Option<Core>,
    body: Option<Body>,
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

/// What an id stands for.
pub(crate) struct Callable {
    pub(crate) name: Arc<str>,
    bodies: [Option<Body>; 3],
}

impl Callable {
    pub(crate) fn body(&self, place: u32) -> Option<&Body> {
        self.bodies.get(place as usize)?.as_ref()
    }
}

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callable({:?})", self.name)
    }
}

/// The kernels of a chip, by id. Entries are only added, so that a core reads one without a lock.
#[derive(Debug)]
pub(crate) struct Kernels {
    entries: Box<[OnceLock<Callable>]>,
    /// How many there are; held while one is added.
    len: Mutex<usize>,
}

impl Kernels {
    pub(crate) fn new() -> Self {
        Self { entries: (0..MAX_FUNC_IDS).map(|_| OnceLock::new()).collect(), len: Mutex::new(0) }
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Callable> {
        self.entries.get(id as usize)?.get()
    }

    /// The name of `id`, for messages; of a task without a kernel too.
    pub(crate) fn name(&self, id: u32) -> String {
        self.get(id).map_or_else(|| "(no kernel)".into(), |callable| callable.name.to_string())
    }

    fn add(&self, name: &str, bodies: [Option<Body>; 3]) -> Result<(u32, Arc<str>)> {
        let refuse = |why: String| Err(Error::Kernel { name: name.into(), why });
        let mut len = self.len.lock().unwrap_or_else(PoisonError::into_inner);
        if name.is_empty() {
            return refuse("a kernel needs a name, which messages and traces call it by".into());
        }
        if (0..*len).any(|id| self.get(id as u32).is_some_and(|callable| &*callable.name == name)) {
            return refuse("a kernel of this name is registered already".into());
        }
        if *len == self.entries.len() {
            return refuse(format!("{len} kernels are registered, as many as a chip takes"));
        }
        let (id, name) = (*len, Arc::<str>::from(name));
        let fresh = self.entries[id].set(Callable { name: Arc::clone(&name), bodies });
        debug_assert!(fresh.is_ok(), "ids are given out under the lock");
        *len += 1;
        Ok((id as u32, name))
    }

    pub(crate) fn single(&self, chip: u64, name: &str, core: Core, body: Body) -> Result<Kernel> {
        let (lanes, bodies) = match core {
            Core::Aic => (LaneMask::AIC, [Some(Arc::clone(&body)), None, None]),
            // Either vector core of a cluster may run it.
            _ => (LaneMask::AIV0, [None, Some(Arc::clone(&body)), Some(Arc::clone(&body))]),
        };
        let (id, name) = self.add(name, bodies)?;
        Ok(Kernel { chip, id, lanes, name, signature: None, core: Some(core), body: Some(body) })
    }

    pub(crate) fn mix(&self, chip: u64, name: &str, mix: &Mix<'_>) -> Result<Kernel> {
        let places = [
            (mix.aic, LaneMask::AIC, Core::Aic),
            (mix.aiv0, LaneMask::AIV0, Core::Aiv),
            (mix.aiv1, LaneMask::AIV1, Core::Aiv),
        ];
        let (mut lanes, mut bodies) = (LaneMask::NONE, [const { None }; 3]);
        for (place, (kernel, lane, core)) in places.into_iter().enumerate() {
            let Some(kernel) = kernel else { continue };
            let why = if kernel.chip != chip {
                format!("its part {:?} was registered with another chip", kernel.name)
            } else if kernel.core != Some(core) {
                format!("its part {:?} is not a kernel for an {core} core", kernel.name)
            } else {
                lanes = lanes | lane;
                bodies[place] = kernel.body.clone();
                continue;
            };
            return Err(Error::Kernel { name: name.into(), why });
        }
        if lanes.count() < 2 {
            let why = "a mix has kernels for two or three places of a cluster".into();
            return Err(Error::Kernel { name: name.into(), why });
        }
        let (id, name) = self.add(name, bodies)?;
        Ok(Kernel { chip, id, lanes, name, signature: None, core: None, body: None })
    }
}
