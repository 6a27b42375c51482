//! The a2a3 chip: topology, registers, limits.
