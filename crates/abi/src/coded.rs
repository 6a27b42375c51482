//! Enumerations that are stored as raw numbers, and the error for a number that none of them has.
//!
//! A raw number is decoded when it is read, never transmuted: a record that arrived from outside may hold anything.

use core::fmt;

/// A number that names no value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownCode {
    /// The enumeration.
    pub what: &'static str,
    /// What was found.
    pub value: i64,
    /// What is allowed, in words.
    pub allowed: &'static str,
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is no {}: allowed are {}; was it built for another ABI?",
            self.value, self.what, self.allowed
        )
    }
}

impl core::error::Error for UnknownCode {}

/// Declares an enumeration with its numbers, its names, and the decoder of the numbers.
macro_rules! coded {
    (
        $(#[$meta:meta])*
        $name:ident: $repr:ty, $allowed:literal {
            $($(#[$vmeta:meta])* $variant:ident = $value:literal, $text:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr($repr)]
        pub enum $name {
            $($(#[$vmeta])* $variant = $value,)+
        }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number that stands for it.
            #[must_use]
            #[inline]
            pub const fn code(self) -> $repr {
                self as $repr
            }

            /// The name that messages print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl TryFrom<$repr> for $name {
            type Error = $crate::UnknownCode;

            #[inline]
            fn try_from(value: $repr) -> Result<Self, $crate::UnknownCode> {
                match value {
                    $($value => Ok(Self::$variant),)+
                    other => Err($crate::UnknownCode {
                        what: stringify!($name),
                        value: i64::from(other),
                        allowed: $allowed,
                    }),
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use coded;

#[cfg(test)]
mod tests {
    use crate::{
        AccessMode, AddressSpace, ArgDirection, BackendKind, DataType, PredicateOp, ScopeMode, Shape,
    };
    use crate::{ErrorCode, TensorArgType};
    use alloc::string::ToString;

    macro_rules! round_trip {
        ($($name:ident: $repr:ty),+) => {$(
            let mut known = 0;
            for raw in -300i64..=300 {
                let Ok(raw) = <$repr>::try_from(raw) else { continue };
                match $name::try_from(raw) {
                    Ok(value) => {
                        assert_eq!(value.code(), raw);
                        assert_eq!(value.to_string(), value.name());
                        known += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.value, i64::from(raw));
                        assert!(error.to_string().contains(stringify!($name)));
                    }
                }
            }
            assert_eq!(known, $name::ALL.len());
        )+};
    }

    #[test]
    fn every_number_decodes_to_its_own_value_or_is_refused() {
        round_trip!(
            DataType: u8,
            TensorArgType: i32,
            ArgDirection: i32,
            AddressSpace: u8,
            AccessMode: u8,
            BackendKind: u8,
            PredicateOp: u8,
            ScopeMode: u8,
            Shape: u8,
            ErrorCode: i32
        );
    }
}
