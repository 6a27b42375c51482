//! Whether bytes are a shared object that can be loaded here: what a loader takes for granted and would crash without.
//!
//! Invariant: what passes has every byte that its program headers speak of, so a loader that maps them touches no page
//! that is not there.

use std::fmt;

/// Bytes of a file header, and of one program header.
const HEADER: usize = 64;
const PROGRAM: usize = 56;
/// In the file header: a shared object.
const SHARED: u16 = 3;
/// In a program header: bytes to be mapped.
const LOAD: u32 = 1;

/// What keeps bytes from being a shared object for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfFault {
    /// They do not begin as one.
    Magic,
    /// They are one for machines with other addresses or another order of bytes.
    Class,
    /// They are one for another processor: its number, and that of this one.
    Machine {
        /// The processor it is for.
        is: u16,
        /// The processor of this machine.
        here: u16,
    },
    /// They are an ELF file of another kind, such as a program or an object file.
    Kind {
        /// The kind's number.
        is: u16,
    },
    /// They end before they should.
    Truncated {
        /// Bytes that the headers speak of.
        wanted: u64,
        /// Bytes that there are.
        has: u64,
    },
}

impl fmt::Display for ElfFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it does not begin as an ELF file"),
            Self::Class => f.write_str("it is an ELF file for machines with other words than this one's"),
            Self::Machine { is, here } => {
                write!(f, "it is for processor number {is}, and this one is number {here}")
            }
            Self::Kind { is } => {
                write!(f, "it is an ELF file of kind {is}, not a shared object, which is kind 3")
            }
            Self::Truncated { wanted, has } => {
                write!(f, "it is truncated: its headers speak of {wanted} bytes, and it has {has}")
            }
        }
    }
}

/// The number of this processor; 0 where it is not known here, and then not compared.
const fn here() -> u16 {
    if cfg!(target_arch = "x86_64") {
        62
    } else if cfg!(target_arch = "aarch64") {
        183
    } else {
        0
    }
}

fn field<const N: usize>(bytes: &[u8], at: u64) -> Result<[u8; N], ElfFault> {
    let wanted = at.saturating_add(N as u64);
    let found = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.first_chunk::<N>());
    found.copied().ok_or(ElfFault::Truncated { wanted, has: bytes.len() as u64 })
}

/// Whether a loader can be given these bytes as a shared object: what is in them is not looked at, only that all is there.
///
/// ```
/// use prewire_chip::{ElfFault, check_shared_object};
///
/// assert_eq!(check_shared_object(b"#!/bin/sh"), Err(ElfFault::Magic));
/// ```
///
/// # Errors
///
/// What is wrong with them.
pub fn check_shared_object(bytes: &[u8]) -> Result<(), ElfFault> {
    if !bytes.starts_with(b"\x7FELF") {
        return Err(ElfFault::Magic);
    }
    let ident = field::<6>(bytes, 0)?;
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    if ident[4..] != [2, order] {
        return Err(ElfFault::Class);
    }
    let _ = field::<HEADER>(bytes, 0)?;
    let half = |at| field::<2>(bytes, at).map(u16::from_ne_bytes);
    let long = |at| field::<8>(bytes, at).map(u64::from_ne_bytes);
    match (half(16)?, half(18)?) {
        (SHARED, machine) if here() == 0 || machine == here() => {}
        (SHARED, is) => return Err(ElfFault::Machine { is, here: here() }),
        (is, _) => return Err(ElfFault::Kind { is }),
    }
    let (first, size, count) = (long(32)?, half(54)?, half(56)?);
    if count > 0 && usize::from(size) != PROGRAM {
        return Err(ElfFault::Class);
    }
    for number in 0..u64::from(count) {
        let at = first.saturating_add(number * PROGRAM as u64);
        let _ = field::<PROGRAM>(bytes, at)?;
        if field::<4>(bytes, at).map(u32::from_ne_bytes)? != LOAD {
            continue;
        }
        let wanted = long(at + 8)?.saturating_add(long(at + 32)?);
        if wanted > bytes.len() as u64 {
            return Err(ElfFault::Truncated { wanted, has: bytes.len() as u64 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file header and one program header that speaks of `filesz` bytes.
    fn object(kind: u16, machine: u16, filesz: u64) -> Vec<u8> {
        let mut bytes = vec![0u8; HEADER + PROGRAM];
        bytes[..6].copy_from_slice(&[
            0x7F,
            b'E',
            b'L',
            b'F',
            2,
            if cfg!(target_endian = "little") { 1 } else { 2 },
        ]);
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(16, &kind.to_ne_bytes());
        put(18, &machine.to_ne_bytes());
        put(32, &(HEADER as u64).to_ne_bytes());
        put(54, &(PROGRAM as u16).to_ne_bytes());
        put(56, &1u16.to_ne_bytes());
        put(HEADER, &LOAD.to_ne_bytes());
        put(HEADER + 32, &filesz.to_ne_bytes());
        bytes
    }

    #[test]
    fn what_a_loader_would_crash_on_is_refused() {
        let good = object(SHARED, here(), 120);
        assert_eq!(check_shared_object(&good), Ok(()));
        assert_eq!(check_shared_object(b"#!/bin/sh"), Err(ElfFault::Magic));
        assert_eq!(check_shared_object(&object(2, here(), 120)), Err(ElfFault::Kind { is: 2 }));
        assert_eq!(
            check_shared_object(&object(SHARED, 243, 120)),
            Err(ElfFault::Machine { is: 243, here: here() })
        );
        for filesz in [121, u64::MAX] {
            let fault = check_shared_object(&object(SHARED, here(), filesz));
            assert_eq!(fault, Err(ElfFault::Truncated { wanted: filesz, has: 120 }));
        }
        for end in 4..good.len() {
            let fault = check_shared_object(&good[..end]).unwrap_err();
            assert!(matches!(fault, ElfFault::Truncated { .. }), "{end} bytes: {fault:?}");
        }
        let mut other = good;
        other[4] = 1;
        assert_eq!(check_shared_object(&other), Err(ElfFault::Class));
    }
}
