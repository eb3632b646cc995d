//! Real servers for the tests of stores: from the system's packages, on throwaway folders and free ports.
//!
//! The hard problem is their end: a test process that panics, hangs or is killed runs no destructor. So each server is
//! the child of a small script that waits for the end of its input, which is a pipe from the test process: however that
//! ends, the kernel closes the pipe, the script stops the server and removes the folder.
//!
//! Where a server is not installed, starting it panics and says what installs it: `./test` does.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test that has no server fails, and says why")]

mod pgbouncer;
mod postgres;
mod process;
mod redis;
mod relay;

pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use process::free_port;
pub use redis::Redis;
pub use relay::{Link, Relay};
