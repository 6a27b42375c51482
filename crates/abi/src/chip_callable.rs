//! An orchestration with its kernels, as one buffer.

use crate::bytes::{i32_at, u32_at};
use crate::core_callable::too_large;
use crate::signature::Signature;
use crate::{ArgDirection, CALLABLE_ALIGN, CHIP_MAX_CHILDREN, CHIP_MAX_TENSOR_ARGS, MAX_FUNC_IDS};
use crate::{CallableError, CoreCallable};
use alloc::vec;
use alloc::vec::Vec;
use core::mem::{align_of, offset_of, size_of};

/// Bytes of a name, its final 0 included.
const NAME: usize = 64;

/// What a chip callable starts with. 9376 bytes, aligned to 16.
///
/// After it comes the storage: the library of the orchestration, then each child, a whole kernel buffer at a
/// multiple of 64 from the start of the storage.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C, align(16))]
pub struct ChipCallableHeader {
    /// A direction a parameter; see [`ArgDirection`].
    pub signature: [i32; CHIP_MAX_TENSOR_ARGS],
    /// How many of them count: 0 to 256.
    pub sig_count: i32,
    /// Bytes of the library of the orchestration.
    pub binary_size: u32,
    /// The function of the library that builds the graph, ended by 0.
    pub func_name: [u8; NAME],
    /// Bytes of that name, without the 0.
    pub func_name_len: u32,
    /// The function number of each child.
    pub child_func_ids: [i32; CHIP_MAX_CHILDREN],
    /// Where each child is in the storage.
    pub child_offsets: [u32; CHIP_MAX_CHILDREN],
    /// How many children: 0 to 1024.
    pub child_count: i32,
    /// The function of the library that configures it, ended by 0; empty when there is none.
    pub config_name: [u8; NAME],
    /// Bytes of that name, without the 0.
    pub config_name_len: u32,
    /// Padding.
    pub pad: [u32; 3],
}

const SIG_COUNT: usize = 1024;
const BINARY_SIZE: usize = 1028;
const FUNC_NAME: usize = 1032;
const FUNC_NAME_LEN: usize = 1096;
const CHILD_FUNC_IDS: usize = 1100;
const CHILD_OFFSETS: usize = 5196;
const CHILD_COUNT: usize = 9292;
const CONFIG_NAME: usize = 9296;
const CONFIG_NAME_LEN: usize = 9360;
const STORAGE: usize = 9376;

const _: () = assert!(size_of::<ChipCallableHeader>() == STORAGE && align_of::<ChipCallableHeader>() == 16);
const _: () = assert!(offset_of!(ChipCallableHeader, signature) == 0);
const _: () = assert!(offset_of!(ChipCallableHeader, sig_count) == SIG_COUNT);
const _: () = assert!(offset_of!(ChipCallableHeader, binary_size) == BINARY_SIZE);
const _: () = assert!(offset_of!(ChipCallableHeader, func_name) == FUNC_NAME);
const _: () = assert!(offset_of!(ChipCallableHeader, func_name_len) == FUNC_NAME_LEN);
const _: () = assert!(offset_of!(ChipCallableHeader, child_func_ids) == CHILD_FUNC_IDS);
const _: () = assert!(offset_of!(ChipCallableHeader, child_offsets) == CHILD_OFFSETS);
const _: () = assert!(offset_of!(ChipCallableHeader, child_count) == CHILD_COUNT);
const _: () = assert!(offset_of!(ChipCallableHeader, config_name) == CONFIG_NAME);
const _: () = assert!(offset_of!(ChipCallableHeader, config_name_len) == CONFIG_NAME_LEN);
const _: () = assert!(offset_of!(ChipCallableHeader, pad) == 9364);

/// What a chip callable is built from.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChipCallableParts<'a> {
    /// The direction of each parameter of the orchestration.
    pub signature: &'a [ArgDirection],
    /// The library of the orchestration.
    pub binary: &'a [u8],
    /// The function of the library that builds the graph: at most 63 bytes.
    pub func_name: &'a str,
    /// The function of the library that configures it, or empty: at most 63 bytes.
    pub config_name: &'a str,
    /// The kernels: function number, and the buffer that [`CoreCallable::encode`] returns.
    pub children: &'a [(u32, &'a [u8])],
}

