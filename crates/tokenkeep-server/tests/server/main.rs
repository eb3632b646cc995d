//! The server as its callers see it: over real sockets, with a real manager and a real issuer behind it.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod addresses;
mod audits;
mod browsers;
mod callers;
mod connections;
mod fakes;
mod health;
mod lists;
mod metrics;
mod manage;
mod permissions;
mod problems;
mod raw;
mod request_ids;
mod secrets;
mod stopping;
mod tokens;
mod watch;
mod watch_ends;
mod watcher;
mod world;
