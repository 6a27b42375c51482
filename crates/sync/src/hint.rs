//! What a thread tells the processor: that it waits, or what it will write or read.

/// Says that this is a spin-wait. Under loom and shuttle it gives the other threads a turn, without which a
/// spin never ends.
#[inline(always)]
pub fn spin_loop() {
    #[cfg(not(any(prewire_loom, prewire_shuttle)))]
    core::hint::spin_loop();
    #[cfg(prewire_loom)]
    loom::thread::yield_now();
    #[cfg(prewire_shuttle)]
    shuttle::thread::yield_now();
}

/// Waits between two looks at what another thread writes, each of which takes the line away from it: 64 spin hints, half a
/// microsecond to one and a half.
///
/// ```
/// use prewire_sync::atomic::{AtomicBool, Ordering};
///
/// let done = AtomicBool::new(true);
/// // ORDERING: Acquire, "done"; pairs with nothing here.
/// while !done.load(Ordering::Acquire) {
///     prewire_sync::hint::between_looks();
/// }
/// ```
pub fn between_looks() {
    (0..if cfg!(any(prewire_loom, prewire_shuttle)) { 1 } else { 64 }).for_each(|_| spin_loop());
}

/// Says that the calling thread is about to write to `what`, so that its first cache line is on the way meanwhile, to be
/// written to. What was written by another processor last comes once then, and not first to be read and again to be written.
/// Changes nothing that a program can see; does nothing where there is no such instruction, and in models.
///
/// ```
/// use prewire_sync::atomic::{AtomicU64, Ordering};
///
/// let words = [const { AtomicU64::new(0) }; 4];
/// words.iter().for_each(prewire_sync::hint::will_write);
/// words.iter().for_each(|word| word.store(1, Ordering::Relaxed));
/// ```
#[inline(always)]
pub fn will_write<T>(what: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri), not(any(prewire_loom, prewire_shuttle))))]
    // SAFETY: a prefetch reads and writes nothing, and faults for no address; it leaves registers, flags and the stack alone.
    // x86-64 processors made since 2006 decode it, those without the feature as nothing. Some of the first, of 2004 and
    // 2005, refuse it: on those this crate does not run.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) what, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(any(prewire_loom, prewire_shuttle)))))]
    let _ = what;
}

/// Says that the calling thread will read `what`, so that its first cache line is on the way meanwhile. As
/// [`will_write`] beside that: changes nothing that a program can see, and does nothing in models.
///
/// ```
/// use prewire_sync::atomic::{AtomicU64, Ordering};
///
/// let words = [const { AtomicU64::new(7) }; 4];
/// words.iter().for_each(prewire_sync::hint::will_read);
/// assert_eq!(words[3].load(Ordering::Relaxed), 7);
/// ```
#[inline(always)]
pub fn will_read<T>(what: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri), not(any(prewire_loom, prewire_shuttle))))]
    // SAFETY: a prefetch reads and writes nothing, and faults for no address; it leaves registers, flags and the stack alone.
    // Every x86-64 processor has it.
    unsafe {
        core::arch::asm!("prefetcht0 [{}]", in(reg) what, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(any(prewire_loom, prewire_shuttle)))))]
    let _ = what;
}
