//! Numbers out of a fuzzer's bytes. It never ends: past the last byte everything is 0.

/// Where the numbers come from.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (here, rest) = self.0.split_at(N.min(self.0.len()));
        out[..here.len()].copy_from_slice(here);
        self.0 = rest;
        out
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number that is small more often than not: a byte says how it is made, so that a mutation moves it by little.
    pub(crate) fn size(&mut self) -> u32 {
        match self.u8() {
            byte @ 0..=239 => u32::from(byte % 24),
            240..=247 => u32::from(self.u16()),
            248..=251 => u32::MAX - u32::from(self.u8()),
            _ => u32::from_le_bytes(self.array()),
        }
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.u8()) % end
    }

    pub(crate) fn sizes(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.size()).collect()
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether a number would still come from the input.
    pub(crate) fn has_more(&self) -> bool {
        !self.0.is_empty()
    }

    /// Changes `bytes` in some places: each change is an offset of 16 bits and a byte. So a short input reaches every
    /// field of a long record.
    pub(crate) fn patch(&mut self, bytes: &mut [u8]) {
        while self.has_more() && !bytes.is_empty() {
            let at = usize::from(self.u16()) % bytes.len();
            bytes[at] = self.u8();
        }
    }
}
