//! Windows of shared memory, barriers and domains, for chips in several processes that work together.
