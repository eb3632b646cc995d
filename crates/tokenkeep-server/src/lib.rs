//! Hands out tokens over HTTP, on ports with TLS or without and on unix sockets.
//!
//! ```text
//! server ─▶ listen ─▶ accept ─▶ connection ─▶ observe ─▶ browser ─▶ caller ─▶ routes ─▶ manager
//!     (tls, unix_socket) (places)  (peer, idle,  (name, log, (Host,    (who)       │ app: name ─▶ key, if allowed
//!                                   drain, stall) count,      Origin)              │ hand_out: token, counted, audited
//!                                                panic)                            ▼
//!                                                                 answer ◀── or problem
//! ```
//!
//! A request passes from left to right. Whoever refuses it answers a [`tokenkeep_api::Problem`], so that a caller finds
//! the same form everywhere. What is answered is described in `tokenkeep-api`; the conversions are in `answer`.
//!
//! `examples/beside_a_server.rs` is a program that uses its tokens itself and serves them to its neighbours.

mod server;

mod accept;
mod activity;
mod connection;
mod listen;
mod peer;
mod places;
mod stall;
mod tasks;
mod tls;
#[cfg(unix)]
mod unix_socket;
mod watched;

mod app;
mod audit;
mod body;
mod browser;
mod caller;
mod connect;
mod dashboard;
mod front;
mod hand_out;
mod key_in_path;
mod metrics;
mod observe;
mod openapi;
mod proxy;
mod rate;
mod request_id;
mod routes;
mod sight;
mod stopwatch;
mod sums;
mod webhooks;

pub mod answer;
mod problem;
mod query;

pub use listen::PassedSocket;
pub use openapi::{OPENAPI, openapi_page};
pub use server::{DEFAULT_LISTEN, Limits, Server, ServerControl};
pub use tls::check as check_tls;
