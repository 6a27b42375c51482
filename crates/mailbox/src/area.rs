//! The one mapping of a parent: its block, then a mailbox for each child, laid over memory that somebody else made.

use crate::child::ChildEnd;
use crate::error::{AreaError, BeginError};
use crate::layout::{Block, FRAME_BYTES, MAGIC, MAILBOX_BYTES, MAX_CHILDREN, Mailbox, PAGE, VERSION};
use crate::parent::ParentEnd;
use crate::word::Generation;
use core::fmt;
use prewire_os::{Mapping, Segment};
use prewire_sync::atomic::Ordering;
use std::sync::Arc;

/// Memory that an [`Area`] can be laid over.
///
/// # Safety
///
/// `start` and `bytes` never change while the value lives, moved or not. All of these bytes can be read and written for
/// as long, and nobody reaches them but through areas and, in other processes, whoever shares them.
pub unsafe trait Memory {
    /// The first byte.
    fn start(&self) -> *mut u8;
    /// How many there are.
    fn bytes(&self) -> usize;
}

// SAFETY: a mapping stays where it is until it is dropped, is readable and writable, and hands out a raw pointer only.
unsafe impl Memory for Mapping {
    fn start(&self) -> *mut u8 {
        self.as_ptr()
    }

    fn bytes(&self) -> usize {
        self.len()
    }
}

// SAFETY: as a mapping. That its pages can be given back is a write of zeros, such as any process that shares it may do
// at any time, and any bytes are an area.
unsafe impl Memory for Segment {
    fn start(&self) -> *mut u8 {
        self.as_ptr()
    }

    fn bytes(&self) -> usize {
        self.len()
    }
}

// SAFETY: it is the memory of what it shares, which lives as long.
unsafe impl<M: Memory> Memory for Arc<M> {
    fn start(&self) -> *mut u8 {
        (**self).start()
    }

    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

/// The mailboxes of a parent. Zeroed memory is one in which nothing has happened, and pages that no one uses are never
/// touched.
///
/// ```
/// use prewire_abi::TaskArgs;
/// use prewire_mailbox::{Area, Call, Generation, Work};
///
/// let memory = prewire_os::Mapping::new(Area::<prewire_os::Mapping>::bytes_for(1))?;
/// let area = Area::create(memory, 1)?;
/// let parent = area.parent(0).expect("there is one child");
/// parent.arm(Generation::FIRST)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let child = area.child(0, Generation::FIRST).expect("it is expected");
///         let _ = child.ready();
///         while let Some(Work::Task(task)) = child.wait(None) {
///             assert_eq!(task.args().unwrap().scalar(0), Ok(7));
///             let _ = task.finish();
///         }
///         let _ = child.leave();
///     });
///     let _ = parent.wait_started(None);
///     let mut args = TaskArgs::new();
///     args.add_scalar(7).expect("one scalar");
///     parent.post(1, &Call::default(), args.view()).expect("the child serves");
///     let mut attend = area.block().attend().expect("nobody else does");
///     while area.block().take_news() == 0 || parent.reap(1).is_none() {
///         attend.park(None, || false);
///     }
///     let _ = attend.stop();
///     parent.shut_down();
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Area<M> {
    memory: M,
    children: usize,
}

// SAFETY: an area gives out references to a block and to mailboxes, which are `Sync`, and `M` is moved along.
unsafe impl<M: Send> Send for Area<M> {}
// SAFETY: as above; of `M` it uses the address and the length, which never change.
unsafe impl<M: Sync> Sync for Area<M> {}

impl<M> Area<M> {
    /// The bytes of an area for that many children.
    #[must_use]
    pub const fn bytes_for(children: usize) -> usize {
        PAGE + children * MAILBOX_BYTES
    }
}

impl<M: Memory> Area<M> {
    /// Lays an area for `children` children over zeroed memory.
    ///
    /// # Errors
    ///
    /// Not 1 to [`MAX_CHILDREN`] children; memory that is too short, not on a page, or in use.
    pub fn create(memory: M, children: usize) -> Result<Self, AreaError> {
        let area = Self::over(memory, children)?;
        let block = area.block();
        if block.magic.load(Ordering::Relaxed) != 0 {
            return Err(AreaError::InUse);
        }
        block.version.store(VERSION, Ordering::Relaxed);
        block.children.store(children as u32, Ordering::Relaxed);
        block.mailbox_bytes.store(MAILBOX_BYTES as u32, Ordering::Relaxed);
        block.frame_bytes.store(FRAME_BYTES as u32, Ordering::Relaxed);
        // ORDERING: Release, "area-magic"; pairs with the load in open: who sees the magic sees the numbers.
        block.magic.store(MAGIC, Ordering::Release);
        Ok(area)
    }

