//! What a waiting thread tells the processor.

/// Says that this is a spin-wait. Under loom it gives the other threads a turn, without which a spin never ends.
#[inline(always)]
pub fn spin_loop() {
    #[cfg(not(prewire_loom))]
    core::hint::spin_loop();
    #[cfg(prewire_loom)]
    loom::thread::yield_now();
}
