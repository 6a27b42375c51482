//! What a waiting thread tells the processor.

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
