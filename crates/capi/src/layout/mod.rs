//! The records that compiled orchestration libraries touch, byte for byte.
