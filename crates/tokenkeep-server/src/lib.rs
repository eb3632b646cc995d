//! Hands out tokens over HTTP, on loopback ports and unix sockets.
//!
//! ```text
//! server ─▶ listen ─▶ accept ─▶ connection ─▶ observe ─▶ browser ─▶ caller ─▶ routes ─▶ manager
//!           (unix_socket)       (idle, drain)  (log,      (Host,     (who)       │ app: name ─▶ key, if allowed
//!                                              panic)     Origin)                ▼
//!                                                                 answer ◀── or problem
//! ```
//!
//! A request passes from left to right. Whoever refuses it answers a [`tokenkeep_api::Problem`], so that a caller finds
//! the same form everywhere. What is answered is described in `tokenkeep-api`; the conversions are in `answer`.
//!
//! `examples/beside_a_server.rs` is a program that uses its tokens itself and serves them to its neighbours.

mod server;

mod accept;
mod connection;
mod listen;
mod tasks;
#[cfg(unix)]
mod unix_socket;

mod app;
mod audit;
mod browser;
mod caller;
mod hand_out;
mod metrics;
mod observe;
mod peer;
mod proxy;
mod request_id;
mod routes;
mod sight;
mod sums;

pub mod answer;
mod problem;
mod query;

pub use server::{DEFAULT_LISTEN, Limits, Server, ServerControl};
