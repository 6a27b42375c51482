//! The description of a chip: how many cores, which registers, which numbers they speak.

use core::fmt;

/// The kind of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Core {
    /// The cube core: matrix multiply. One a cluster.
    Aic,
    /// The vector core. Two a cluster.
    Aiv,
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aic => "AIC",
            Self::Aiv => "AIV",
        })
    }
}

/// A chip, as data. `prewire-a2a3` and `prewire-a5` hold one each; the simulator runs any that
/// [`validate`](ChipSpec::validate) accepts.
///
/// Cores are numbered as the chips number them: all AIC first, then the AIV in pairs, so that cluster `c` of `n` is
/// `{c, n + 2c, n + 2c + 1}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipSpec {
    /// The family, as users spell it: `"a2a3"`, `"a5"`.
    pub name: &'static str,
    /// How many clusters of one AIC and two AIV cores: 1 to 40.
    pub clusters: u16,
    /// How many management processors run a scheduler domain: 1 to 8. Clusters are dealt to them in turn.
    pub domains: u16,
    /// What a task may ask for.
    pub limits: Limits,
    /// Where the registers of a core are.
    pub registers: Registers,
    /// What is written into them.
    pub tokens: Tokens,
    /// Ticks a second of the system counter.
    pub counter_hz: u64,
}

/// What a task may ask of a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tensors of one task.
    pub task_tensors: u16,
    /// Scalars of one task.
    pub task_scalars: u16,
    /// Blocks of one SPMD task.
    pub blocks: u16,
}

/// The registers of a core, as byte offsets in its register block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Bytes of the block that one core decodes.
    pub block_bytes: u32,
    /// The dispatch word (`DATA_MAIN_BASE`): the scheduler writes, the core reads.
    pub dispatch: u32,
    /// The condition word (`COND`): the core writes, the scheduler reads.
    pub condition: u32,
    /// The word that opens the dispatch path of a core, on chips that have one.
    pub fast_path: Option<FastPath>,
}

/// The word that opens and closes the dispatch path of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastPath {
    /// Byte offset in the register block.
    pub offset: u32,
    /// Written before the first dispatch.
    pub open: u32,
    /// Written after the last.
    pub close: u32,
}

/// The numbers that the dispatch and the condition word carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Set in the condition word when the token below it has finished; clear when it was only taken up.
    pub finished_bit: u32,
    /// In the dispatch word: leave the loop. Tokens stay below it.
    pub exit: u32,
    /// In the dispatch word: nothing to do.
    pub dispatch_idle: u32,
    /// In the condition word, below the finished bit: has never run.
    pub core_idle: u32,
    /// In the condition word, below the finished bit: has left the loop.
    pub core_exited: u32,
}

/// Names one dispatch to one core. The low bit is the payload buffer that it uses, so consecutive tokens alternate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Token(pub u32);

impl Tokens {
    /// The token after `last`: one more, or, where that would reach [`exit`](Tokens::exit), the first one of
    /// the same parity as the one skipped, so that the payload buffers go on alternating.
    #[must_use]
    pub fn after(&self, last: Token) -> Token {
        let next = last.0 + 1;
        if next < self.exit { Token(next) } else { Token(2 + (next & 1)) }
    }

    /// The token before the first, for which every core is idle.
    #[must_use]
    pub const fn none(&self) -> Token {
        Token(1)
    }
}

impl ChipSpec {
    /// All cores.
    #[must_use]
    pub const fn cores(&self) -> u16 {
        self.clusters * 3
    }

    /// All vector cores.
    #[must_use]
    pub const fn aiv_cores(&self) -> u16 {
        self.clusters * 2
    }

    /// The same chip with other numbers of clusters and scheduler domains: a part of it, as a simulator or a
    /// partitioned device offers it.
    #[must_use]
    pub const fn with_clusters(mut self, clusters: u16) -> Self {
        self.clusters = clusters;
        if self.domains > clusters {
            self.domains = clusters;
        }
        self
    }

    /// The same chip with another number of scheduler domains.
    #[must_use]
    pub const fn with_domains(mut self, domains: u16) -> Self {
        self.domains = domains;
        self
    }

