//! The command line as its users see it: the real binary, in an environment that holds nothing else.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers outside of test functions may fail a test too")]

mod by_server;
mod config;
mod credentials;
mod deployment;
mod described;
mod dev;
mod doctor;
mod documents;
mod ends;
mod exec;
mod faults;
mod generated;
mod imports;
mod key;
mod kills;
mod get;
mod manage;
mod many;
mod postgres;
mod reload;
mod request;
mod reseal;
mod schema;
mod secrets;
mod serve;
mod signals;
mod status;
mod systemd;
mod terminal;
mod trials;
mod world;
