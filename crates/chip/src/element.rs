//! The Rust types that tensor elements and scalars have.

use prewire_abi::DataType;

mod sealed {
    /// Keeps [`Element`](super::Element) to this crate: views rely on an element being as large as its dtype says.
    #[expect(unnameable_types, reason = "that nobody else can name it is what it is for")]
    pub trait Sealed {}
}

/// A type that tensor elements can have: the numbers of this crate, and no other.
///
/// Plain bytes: every bit pattern is a value, so memory that no kernel wrote yet can be read.
///
/// No program adds one, as plain as its bytes may be: a view would take each byte of a tensor for a `Page`.
///
/// ```compile_fail,E0277
/// use prewire_chip::{DataType, Element};
///
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(transparent)]
/// struct Page([u8; 4096]);
///
/// impl Element for Page {
///     const DTYPE: DataType = DataType::U8;
/// }
/// ```
pub trait Element: sealed::Sealed + bytemuck::Pod + Send + Sync {
    /// The dtype of such elements.
    const DTYPE: DataType;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident),+ $(,)?) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DataType = DataType::$dtype;
        }
        const _: () = assert!(size_of::<$type>() == DataType::$dtype.size() as usize);
    )+};
}

elements!(
    f32 => F32,
    half::f16 => F16,
    half::bf16 => Bf16,
    i64 => I64,
    i32 => I32,
    i16 => I16,
    i8 => I8,
    u64 => U64,
    u32 => U32,
    u16 => U16,
    u8 => U8,
);

/// A type that scalar arguments can have. A scalar travels as 64 bits: integers extended, `f32` in the low half.
pub trait Scalar: Copy {
    /// As bits.
    fn to_bits(self) -> u64;
    /// From bits that [`to_bits`](Scalar::to_bits) made of the same type.
    fn from_bits(bits: u64) -> Self;
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Scalar for $type {
            fn to_bits(self) -> u64 {
                self as u64
            }
            fn from_bits(bits: u64) -> Self {
                bits as Self
            }
        }
    )+};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl Scalar for bool {
    fn to_bits(self) -> u64 {
        u64::from(self)
    }
    fn from_bits(bits: u64) -> Self {
        bits != 0
    }
}

impl Scalar for f32 {
    fn to_bits(self) -> u64 {
        u64::from(Self::to_bits(self))
    }
    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits as u32)
    }
}

impl Scalar for f64 {
    fn to_bits(self) -> u64 {
        Self::to_bits(self)
    }
    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::Scalar;

    fn survives<T: Scalar + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(T::from_bits(value.to_bits()), value);
    }

    #[test]
    fn scalars_survive_the_trip() {
        survives(-1i8);
        survives(i64::MIN);
        survives(u64::MAX);
        survives(-2.5f32);
        survives(f64::MIN_POSITIVE);
        survives(true);
    }
}
