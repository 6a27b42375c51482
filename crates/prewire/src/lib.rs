//! Task graphs on NPU chips, and on their simulators.
