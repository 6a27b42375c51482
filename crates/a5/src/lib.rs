//! The a5 chip: topology, registers, limits.
