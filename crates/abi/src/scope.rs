//! How edges come about inside a scope.

use crate::coded::coded;

coded! {
    /// Whether a scope infers edges.
    ScopeMode: u8, "0 (auto), 1 (manual)" {
        /// Edges are inferred from the tensors, and explicit ones added.
        Auto = 0, "AUTO";
        /// Only explicit edges count.
        Manual = 1, "MANUAL";
    }
}
