//! One chip's runtime: orchestrator, scheduler, kernels and runs on a platform.