    /// Opens the area that another process has made in this memory.
    ///
    /// # Errors
    ///
    /// There is none, or one of another layout.
    pub fn open(memory: M) -> Result<Self, AreaError> {
        let mut area = Self::over(memory, 1)?;
        let block = area.block();
        // ORDERING: Acquire, "area-magic"; pairs with the store in create.
        let magic = block.magic.load(Ordering::Acquire);
        let numbers = [
            ("the magic number", magic, MAGIC),
            ("the version", block.version.load(Ordering::Relaxed).into(), VERSION.into()),
            ("a mailbox's size", block.mailbox_bytes.load(Ordering::Relaxed).into(), MAILBOX_BYTES as u64),
            ("a frame's size", block.frame_bytes.load(Ordering::Relaxed).into(), FRAME_BYTES as u64),
        ];
        if let Some((field, found, expected)) =
            numbers.into_iter().find(|(_, found, expected)| found != expected)
        {
            return Err(AreaError::Foreign { field, found, expected });
        }
        let children = block.children.load(Ordering::Relaxed) as usize;
        area.children = Self::check(&area.memory, children)?;
        Ok(area)
    }

    fn over(memory: M, children: usize) -> Result<Self, AreaError> {
        let children = Self::check(&memory, children)?;
        Ok(Self { memory, children })
    }

    fn check(memory: &M, children: usize) -> Result<usize, AreaError> {
        if !(1..=MAX_CHILDREN).contains(&children) {
            return Err(AreaError::Children { children, max: MAX_CHILDREN });
        }
        let (address, have, need) = (memory.start().addr(), memory.bytes(), Self::bytes_for(children));
        if have < need || !address.is_multiple_of(PAGE) {
            return Err(AreaError::Memory { address, have, need });
        }
        Ok(children)
    }

    /// How many children there are.
    #[must_use]
    pub const fn children(&self) -> usize {
        self.children
    }

    /// What the memory is of.
    #[must_use]
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// The parent block.
    #[must_use]
    pub fn block(&self) -> &Block {
        // SAFETY: the memory is at least this long, on a page and lives as long as `self`. Any bytes are a block, and all
        // of it that is ever written is atomic.
        unsafe { &*self.memory.start().cast::<Block>() }
    }

    /// The mailbox of child `child`, if there is such a child.
    #[must_use]
    pub fn mailbox(&self, child: u32) -> Option<&Mailbox> {
        let child = child as usize;
        if child >= self.children {
            return None;
        }
        // SAFETY: the mailbox is inside the memory, which has bytes for all children.
        let at = unsafe { self.memory.start().add(PAGE + child * MAILBOX_BYTES) };
        // SAFETY: it is inside the memory, on a page, and lives as long as `self`. Any bytes are a mailbox, and all of it
        // that is ever written is atomic or in a cell.
        Some(unsafe { &*at.cast::<Mailbox>() })
    }

    /// The parent's side of child `child`.
    #[must_use]
    pub fn parent(&self, child: u32) -> Option<ParentEnd<'_>> {
        Some(ParentEnd::new(self.mailbox(child)?, child))
    }

    /// Begins as child `child` of `generation`.
    ///
    /// # Errors
    ///
    /// The parent does not expect it.
    ///
    /// # Panics
    ///
    /// If there is no such child.
    #[track_caller]
    pub fn child(&self, child: u32, generation: Generation) -> Result<ChildEnd<'_>, BeginError> {
        let mailbox = self.mailbox(child);
        let mailbox =
            mailbox.unwrap_or_else(|| panic!("there are {} children, no child {child}", self.children));
        ChildEnd::begin(mailbox, self.block(), child, generation)
    }
}

impl Area<Mapping> {
    /// Overwrites bytes of the area, as a peer that has gone wild would: to see what the other side makes of them. Bytes
    /// past its end are left out.
    pub fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        let end = Self::bytes_for(self.children);
        let at = at.min(end);
        let len = bytes.len().min(end - at);
        // SAFETY: `at` is at most the end of the area, which is inside the memory.
        let to = unsafe { self.memory.start().add(at) };
        // SAFETY: `len` bytes after `to` are in the area, which `&mut self` says nobody of this process refers to; `bytes`
        // is a reference, so it is not part of it.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, len) };
    }
}

impl<M> fmt::Debug for Area<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Area").field("children", &self.children).finish_non_exhaustive()
    }
}
