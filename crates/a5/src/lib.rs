//! The a5 chip: topology, registers, limits, as data. Nothing here runs; the simulator runs it.
//!
//! ```
//! let chip = prewire_a5::a5();
//! assert_eq!(chip.cores(), 108);
//! assert_eq!(chip.validate(), Ok(()));
//! ```
#![no_std]
#![forbid(unsafe_code)]

use prewire_platform::{ChipSpec, Limits, Registers, Tokens};

/// Clusters of one AIC and two AIV cores.
pub const CLUSTERS: u16 = 36;

/// Scheduler domains: the management processors that are left when one of the five runs the orchestrator.
pub const DOMAINS: u16 = 4;

/// Tensors that one core task may have.
pub const TASK_TENSORS: u16 = 32;

/// Scalars that one core task may have.
pub const TASK_SCALARS: u16 = 16;

/// Blocks of one SPMD task: the block number travels as a signed 16-bit word.
pub const BLOCKS: u16 = i16::MAX as u16;

/// Bytes of the register pages of a core: 0x1000 at 0, 0x2000 at 0x2400 and 0x1000 at 0x5000, 16 KiB in all,
/// decoded in one window that ends where the last page ends.
pub const BLOCK_BYTES: u32 = 0x6000;

/// Bytes of the register pages that exist inside the window.
pub const PAGE_BYTES: u32 = 0x4000;

/// Byte offset of the dispatch word (`DATA_MAIN_BASE`), in the first page.
pub const DISPATCH: u32 = 0xD0;

/// Byte offset of the condition word (`COND`), in the last page.
pub const CONDITION: u32 = 0x5108;

/// In the condition word: the token below this bit has finished.
pub const FINISHED_BIT: u32 = 1 << 31;

/// In the dispatch word: leave the loop. Tokens stay below it.
pub const EXIT: u32 = 0x7FFF_FFF0;

/// In the dispatch word: nothing to do.
pub const DISPATCH_IDLE: u32 = 0x7FFF_FFFD;

/// In the condition word: has left the loop.
pub const CORE_EXITED: u32 = 0x7FFF_FFFE;

/// In the condition word: has never run.
pub const CORE_IDLE: u32 = 0x7FFF_FFFF;

/// Ticks a second of the system counter.
pub const COUNTER_HZ: u64 = 1_000_000_000;

/// The whole chip: 36 clusters, 108 cores, four scheduler domains. Its dispatch path is always open.
#[must_use]
pub const fn a5() -> ChipSpec {
    ChipSpec {
        name: "a5",
        clusters: CLUSTERS,
        domains: DOMAINS,
        limits: Limits { task_tensors: TASK_TENSORS, task_scalars: TASK_SCALARS, blocks: BLOCKS },
        registers: Registers {
            block_bytes: BLOCK_BYTES,
            dispatch: DISPATCH,
            condition: CONDITION,
            fast_path: None,
        },
        tokens: Tokens {
            finished_bit: FINISHED_BIT,
            exit: EXIT,
            dispatch_idle: DISPATCH_IDLE,
            core_idle: CORE_IDLE,
            core_exited: CORE_EXITED,
        },
        counter_hz: COUNTER_HZ,
    }
}

const _: () = assert!(a5().validate().is_ok());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chip_is_valid_whole_and_in_parts() {
        assert_eq!(a5().validate(), Ok(()));
        for clusters in 1..=CLUSTERS {
            assert_eq!(a5().with_clusters(clusters).validate(), Ok(()), "{clusters} clusters");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_chip() {
        let chip = a5();
        assert_eq!((chip.name, chip.cores(), chip.aiv_cores(), chip.domains), ("a5", 108, 72, 4));
        assert_eq!((chip.registers.dispatch, chip.registers.condition), (0xD0, 0x5108));
        assert_eq!(chip.counter_hz, 1_000_000_000);
        const { assert!(CONDITION < BLOCK_BYTES, "the condition word is inside the window") };
    }

    #[test]
    fn it_differs_from_a2a3_where_the_chips_differ_and_nowhere_else() {
        let (a5, a2a3) = (a5(), prewire_a2a3::a2a3());
        assert_ne!(a5.name, a2a3.name);
        assert_ne!(a5.clusters, a2a3.clusters);
        assert_ne!(a5.domains, a2a3.domains);
        assert_ne!(a5.registers, a2a3.registers);
        assert_ne!(a5.counter_hz, a2a3.counter_hz);
        assert!(a5.registers.fast_path.is_none() && a2a3.registers.fast_path.is_some());
        assert_eq!(a5.limits, a2a3.limits);
        assert_eq!(a5.tokens, a2a3.tokens);
    }
}
