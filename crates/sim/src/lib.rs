//! Simulated cores for any chip description, on a small pool of threads or on one thread under a seed.
