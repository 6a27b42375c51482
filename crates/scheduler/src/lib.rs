//! Ready routing, placement, dispatch, completion and reclaim.
