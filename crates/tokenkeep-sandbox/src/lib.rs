//! A token issuer and a protected API on real HTTP, with faults to switch while it runs and
//! counters of what arrived.
//!
//! Tests of code that obtains tokens need an issuer that can be slow, silent, wrong or cut off at
//! a chosen moment, and that can say afterwards what was asked of it. The sandbox is that issuer:
//! a real server on a loopback port, steered from the test by [`Sandbox`] or from anywhere by
//! HTTP (`GET /sandbox` says how).
//!
//! ```text
//! POST /oauth2/token ─┐                ┌─▶ issuer: clients, users, tokens, rotation
//! POST /login         ├─▶ fault? ──────┤
//! ANY  /api/…, /llm/… ┘                └─▶ traffic: counters, log of arrivals
//!                        ▲
//! /sandbox/… ────────────┘
//! ```
//!
//! ```
//! use std::time::Duration;
//! use tokenkeep_sandbox::{Client, Fault, Sandbox};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::builder()
//!     .client(Client::new("reports", "reports-secret").life(Duration::from_secs(5)))
//!     .start()
//!     .await?;
//!
//! sandbox.set_fault(Fault::Status { status: 503, body: "down".into() }.times(1));
//!
//! let http = reqwest::Client::builder().build()?;
//! let ask = || {
//!     http.post(sandbox.token_url())
//!         .basic_auth("reports", Some("reports-secret"))
//!         .form(&[("grant_type", "client_credentials")])
//!         .send()
//! };
//! assert_eq!(ask().await?.status(), 503);
//! assert_eq!(ask().await?.status(), 200);
//! assert_eq!(sandbox.counters_of("reports").token_requests, 2);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod clock;

mod sandbox;
mod serve;

mod routes;

mod arrivals;
mod client;
mod counters;
mod fault;
mod issuer;
mod recent;
mod refusal;
mod traffic;

pub use arrivals::{Arrival, Outcome};
pub use client::{Client, Grant};
pub use counters::{ClientCounters, Counters, GrantCounters, UNKNOWN_CLIENT, VENDOR};
pub use fault::{Fault, FaultRule, Faults, OddBody, RetryAfter};
pub use refusal::Refusal;
pub use sandbox::{Sandbox, SandboxBuilder};
