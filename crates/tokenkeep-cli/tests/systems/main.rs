//! The systems that tokenkeep replaces: each line of what their users depend on is a law here, named by its number, and
//! driven by the configuration that `examples/` ships.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod bluestakes;
mod persistence;
mod revos;
mod stories;
mod support;
mod table;
mod verteil;
mod whodis;
