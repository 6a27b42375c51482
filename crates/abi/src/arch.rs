//! Which family of chips a runtime library is for: a note of fixed bytes in the library, so that one build is both.

use core::fmt;

/// A family of chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// The chips that are called a2a3.
    A2a3,
    /// The chips that are called a5.
    A5,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::A2a3, Self::A5];

    /// Its name, as platforms and folders spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A2a3 => "a2a3",
            Self::A5 => "a5",
        }
    }

    /// The note of a library that is for it.
    ///
    /// ```
    /// use prewire_abi::Arch;
    ///
    /// assert_eq!(Arch::of_note(&Arch::A5.note()), Some(Arch::A5));
    /// assert_eq!(Arch::of_note(&[0; Arch::NOTE]), None);
    /// ```
    #[must_use]
    pub const fn note(self) -> [u8; Self::NOTE] {
        let mut note = [0; Self::NOTE];
        let (mark, name) = (Self::MARK, self.name().as_bytes());
        let mut at = 0;
        while at < mark.len() {
            note[at] = mark[at];
            at += 1;
        }
        while at < mark.len() + name.len() {
            note[at] = name[at - mark.len()];
            at += 1;
        }
        note
    }

    /// Bytes of a note.
    pub const NOTE: usize = 32;
    const MARK: [u8; 24] = *b"prewire host runtime of ";

    /// What a note says. Only the name is looked at: the rest is there to be found by.
    #[must_use]
    pub fn of_note(note: &[u8; Self::NOTE]) -> Option<Self> {
        let name = note.get(Self::MARK.len()..)?;
        Self::ALL.into_iter().find(|arch| {
            let (wanted, rest) = name.split_at(arch.name().len().min(name.len()));
            wanted == arch.name().as_bytes() && rest.iter().all(|&byte| byte == 0)
        })
    }

    /// Makes `library`, the bytes of a runtime library, one for this family.
    ///
    /// # Errors
    ///
    /// There is not exactly one note in it.
    pub fn mark(self, library: &mut [u8]) -> Result<(), NoteCount> {
        let is_note = |bytes: &[u8]| Self::ALL.iter().any(|arch| bytes == arch.note());
        let places = || library.windows(Self::NOTE).enumerate().filter(|(_, bytes)| is_note(bytes));
        let found = places().count();
        let place = places().map(|(at, _)| at).next().filter(|_| found == 1).ok_or(NoteCount { found })?;
        library[place..place + Self::NOTE].copy_from_slice(&self.note());
        Ok(())
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A library that has not exactly one note of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoteCount {
    /// How many it has.
    pub found: usize,
}

impl fmt::Display for NoteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found } = self;
        write!(
            f,
            "the library has {found} notes of its family instead of one; is it a host runtime of prewire?"
        )
    }
}

impl core::error::Error for NoteCount {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_note_is_changed_and_nothing_else() {
        let mut library = [7; 100];
        library[33..65].copy_from_slice(&Arch::A2a3.note());
        let before = library;
        Arch::A5.mark(&mut library).unwrap();
        assert_eq!(library[33..65], Arch::A5.note());
        Arch::A2a3.mark(&mut library).unwrap();
        assert_eq!(library, before);
        assert_eq!(Arch::A5.mark(&mut [0; 100]), Err(NoteCount { found: 0 }));
        library[65..97].copy_from_slice(&Arch::A5.note());
        assert_eq!(Arch::A5.mark(&mut library), Err(NoteCount { found: 2 }));
    }

    #[test]
    fn a_name_that_goes_on_is_another() {
        let mut note = Arch::A5.note();
        note[26] = b'0';
        assert_eq!(Arch::of_note(&note), None);
        for arch in Arch::ALL {
            assert_eq!(Arch::of_note(&arch.note()), Some(arch));
        }
    }
}
