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
