//! The types that cross a process, a device or a library boundary of prewire, with their sizes and offsets asserted.
