//! The kernels of a chip: registered, loaded from libraries, and given up.

use std::sync::{Arc, Weak};

use prewire_platform::Core;

use super::Chip;
use crate::context::KernelCtx;
use crate::error::{KernelError, Result};
use crate::kernel::{Kernel, Mix};
use crate::library::{KernelLibrary, LibrarySource};
use crate::shared::Shared;

impl Chip {
    /// Registers a kernel for one kind of core. `body` may run on several cores at the same time. It is kept as long as
    /// the chip, or until it is [given up](Chip::unregister): a body that owns the chip (an `Arc` of it) keeps both for
    /// ever; give it a `Weak`. A [`Run`](crate::Run) owns its chip too: take it from the body once it is over.
    ///
    /// # Errors
    ///
    /// The name is empty or taken, or 1024 kernels are registered.
    pub fn kernel(
        &self,
        name: &str,
        core: Core,
        body: impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> Result<Kernel> {
        self.shared.engine.kernels().single(self.shared.store.id(), name, core, Arc::new(body))
    }

    /// Registers kernels that run together, in the places of a cluster.
    ///
    /// # Errors
    ///
    /// As [`kernel`](Chip::kernel); fewer than two parts; or a part for another kind of core or of another chip.
    pub fn mix(&self, name: &str, mix: Mix<'_>) -> Result<Kernel> {
        self.shared.engine.kernels().mix(self.shared.store.id(), name, &mix)
    }

    /// Loads a [kernel library](crate::library) and registers its kernel for one kind of core.
    ///
    /// ```no_run
    /// use prewire_chip::{Chip, Core, LibrarySource};
    /// use std::path::Path;
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// // SAFETY: I compiled it, and it keeps to its arguments.
    /// let scale = unsafe { chip.kernel_library("scale", LibrarySource::Path(Path::new("scale.so")), Core::Aiv)? };
    /// let x = chip.tensor(&[1.0f32, 2.0], &[2])?;
    /// chip.run(|orch| orch.submit(&scale).inout(&x).scalar(3.0f32).go().map(drop))?;
    /// chip.unregister(scale)?;
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The library cannot be loaded ([`Error::Library`](crate::Error::Library)); or as [`kernel`](Chip::kernel).
    ///
    /// # Safety
    ///
    /// As [`KernelLibrary::load`].
    pub unsafe fn kernel_library(&self, name: &str, from: LibrarySource<'_>, core: Core) -> Result<Kernel> {
        // SAFETY: the caller's promise.
        let library = unsafe { KernelLibrary::load(name, from)? };
        self.kernel_of(&library, name, Some(core))
    }

    /// Registers the kernel of a library that is loaded, for one kind of core or, with none, for all: such a kernel is
    /// submitted to vector cores, and is a part for any place of a [mix](Chip::mix).
    ///
    /// # Errors
    ///
    /// As [`kernel`](Chip::kernel).
    pub fn kernel_of(&self, library: &KernelLibrary, name: &str, core: Option<Core>) -> Result<Kernel> {
        self.shared.engine.expect_waits();
        let kernels = self.shared.engine.kernels();
        kernels.library(self.shared.store.id(), name, core, library.clone())
    }

    /// Gives a kernel up: its name is free for another one. What it is made of, a library too, goes with the last handle
    /// of it and the last task that names it: at once, or when the run that goes on is over. A mix keeps its parts.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build()?;
    /// for _ in 0..2000 {
    ///     let nop = chip.kernel("nop", Core::Aiv, |_| Ok(()))?;
    ///     chip.unregister(nop)?;
    /// }
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is another chip's, or was given up before.
    pub fn unregister(&self, kernel: Kernel) -> Result<()> {
        self.shared.engine.kernels().give_up(self.shared.store.id(), kernel)
    }

    /// What gives kernels of this chip up for somebody who may outlive it.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let (kernel, registrar) = (chip.kernel("k", Core::Aiv, |_| Ok(()))?, chip.registrar());
    /// assert!(registrar.unregister(kernel));
    /// let kernel = chip.kernel("k", Core::Aiv, |_| Ok(()))?;
    /// drop(chip);
    /// assert!(!registrar.unregister(kernel));
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    #[must_use]
    pub fn registrar(&self) -> Registrar {
        Registrar { shared: Arc::downgrade(&self.shared) }
    }
}

/// Gives kernels of a chip up as long as there is one; made by [`Chip::registrar`].
#[derive(Clone, Debug)]
pub struct Registrar {
    shared: Weak<Shared>,
}

impl Registrar {
    /// As [`Chip::unregister`]: whether it was given up. Not if the chip is gone, and the kernel with it.
    pub fn unregister(&self, kernel: Kernel) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        shared.engine.kernels().give_up(shared.store.id(), kernel).is_ok()
    }
}
