//! Real programs for the chips, each with an independent golden.
