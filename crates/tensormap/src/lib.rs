//! Regions of memory to the tasks that last wrote and since read them.