    /// Whether the numbers can be a chip.
    ///
    /// # Errors
    ///
    /// The field that is out of its range, and the range.
    pub const fn validate(&self) -> Result<(), &'static str> {
        if self.clusters == 0 || self.clusters > 40 {
            return Err("clusters must be 1 to 40");
        }
        if self.domains == 0 || self.domains > 8 || self.domains > self.clusters {
            return Err("domains must be 1 to 8, and at most one a cluster");
        }
        if self.registers.dispatch >= self.registers.block_bytes
            || self.registers.condition >= self.registers.block_bytes
            || self.registers.dispatch == self.registers.condition
        {
            return Err("the dispatch and condition registers must be two words of the register block");
        }
        if self.tokens.finished_bit.count_ones() != 1 || self.tokens.exit >= self.tokens.finished_bit {
            return Err("tokens must stay below the finished bit");
        }
        let idle = [self.tokens.dispatch_idle, self.tokens.core_idle, self.tokens.core_exited];
        if self.tokens.exit < 4
            || idle[0] < self.tokens.exit
            || idle[1] < self.tokens.exit
            || idle[2] < self.tokens.exit
        {
            return Err(
                "there must be tokens from 0 to 3 below the exit word, and the idle words must not be tokens",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small chip with the least room in every number.
    const LEAST: ChipSpec = ChipSpec {
        name: "least",
        clusters: 1,
        domains: 1,
        limits: Limits { task_tensors: 1, task_scalars: 1, blocks: 1 },
        registers: Registers { block_bytes: 8, dispatch: 0, condition: 4, fast_path: None },
        tokens: Tokens { finished_bit: 8, exit: 4, dispatch_idle: 4, core_idle: 5, core_exited: 6 },
        counter_hz: 1,
    };

    /// That `LEAST` with `change` is refused, and with words about it.
    #[track_caller]
    fn refused(words: &str, change: impl Fn(&mut ChipSpec)) {
        let mut spec = LEAST;
        change(&mut spec);
        let error = spec.validate().expect_err("this is no chip");
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    }

    /// That `LEAST` with `change` is a chip.
    #[track_caller]
    fn accepted(change: impl Fn(&mut ChipSpec)) {
        let mut spec = LEAST;
        change(&mut spec);
        assert_eq!(spec.validate(), Ok(()));
    }

    #[test]
    fn clusters_and_domains_are_within_their_ranges() {
        accepted(|_| {});
        accepted(|spec| (spec.clusters, spec.domains) = (40, 8));
        accepted(|spec| (spec.clusters, spec.domains) = (8, 8));
        for clusters in [0, 41, u16::MAX] {
            refused("clusters must be 1 to 40", |spec| spec.clusters = clusters);
        }
        for domains in [0, 9, u16::MAX] {
            refused("domains must be 1 to 8", |spec| (spec.clusters, spec.domains) = (40, domains));
        }
        refused("at most one a cluster", |spec| (spec.clusters, spec.domains) = (3, 4));
    }

    #[test]
    fn the_two_registers_are_two_words_of_the_block() {
        accepted(|spec| (spec.registers.dispatch, spec.registers.condition) = (4, 0));
        refused("words of the register block", |spec| spec.registers.dispatch = 8);
        refused("words of the register block", |spec| spec.registers.condition = 8);
        refused("words of the register block", |spec| spec.registers.condition = u32::MAX);
        refused("two words", |spec| spec.registers.condition = 0);
        refused("words of the register block", |spec| spec.registers.block_bytes = 0);
    }

    #[test]
    fn the_finished_bit_is_one_bit_above_all_tokens() {
        accepted(|spec| spec.tokens.finished_bit = 1 << 31);
        for bits in [0, 3, 12, u32::MAX] {
            refused("below the finished bit", |spec| spec.tokens.finished_bit = bits);
        }
        for exit in [8, 9, u32::MAX] {
            refused("below the finished bit", |spec| spec.tokens.exit = exit);
        }
    }

    /// With fewer, one that is skipped has no successor of its own parity.
    #[test]
    fn there_are_tokens_from_0_to_3_below_the_exit_word() {
        for exit in 0..4 {
            refused("tokens from 0 to 3 below the exit word", |spec| spec.tokens.exit = exit);
        }
    }

    /// A core that says so would be taken for one that runs, or has finished, that token.
    #[test]
    fn an_idle_word_is_no_token() {
        for token in 0..4 {
            refused("the idle words must not be tokens", |spec| spec.tokens.dispatch_idle = token);
            refused("the idle words must not be tokens", |spec| spec.tokens.core_idle = token);
            refused("the idle words must not be tokens", |spec| spec.tokens.core_exited = token);
        }
    }

    /// What is accepted has tokens that never reach the exit word, and alternate for ever.
    #[test]
    fn the_tokens_of_the_least_chip_alternate_and_stay_below_the_exit_word() {
        let mut token = LEAST.tokens.none();
        for _ in 0..20 {
            let next = LEAST.tokens.after(token);
            assert!(next.0 < LEAST.tokens.exit, "{next:?}");
            assert_ne!(next.0 & 1, token.0 & 1, "{next:?} after {token:?}");
            token = next;
        }
    }
}