/// A chip callable, read in place at any alignment. Everything was checked when it was parsed.
///
/// ```
/// use prewire_abi::{ArgDirection, ChipCallable, ChipCallableParts, CoreCallable};
///
/// let add = CoreCallable::encode(&[ArgDirection::In, ArgDirection::Out], b"kernel")?;
/// let buffer = ChipCallable::encode(&ChipCallableParts {
///     signature: &[ArgDirection::In, ArgDirection::Out],
///     binary: b"library",
///     func_name: "build_graph",
///     children: &[(7, &add)],
///     ..ChipCallableParts::default()
/// })?;
///
/// let callable = ChipCallable::parse(&buffer)?;
/// assert_eq!((callable.func_name(), callable.config_name()), ("build_graph", ""));
/// let (func_id, kernel) = callable.children().next().unwrap();
/// assert_eq!((func_id, kernel.binary()), (7, &b"kernel"[..]));
/// # Ok::<(), prewire_abi::CallableError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ChipCallable<'a> {
    signature: Signature<'a>,
    func_name: &'a str,
    config_name: &'a str,
    binary: &'a [u8],
    child_count: usize,
    bytes: &'a [u8],
}

impl<'a> ChipCallable<'a> {
    /// Where the storage starts.
    pub const STORAGE_OFFSET: usize = STORAGE;

    /// Reads the callable in `bytes`, and every child.
    ///
    /// # Errors
    ///
    /// Too few bytes for the header, the library or a child; a count out of its range; an unknown direction; a name
    /// that is none; a child that does not lie at a multiple of 64 after the library; a function number of 1024 and
    /// more.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CallableError> {
        let short = |what, offset, need, have| CallableError::Short { what, offset, need, have };
        let header = bytes.get(..STORAGE);
        let header = header.ok_or(short("chip callable header", 0, STORAGE as u64, bytes.len()))?;
        let signature = Signature::parse(header, SIG_COUNT, CHIP_MAX_TENSOR_ARGS, 0)?;
        let storage = &bytes[STORAGE..];
        let size = u32_at(header, BINARY_SIZE).unwrap_or(u32::MAX);
        let binary = usize::try_from(size).ok().and_then(|n| storage.get(..n)).ok_or(short(
            "orchestration library",
            STORAGE,
            u64::from(size),
            storage.len(),
        ))?;
        let func_name = name(header, "func_name", FUNC_NAME, FUNC_NAME_LEN)?;
        let config_name = name(header, "config_name", CONFIG_NAME, CONFIG_NAME_LEN)?;
        let value = i64::from(i32_at(header, CHILD_COUNT).unwrap_or(-1));
        let child_count = usize::try_from(value).ok().filter(|&n| n <= CHIP_MAX_CHILDREN);
        let child_count = child_count.ok_or(CallableError::Count {
            field: "child_count",
            offset: CHILD_COUNT,
            value,
            max: CHIP_MAX_CHILDREN,
        })?;
        let out = Self { signature, func_name, config_name, binary, child_count, bytes };
        for child in 0..child_count {
            out.child(child)?;
        }
        Ok(out)
    }

    /// Builds the buffer of a callable.
    ///
    /// # Errors
    ///
    /// More parameters, children or bytes than fit; a name that is too long or holds a 0; a child that is no kernel
    /// buffer; a function number of 1024 and more.
    pub fn encode(parts: &ChipCallableParts<'_>) -> Result<Vec<u8>, CallableError> {
        let mut out = vec![0; STORAGE];
        Signature::write(parts.signature, &mut out, SIG_COUNT, CHIP_MAX_TENSOR_ARGS)?;
        write_name(&mut out, "func_name", parts.func_name, FUNC_NAME, FUNC_NAME_LEN)?;
        write_name(&mut out, "config_name", parts.config_name, CONFIG_NAME, CONFIG_NAME_LEN)?;
        let size =
            u32::try_from(parts.binary.len()).map_err(|_| too_large(BINARY_SIZE, parts.binary.len()))?;
        put(&mut out, BINARY_SIZE, size);
        let (count, max) = (parts.children.len(), CHIP_MAX_CHILDREN);
        if count > max {
            let value = count as i64;
            return Err(CallableError::Count { field: "child_count", offset: CHILD_COUNT, value, max });
        }
        put(&mut out, CHILD_COUNT, count as u32);
        out.extend_from_slice(parts.binary);
        for (i, &(func_id, kernel)) in parts.children.iter().enumerate() {
            let at = (out.len() - STORAGE).next_multiple_of(CALLABLE_ALIGN);
            let kernel = CoreCallable::parse_at(kernel, STORAGE + at)?;
            let offset = u32::try_from(at).map_err(|_| CallableError::Count {
                field: "child_offsets",
                offset: CHILD_OFFSETS + i * 4,
                value: at as i64,
                max: u32::MAX as usize,
            })?;
            check_func_id(i, func_id.cast_signed())?;
            put(&mut out, CHILD_FUNC_IDS + i * 4, func_id);
            put(&mut out, CHILD_OFFSETS + i * 4, offset);
            out.resize(STORAGE + at, 0);
            out.extend_from_slice(kernel.as_bytes());
        }
        Ok(out)
    }

    /// The direction of each parameter of the orchestration.
    pub fn signature(&self) -> impl ExactSizeIterator<Item = ArgDirection> + use<'a> {
        self.signature.iter()
    }

    /// The function of the library that builds the graph.
    #[must_use]
    pub fn func_name(&self) -> &'a str {
        self.func_name
    }

    /// The function of the library that configures it; empty when there is none.
    #[must_use]
    pub fn config_name(&self) -> &'a str {
        self.config_name
    }

    /// The library of the orchestration.
    #[must_use]
    pub fn binary(&self) -> &'a [u8] {
        self.binary
    }

    /// How many kernels there are.
    #[must_use]
    pub fn child_count(&self) -> usize {
        self.child_count
    }

    /// Each kernel with its function number.
    pub fn children(&self) -> impl Iterator<Item = (u32, CoreCallable<'a>)> + use<'a> {
        let callable = *self;
        (0..self.child_count).filter_map(move |i| callable.child(i).ok())
    }

    fn child(&self, child: usize) -> Result<(u32, CoreCallable<'a>), CallableError> {
        let at = CHILD_FUNC_IDS + child * 4;
        let func_id = check_func_id(child, i32_at(self.bytes, at).unwrap_or(-1))?;
        let offset = CHILD_OFFSETS + child * 4;
        let value = u32_at(self.bytes, offset).unwrap_or(u32::MAX);
        let min = self.binary.len() as u64;
        if u64::from(value) < min || !(value as usize).is_multiple_of(CALLABLE_ALIGN) {
            return Err(CallableError::ChildOffset { child, offset, value, min, align: CALLABLE_ALIGN });
        }
        let base = STORAGE.saturating_add(value as usize);
        let bytes = self.bytes.get(base..).unwrap_or(&[]);
        Ok((func_id, CoreCallable::parse_at(bytes, base)?))
    }
}

