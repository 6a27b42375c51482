//! One tensor argument: the tensor, what the task does with it, and the scope that it was made in.

use prewire_abi::{ChipTensor, DataType, TensorArgType, TensorError, ValidTensor};

use crate::scope::ScopeKey;

/// One tensor argument.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    tensor: ValidTensor,
    scope: ScopeKey,
    tag: TensorArgType,
    /// The kind of the tensor, and the number of the tag in the byte that it leaves free: as the record has them.
    kind: u32,
}

impl Arg {
    /// Memory that exists: what the task does with it, and the scope that it was made in. What it is said to create is
    /// overwritten.
    #[must_use]
    #[inline]
    pub fn existing(tensor: ValidTensor, tag: TensorArgType, scope: ScopeKey) -> Self {
        let tag = existing(tag);
        Self { tensor, scope, tag, kind: kind(&tensor, tag) }
    }

    /// Memory that the task is to get from the heap of its ring, for elements of this shape and type.
    ///
    /// # Errors
    ///
    /// As [`ValidTensor::contiguous`].
    #[inline]
    pub fn output(shape: &[u32], dtype: DataType) -> Result<Self, TensorError> {
        let tensor = ValidTensor::contiguous(0, shape, dtype)?;
        let tag = TensorArgType::Output;
        Ok(Self { tensor, scope: ScopeKey::NONE, tag, kind: kind(&tensor, tag) })
    }

    /// The tensor. What is to be created has no address before the task is submitted.
    #[must_use]
    #[inline]
    pub const fn tensor(&self) -> &ValidTensor {
        &self.tensor
    }

    /// What the task does with it.
    #[must_use]
    #[inline]
    pub const fn tag(&self) -> TensorArgType {
        self.tag
    }

    /// The scope that it was made in; none for what is to be created.
    #[must_use]
    #[inline]
    pub const fn scope(&self) -> &ScopeKey {
        &self.scope
    }

    /// Whether it is to be created.
    #[must_use]
    #[inline]
    pub const fn creates(&self) -> bool {
        matches!(self.tag, TensorArgType::Output)
    }

    /// The kind of the tensor, and the number of the tag in byte 2.
    #[inline]
    pub(crate) const fn kind(&self) -> u32 {
        self.kind
    }

    /// Makes it what [`existing`](Arg::existing) returns, in place: the tensor is copied once.
    #[inline]
    pub(crate) fn set_existing(&mut self, tensor: &ValidTensor, tag: TensorArgType, scope: ScopeKey) {
        let tag = existing(tag);
        self.tensor.copy_from(tensor);
        self.scope = scope;
        self.tag = tag;
        self.kind = kind(tensor, tag);
    }

    /// As [`set_existing`](Arg::set_existing), of memory that no scope made, once the tensor is checked.
    ///
    /// # Errors
    ///
    /// As [`ValidTensor::mended`]; it stays what it is then.
    #[inline]
    pub(crate) fn set_checked(&mut self, tensor: &ChipTensor, tag: TensorArgType) -> Result<(), TensorError> {
        if self.tensor.set(tensor).is_err() {
            self.tensor = ValidTensor::mended(tensor)?;
        }
        self.scope = ScopeKey::NONE;
        self.tag = existing(tag);
        self.kind = kind(&self.tensor, self.tag);
        Ok(())
    }

    /// Makes it what [`output`](Arg::output) returns, in place.
    ///
    /// # Errors
    ///
    /// As there; it stays what it is then.
    #[inline]
    pub(crate) fn set_output(&mut self, shape: &[u32], dtype: DataType) -> Result<(), TensorError> {
        self.tensor.set_contiguous(shape, dtype)?;
        self.scope = ScopeKey::NONE;
        self.tag = TensorArgType::Output;
        self.kind = kind(&self.tensor, TensorArgType::Output);
        Ok(())
    }

    /// Makes it what `other` is.
    #[inline]
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.tensor.copy_from(&other.tensor);
        self.scope = other.scope;
        self.tag = other.tag;
        self.kind = other.kind;
    }

    /// The tensor, to place it or to say more of it. Its [kind](Arg::kind) stays.
    #[inline]
    pub(crate) fn tensor_mut(&mut self) -> &mut ValidTensor {
        &mut self.tensor
    }
}

/// The kind of a tensor, and the number of its tag in the byte that it leaves free.
#[inline]
const fn kind(tensor: &ValidTensor, tag: TensorArgType) -> u32 {
    tensor.kind() | (tag.code() as u32) << 16
}

/// What can be done with memory that exists.
const fn existing(tag: TensorArgType) -> TensorArgType {
    if matches!(tag, TensorArgType::Output) { TensorArgType::OutputExisting } else { tag }
}
