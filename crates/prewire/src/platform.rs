//! Platforms by name, as command lines and environments spell them.

use prewire_chip::{Chip, ChipBuilder, Error, Result};

/// The names of the platforms that can be used: the simulators.
pub const PLATFORMS: [&str; 2] = ["a2a3sim", "a5sim"];

/// Begins a chip on the platform of that name: `a2a3sim`, `a5sim`, or, with hardware, `a2a3` or `a5`.
///
/// # Errors
///
/// There is no such platform; or it needs hardware that cannot be driven here, and the error names the simulator.
///
/// ```
/// assert_eq!(prewire::platform("a5sim")?.build()?.spec().cores(), 108);
/// let error = prewire::platform("a5").unwrap_err();
/// assert!(error.to_string().contains("platform a5sim"));
/// # Ok::<(), prewire::Error>(())
/// ```
pub fn platform(name: &str) -> Result<ChipBuilder> {
    match name {
        "a2a3sim" => Ok(Chip::sim(crate::a2a3())),
        "a5sim" => Ok(Chip::sim(crate::a5())),
        "a2a3" => Chip::hardware(crate::a2a3()),
        "a5" => Chip::hardware(crate::a5()),
        _ => Err(Error::UnknownPlatform { name: name.into(), known: "a2a3sim, a5sim, a2a3 and a5" }),
    }
}