fn check_func_id(child: usize, value: i32) -> Result<u32, CallableError> {
    let max = MAX_FUNC_IDS;
    u32::try_from(value).ok().filter(|&id| (id as usize) < max).ok_or(CallableError::FuncId {
        child,
        offset: CHILD_FUNC_IDS + child * 4,
        value,
        max,
    })
}

/// The name at `at`, whose length is at `len_at`.
fn name<'a>(
    header: &'a [u8],
    field: &'static str,
    at: usize,
    len_at: usize,
) -> Result<&'a str, CallableError> {
    let value = u32_at(header, len_at).unwrap_or(u32::MAX);
    let len = usize::try_from(value).ok().filter(|&n| n < NAME).ok_or(CallableError::Count {
        field,
        offset: len_at,
        value: i64::from(value),
        max: NAME - 1,
    })?;
    let bytes = &header[at..at + len + 1];
    let zero = bytes.iter().position(|&b| b == 0).unwrap_or(len + 1);
    if zero != len {
        return Err(CallableError::Name { field, offset: at + zero.min(len) });
    }
    core::str::from_utf8(&bytes[..len])
        .map_err(|error| CallableError::Name { field, offset: at + error.valid_up_to() })
}

fn write_name(
    out: &mut [u8],
    field: &'static str,
    text: &str,
    at: usize,
    len_at: usize,
) -> Result<(), CallableError> {
    let (len, max) = (text.len(), NAME - 1);
    if len > max {
        return Err(CallableError::Count { field, offset: len_at, value: len as i64, max });
    }
    if let Some(zero) = text.bytes().position(|b| b == 0) {
        return Err(CallableError::Name { field, offset: at + zero });
    }
    out[at..at + len].copy_from_slice(text.as_bytes());
    put(out, len_at, len as u32);
    Ok(())
}

fn put(out: &mut [u8], at: usize, value: u32) {
    out[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

#[cfg(test)]
mod tests;
