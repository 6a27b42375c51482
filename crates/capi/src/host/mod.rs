//! What a front end calls: contexts, device memory, callables and runs.
