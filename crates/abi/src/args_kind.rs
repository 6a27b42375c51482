//! What a task does with an argument.

use crate::coded::coded;

coded! {
    /// How a task uses a tensor argument; hazards are inferred from it.
    TensorArgType: i32, "0 to 4" {
        /// Read.
        Input = 0, "INPUT";
        /// Fresh memory that the runtime allocates and the task writes.
        Output = 1, "OUTPUT";
        /// Read and written.
        InOut = 2, "INOUT";
        /// Memory that exists already, written without being read.
        OutputExisting = 3, "OUTPUT_EXISTING";
        /// Used, but no edge is inferred from it.
        NoDep = 4, "NO_DEP";
    }
}

impl TensorArgType {
    /// Whether hazards treat it as a read.
    #[must_use]
    #[inline]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Input | Self::InOut)
    }

    /// Whether hazards treat it as a write of memory that other tasks may know: `InOut` and `OutputExisting`, and
    /// `Output`, whose memory becomes known with this write.
    #[must_use]
    #[inline]
    pub const fn writes(self) -> bool {
        matches!(self, Self::Output | Self::InOut | Self::OutputExisting)
    }
}

coded! {
    /// The direction of one parameter in the signature of a callable.
    ArgDirection: i32, "0 to 3" {
        /// A 64-bit number.
        Scalar = 0, "SCALAR";
        /// A tensor that is read.
        In = 1, "IN";
        /// A tensor that is written.
        Out = 2, "OUT";
        /// A tensor that is read and written.
        InOut = 3, "INOUT";
    }
}

#[cfg(test)]
mod tests {
    use super::TensorArgType as T;

    #[test]
    fn reads_and_writes_follow_the_kind() {
        let table: [(T, bool, bool); 5] = [
            (T::Input, true, false),
            (T::Output, false, true),
            (T::InOut, true, true),
            (T::OutputExisting, false, true),
            (T::NoDep, false, false),
        ];
        for (kind, reads, writes) in table {
            assert_eq!((kind.reads(), kind.writes()), (reads, writes), "{kind}");
        }
    }
}
