//! The server as its callers see it: over real sockets, with a real manager and a real issuer behind it.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod addresses;
mod audits;
mod auth;
mod browsers;
mod callers;
mod certificates;
mod client_certificates;
mod client;
mod connections;
mod dashboard;
mod described;
mod fakes;
mod forward_auth;
mod floods;
mod health;
mod limits;
mod interop;
mod lists;
mod metrics;
mod manage;
mod peers;
mod oauth2;
mod oauth2_clients;
mod permissions;
mod problems;
mod proxy;
mod raw;
mod request_ids;
mod secrets;
mod stopping;
mod store_troubles;
mod tls;
mod tls_reload;
mod tokens;
mod watch;
mod watch_ends;
mod watcher;
mod webhooks;
mod world;
