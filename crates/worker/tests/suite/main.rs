//! What a worker does, with children in threads of this process: none of this depends on where children run.

mod common;
mod device;
mod oracle;
mod runs;
mod serve;
mod submit;
