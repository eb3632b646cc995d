//! The server as its callers see it: over real sockets, with a real manager and a real issuer behind it.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod addresses;
mod auth;
mod browsers;
mod callers;
mod connections;
mod fakes;
mod forward_auth;
mod health;
mod interop;
mod lists;
mod manage;
mod oauth2;
mod oauth2_clients;
mod permissions;
mod problems;
mod raw;
mod secrets;
mod stopping;
mod tokens;
mod world;
