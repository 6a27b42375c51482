//! The capacities that the layouts of this crate are built from. Changing one changes an ABI.

/// Dimensions of a tensor, at most.
pub const MAX_TENSOR_DIMS: usize = 5;
/// Tensors of one task on a core.
pub const CORE_MAX_TENSOR_ARGS: usize = 32;
/// Scalars of one task on a core.
pub const CORE_MAX_SCALAR_ARGS: usize = 16;
/// Tensors of one run of a chip callable.
pub const CHIP_MAX_TENSOR_ARGS: usize = 256;
/// Scalars of one run of a chip callable.
pub const CHIP_MAX_SCALAR_ARGS: usize = 128;
/// Kernels in one chip callable.
pub const CHIP_MAX_CHILDREN: usize = 1024;
/// Kernel functions that one run can name; ids are below this.
pub const MAX_FUNC_IDS: usize = 1024;
/// Callables that a chip runtime keeps registered at a time.
pub const MAX_REGISTERED_CALLABLES: usize = 64;
/// Alignment, in bytes, of a kernel binary and of each child inside a chip callable.
pub const CALLABLE_ALIGN: usize = 64;
/// Rings of a runtime, one a scope depth; deeper scopes share the last.
pub const RINGS: usize = 4;
