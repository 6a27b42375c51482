//! Task slots, their edges and holds, and the rings that hold them.
