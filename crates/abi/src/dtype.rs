//! The element types of tensors.

use crate::coded::coded;

coded! {
    /// The type of the elements of a tensor.
    ///
    /// ```
    /// use prewire_abi::DataType;
    ///
    /// assert_eq!(DataType::try_from(6)?, DataType::Bf16);
    /// assert_eq!(DataType::Bf16.size(), 2);
    /// assert_eq!(DataType::Bf16.to_string(), "bfloat16");
    /// assert!(DataType::try_from(15).is_err());
    /// # Ok::<(), prewire_abi::UnknownCode>(())
    /// ```
    DataType: u8, "0 to 14" {
        /// IEEE single precision.
        F32 = 0, "float32";
        /// IEEE half precision.
        F16 = 1, "float16";
        /// Signed 32 bits.
        I32 = 2, "int32";
        /// Signed 16 bits.
        I16 = 3, "int16";
        /// Signed 8 bits.
        I8 = 4, "int8";
        /// Unsigned 8 bits.
        U8 = 5, "uint8";
        /// The upper half of a single.
        Bf16 = 6, "bfloat16";
        /// Signed 64 bits.
        I64 = 7, "int64";
        /// Unsigned 64 bits.
        U64 = 8, "uint64";
        /// Unsigned 16 bits.
        U16 = 9, "uint16";
        /// Unsigned 32 bits.
        U32 = 10, "uint32";
        /// A byte, 0 or 1.
        Bool = 11, "bool";
        /// 8 bits: 4 exponent, 3 mantissa, no infinities.
        F8E4M3Fn = 12, "float8_e4m3fn";
        /// 8 bits: an exponent alone, the scale of a block.
        F8E8M0 = 13, "float8_e8m0";
        /// 4 bits: 2 exponent, 1 mantissa; counted as one byte.
        F4E2M1 = 14, "float4_e2m1";
    }
}

impl DataType {
    /// Bytes of one element: 1, 2, 4 or 8.
    #[must_use]
    #[inline]
    pub const fn size(self) -> u32 {
        match self {
            Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::I16 | Self::Bf16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool | Self::F8E4M3Fn | Self::F8E8M0 | Self::F4E2M1 => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DataType;

    #[test]
    fn sizes_are_those_of_the_table() {
        let sizes: [u32; 15] = [4, 2, 4, 2, 1, 1, 2, 8, 8, 2, 4, 1, 1, 1, 1];
        for (&dtype, size) in DataType::ALL.iter().zip(sizes) {
            assert_eq!(dtype.size(), size, "{dtype}");
        }
    }
}
