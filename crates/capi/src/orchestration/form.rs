//! Which of the two forms a library's task arguments have, found out without reading what is not there.
//!
//! Both forms begin with the same 600 bytes ([`CoreArgs`]), and at least 24 follow. In the slim form these are the list of
//! explicit dependencies: an address, an address of kinds or null, and a count. In the full form they are the mask of
//! arguments to be dumped, a mask within that, and the address that scalar 0 was read from; the list follows at byte 760.
//! What can stand there excludes one form or the other:
//!
//! - an address is 65536 at least and has less than 56 bits: a word that is not is neither where a scalar was read nor
//!   where a list is. A mask is any word at all: one may name arguments that were taken back;
//! - a list has a count if and only if it has an address; so an address of a scalar behind two zeros is no count;
//! - in the full form whatever is said of scalars that are not there is zero, 136 bytes in most tasks.
//!
//! The 160 bytes beyond are looked at only while the form is not known, and only where that cannot fault: on the stack
//! above this function, or through the kernel. That they are not mapped proves the slim form. That the kernel does not let
//! look (there is no `/proc`, no descriptor is left) proves nothing: then the first 24 bytes decide if they can. Once a task excludes one form the other is **known**, for good: how a
//! library was compiled does not change. A task that excludes neither and names no producers in either needs no answer.
//! Where the full form names producers and the slim one does not, the producers are looked up: that they are all tasks of
//! this run settles it. What remains is refused, and nothing is guessed.

mod decide;

use prewire_os::Peek;

use self::decide::{Beyond, Form, LIST, TAIL, decide};
pub(super) use self::decide::{List, Undecided};
use crate::layout::{CoreArgs, ExplicitDeps};

/// What a library was found to be so far.
#[derive(Debug, Default)]
pub(super) struct Forms {
    known: Option<Form>,
    /// Kept until the form is known, with the process that it looks at.
    peek: Option<(u32, Peek)>,
}

impl Forms {
    /// The explicit dependencies of a task. `top` is an address of the stack that the library runs on, above all its frames;
    /// `is_task` says whether a number is the id of a task of this run.
    ///
    /// # Safety
    ///
    /// `args` are arguments in one of the forms, and the same one for all of a library.
    #[inline]
    pub(super) unsafe fn list(
        &mut self,
        args: *const CoreArgs,
        top: usize,
        is_task: impl Fn(u64) -> bool,
    ) -> Result<List, Undecided> {
        // SAFETY: both forms are longer than their head.
        let tail = unsafe { args.add(1) }.cast::<u8>();
        let at = match self.known {
            Some(Form::Slim) => 0,
            Some(Form::Full) => LIST,
            // SAFETY: the caller's word.
            None if unsafe { names_none(tail, top) } => return Ok(List::default()),
            // SAFETY: the caller's word.
            None => return unsafe { self.find_out(args, tail, top, is_task) },
        };
        // SAFETY: the known form has its list there.
        let list = unsafe { tail.add(at) }.cast::<ExplicitDeps>();
        // SAFETY: the list is one that a library filled in, and it is aligned as the arguments are.
        let list = unsafe { &*list };
        Ok(List { ids: list.ids as u64, kinds: list.kinds as u64, count: list.count.into() })
    }

    /// # Safety
    ///
    /// As [`list`](Forms::list).
    #[cold]
    unsafe fn find_out(
        &mut self,
        args: *const CoreArgs,
        tail: *const u8,
        top: usize,
        is_task: impl Fn(u64) -> bool,
    ) -> Result<List, Undecided> {
        // SAFETY: both forms have this much.
        let first = unsafe { words::<3>(tail) };
        // SAFETY: the caller's word.
        let head = unsafe { &*args };
        let counts = (head.tensor_count.max(0) as usize, head.scalar_count.max(0) as usize);
        let beyond = if is_stack(tail, top) {
            // SAFETY: the range lies between two addresses of this stack that are in use.
            Beyond::Words(unsafe { words::<{ TAIL / 8 }>(tail) })
        } else {
            self.look(tail)
        };
        let all_tasks = |list: &List| self.peek().is_some_and(|peek| all_are(peek, list, &is_task));
        let (form, list) = decide(first, beyond, counts, all_tasks)?;
        if form.is_some() {
            *self = Self { known: form, peek: None };
        }
        Ok(list)
    }

    /// What looks through the kernel, of this process: one that was made before a fork would look at the parent.
    fn peek(&mut self) -> Option<&Peek> {
        let process = std::process::id();
        if self.peek.as_ref().is_none_or(|&(of, _)| of != process) {
            self.peek = Peek::new().ok().map(|peek| (process, peek));
        }
        self.peek.as_ref().map(|(_, peek)| peek)
    }

