//! The a2a3 chip: topology, registers, limits, as data. Nothing here runs; the simulator runs it.
//!
//! ```
//! let chip = prewire_a2a3::a2a3();
//! assert_eq!(chip.cores(), 72);
//! assert_eq!(chip.validate(), Ok(()));
//! ```
#![no_std]
#![forbid(unsafe_code)]

use prewire_platform::{ChipSpec, FastPath, Limits, Registers, Tokens};

/// Clusters of one AIC and two AIV cores.
pub const CLUSTERS: u16 = 24;

/// Scheduler domains: the management processors that are left when one of the four runs the orchestrator.
pub const DOMAINS: u16 = 3;

/// Tensors that one core task may have.
pub const TASK_TENSORS: u16 = 32;

/// Scalars that one core task may have.
pub const TASK_SCALARS: u16 = 16;

/// Blocks of one SPMD task: the block number travels as a signed 16-bit word.
pub const BLOCKS: u16 = i16::MAX as u16;

/// Bytes of the register block of a core.
pub const BLOCK_BYTES: u32 = 0x1400;

/// Byte offset of the dispatch word (`DATA_MAIN_BASE`).
pub const DISPATCH: u32 = 0xA0;

/// Byte offset of the condition word (`COND`).
pub const CONDITION: u32 = 0x4C8;

/// The word (`FAST_PATH_ENABLE`) that opens and closes the dispatch path of a core.
pub const FAST_PATH: FastPath = FastPath { offset: 0x18, open: 0xE, close: 0xF };

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
pub const COUNTER_HZ: u64 = 50_000_000;

/// The whole chip: 24 clusters, 72 cores, three scheduler domains.
#[must_use]
pub const fn a2a3() -> ChipSpec {
    ChipSpec {
        name: "a2a3",
        clusters: CLUSTERS,
        domains: DOMAINS,
        limits: Limits { task_tensors: TASK_TENSORS, task_scalars: TASK_SCALARS, blocks: BLOCKS },
        registers: Registers {
            block_bytes: BLOCK_BYTES,
            dispatch: DISPATCH,
            condition: CONDITION,
            fast_path: Some(FAST_PATH),
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

const _: () = assert!(a2a3().validate().is_ok());

#[cfg(test)]
mod tests {
    use super::*;
    use prewire_platform::Token;

    #[test]
    fn the_chip_is_valid_whole_and_in_parts() {
        assert_eq!(a2a3().validate(), Ok(()));
        for clusters in 1..=CLUSTERS {
            assert_eq!(a2a3().with_clusters(clusters).validate(), Ok(()), "{clusters} clusters");
        }
        assert!(a2a3().with_clusters(0).validate().is_err());
    }

    #[test]
    fn the_numbers_are_those_of_the_chip() {
        let chip = a2a3();
        assert_eq!((chip.name, chip.cores(), chip.aiv_cores(), chip.domains), ("a2a3", 72, 48, 3));
        assert_eq!((chip.registers.dispatch, chip.registers.condition), (0xA0, 0x4C8));
        assert_eq!(chip.registers.block_bytes, 0x1400);
        assert_eq!(chip.registers.fast_path.map(|f| (f.offset, f.open, f.close)), Some((0x18, 0xE, 0xF)));
        assert_eq!(chip.counter_hz, 50_000_000);
    }

    #[test]
    fn no_token_is_taken_for_a_word_with_a_meaning() {
        let tokens = a2a3().tokens;
        let mut token = Token(tokens.exit - 3);
        for _ in 0..8 {
            let next = tokens.after(token);
            assert_ne!(next.0 & 1, token.0 & 1, "{token:?} and {next:?} share a payload buffer");
            assert!(next.0 < tokens.exit, "{next:?}");
            token = next;
        }
    }
}
