//! A value on cache lines of its own.

/// Keeps `T` away from its neighbours: two lines on x86-64, whose prefetcher pulls lines in pairs. Reaches its
/// content by `Deref`.
pub type Padded<T> = crossbeam_utils::CachePadded<T>;