    fn look(&mut self, tail: *const u8) -> Beyond {
        let mut bytes = [0; TAIL];
        match self.peek().map(|peek| peek.read(tail.addr() as u64, &mut bytes)) {
            Some(Ok(())) => {
                let (words, _) = bytes.as_chunks::<8>();
                Beyond::Words(core::array::from_fn(|word| u64::from_ne_bytes(words[word])))
            }
            Some(Err(error)) if Peek::is_unmapped(&error) => Beyond::Nothing,
            _ => Beyond::Unseen,
        }
    }
}

/// Whether a task on the stack names no producers in either form.
///
/// # Safety
///
/// As [`Forms::list`].
#[inline]
unsafe fn names_none(tail: *const u8, top: usize) -> bool {
    // SAFETY: both forms have this much.
    let slim = List::of(unsafe { words::<3>(tail) });
    if !slim.is_none() || !is_stack(tail, top) {
        return false;
    }
    // SAFETY: it is on the stack, below an address that is in use.
    !List::of(unsafe { words::<3>(tail.wrapping_add(LIST)) }).is_some()
}

/// Whether what follows the head in the full form lies between two addresses of this stack that are in use.
#[inline]
fn is_stack(tail: *const u8, top: usize) -> bool {
    let here = 0_u8;
    (&raw const here).addr() < tail.addr() && tail.addr().saturating_add(TAIL) <= top
}

/// What is taken for the list of explicit dependencies of a task when nothing is known of its library: its address, that of
/// its kinds, and its length; `None` if that cannot be told. `args` are as long as arguments are in the longer form, and may
/// be anything. For who checks that nothing is misread.
#[doc(hidden)]
#[must_use]
pub fn first_list(
    args: &[u64; size_of::<CoreArgs>() / 8 + TAIL / 8],
    is_task: impl Fn(u64) -> bool,
) -> Option<[u64; 3]> {
    let mut forms = Forms::default();
    // No stack is named, so beyond the shorter form all is read through the kernel.
    // SAFETY: they are as long as the longer form, and aligned; nothing in them is followed but by the kernel.
    let list = unsafe { forms.list(args.as_ptr().cast::<CoreArgs>(), 0, is_task) }.ok()?;
    Some([list.ids, list.kinds, list.count])
}

/// The words at `at`.
///
/// # Safety
///
/// As many are readable there.
unsafe fn words<const N: usize>(at: *const u8) -> [u64; N] {
    // SAFETY: the caller's word. Others may have left some of them unwritten: each is read as it is.
    core::array::from_fn(|word| unsafe { at.cast::<u64>().wrapping_add(word).read_volatile() })
}

