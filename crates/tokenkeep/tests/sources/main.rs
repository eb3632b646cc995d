//! The sources, as a manager uses them, against issuers on real HTTP.
//!
//! What an issuer can answer stands in `answers/`, one folder for each quirk, and needs no code; what a login can look
//! like stands in `logins/`. What happens on the way, and what a source asks for, is told by the sandbox or by an issuer
//! that plays back bytes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers outside of test functions may fail a test too")]

mod answers;
mod client_credentials;
#[cfg(unix)]
mod command;
mod login;
mod logins;
mod network;
mod password;
mod refresh_token;
mod static_token;
mod support;
