//! Several brokers that share one store, as a fleet of machines does: real processes, a real server for the store, and
//! an issuer that counts. Members die, stand still, and lose their links.
//!
//! Some laws are about rounds, lives or seconds of which the suite has time for few. `TOKENKEEP_FLEET=full` has them run
//! through all, as [`Extent`] says, which takes half an hour or more.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers outside of test functions may fail a test too, and say what was measured"
)]

mod budgets;
mod callers;
mod deaths;
mod extent;
mod fleet;
mod lives;
mod member;
mod news;
mod place;
mod start_up;
mod store_away;

pub(crate) use extent::Extent;