/// Whether each entry of a list can be read and is a task.
fn all_are(peek: &Peek, list: &List, is_task: impl Fn(u64) -> bool) -> bool {
    (0..list.count).all(|entry| {
        let mut id = [0; 8];
        let at = list.ids.saturating_add(entry * 8);
        peek.read(at, &mut id).is_ok() && is_task(u64::from_ne_bytes(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::CORE_TENSORS;
    use core::mem::MaybeUninit;

    /// The arguments of a task, with what follows them in the full form: in the slim one that is somebody else's.
    #[repr(C)]
    struct Memory {
        head: CoreArgs,
        tail: [u64; TAIL / 8],
    }

    fn memory(tensors: i32, scalars: i32, fill: u64) -> Box<Memory> {
        // SAFETY: zero is a value of every field.
        let mut memory: Box<Memory> = unsafe { Box::new_zeroed().assume_init() };
        memory.head.tensors = [MaybeUninit::new(core::ptr::null()); CORE_TENSORS];
        (memory.head.tensor_count, memory.head.scalar_count) = (tensors, scalars);
        memory.tail = [fill; TAIL / 8];
        memory
    }

    fn ask(forms: &mut Forms, memory: &Memory) -> Result<List, Undecided> {
        // On the heap, or on the stack with a top that excludes it: only what is mapped is looked at.
        // SAFETY: the memory has what follows in the full form.
        unsafe { forms.list(&raw const memory.head, 0, |id| id >> 32 == 7) }
    }

    static IDS: [u64; 3] = [7 << 32, 7 << 32 | 1, 7 << 32 | 2];

    fn address() -> u64 {
        (&raw const IDS).addr() as u64
    }

    fn slim(count: u64, garbage: u64) -> Box<Memory> {
        let mut memory = memory(2, 1, garbage);
        let padding = garbage & !u64::from(u32::MAX);
        memory.tail[..3].copy_from_slice(&[if count > 0 { address() } else { 0 }, 0, count | padding]);
        memory
    }

    fn full(count: u64, sources: u64) -> Box<Memory> {
        let mut memory = memory(2, 1, 0);
        memory.tail[2] = sources;
        memory.tail[LIST / 8..].copy_from_slice(&[if count > 0 { address() } else { 0 }, 0, count]);
        memory
    }

    #[test]
    fn each_form_is_known_by_the_first_task_that_only_it_can_be() {
        let mut forms = Forms::default();
        // Nothing is named, and nothing tells them apart: there is no need to know.
        assert_eq!(ask(&mut forms, &full(0, 0)), Ok(List::default()));
        assert_eq!(forms.known, None);
        assert_eq!(ask(&mut forms, &full(3, 0)).unwrap().count, 3);
        assert_eq!(forms.known, Some(Form::Full));
        assert_eq!(ask(&mut forms, &full(2, address())).unwrap().ids, address());

        let mut forms = Forms::default();
        assert_eq!(ask(&mut forms, &full(0, address())), Ok(List::default()));
        assert_eq!(forms.known, Some(Form::Full), "a scalar's address behind two zeros is no count");

        let mut forms = Forms::default();
        for garbage in [0x5555_5555_5555_5555, u64::MAX, 1, address()] {
            assert_eq!(ask(&mut forms, &slim(0, garbage)), Ok(List::default()), "{garbage:x}");
            assert_eq!(forms.known, Some(Form::Slim));
            assert_eq!(ask(&mut forms, &slim(3, garbage)).unwrap().count, 3);
            forms = Forms::default();
        }
        assert_eq!(ask(&mut forms, &slim(3, 0)).unwrap().ids, address());
        assert_eq!(forms.known, Some(Form::Slim), "a count is not where a scalar was read from");
    }

    #[test]
    fn what_fits_no_form_or_both_is_refused_and_proves_nothing() {
        let mut forms = Forms::default();
        // Names what are no tasks, where the slim form names none.
        let mut strange = full(2, 0);
        static NONE: [u64; 2] = [u64::MAX, 3];
        strange.tail[LIST / 8] = (&raw const NONE).addr() as u64;
        assert_eq!(ask(&mut forms, &strange), Err(Undecided::Arguments));
        // Names what nobody can read.
        strange.tail[LIST / 8] = 0x7_0000_0000_0000;
        assert_eq!(ask(&mut forms, &strange), Err(Undecided::Arguments));
        // No count, and not where a scalar was read from either.
        let mut strange = full(0, 0);
        (strange.tail[0], strange.tail[2]) = (0xFF, 1 << 60 | 5);
        assert_eq!(ask(&mut forms, &strange), Err(Undecided::Arguments));
        assert_eq!(forms.known, None);
    }

    #[test]
    fn a_mask_is_any_word_at_all() {
        // Of the arguments that there are, of more, of all that there can be; and ambiguous ones that are not named.
        for (mask, ambiguous) in
            [(0b101, 0), (0xFF, 0b10), (0xFFFF_FFFF_FFFF, 0), (u64::MAX, u64::MAX), (0, 1)]
        {
            for count in [0, 3] {
                let mut memory = full(count, address());
                memory.tail[..2].copy_from_slice(&[mask, ambiguous]);
                let mut forms = Forms::default();
                assert_eq!(ask(&mut forms, &memory).unwrap().count, count, "{mask:x} {ambiguous:x}");
                assert_eq!(forms.known, Some(Form::Full));
            }
        }
        // What looks like a mask and like a list is the list if its entries are tasks.
        let mut memory = slim(2, 0);
        memory.tail[2] = 0x7F00_0000_0002;
        let mut forms = Forms::default();
        assert_eq!(ask(&mut forms, &memory).unwrap().count, 2);
        assert_eq!(forms.known, Some(Form::Slim));
    }

    #[test]
    fn what_could_not_be_looked_at_proves_nothing() {
        let none =
            |first, beyond| decide(first, beyond, (2, 1), |_| unreachable!("nothing can be looked at"));
        assert_eq!(none([0; 3], Beyond::Unseen), Err(Undecided::Unseen));
        assert_eq!(none([0b101, 0, 0], Beyond::Unseen), Err(Undecided::Unseen));
        assert_eq!(none([0; 3], Beyond::Nothing), Ok((Some(Form::Slim), List::default())));
        assert_eq!(none([0b101, 0, 0], Beyond::Nothing), Err(Undecided::Arguments));
        // A count, which cannot be where a scalar was read from.
        let list = [address(), 0, 3];
        for beyond in [Beyond::Unseen, Beyond::Nothing] {
            assert_eq!(none(list, beyond), Ok((Some(Form::Slim), List::of(list))));
        }
        // It is not mapped: the last page that a process can have begins further down.
        let nowhere = core::ptr::without_provenance(0x7FFF_FFFF_F000);
        let mut forms = Forms::default();
        assert!(matches!(forms.look(nowhere), Beyond::Nothing));
        assert!(forms.peek.is_some());
        assert!(matches!(forms.look((&raw const IDS).cast()), Beyond::Words(_) | Beyond::Nothing));
    }
}
