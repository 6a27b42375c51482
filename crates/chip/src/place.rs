//! The place of a cluster that a sub-task runs in.

/// The place of a cluster that a sub-task runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The cube core.
    Aic,
    /// The first vector core.
    Aiv0,
    /// The second vector core.
    Aiv1,
}

impl Place {
    /// Of the number that a sub-task has for it.
    pub(crate) const fn of(number: u16) -> Self {
        match number {
            0 => Self::Aic,
            1 => Self::Aiv0,
            _ => Self::Aiv1,
        }
    }
}
