//! Adds the tokens of [`tokenkeep`] to the requests of a program: a middleware for `reqwest`, a layer for `tower`.
//!
//! ```text
//!             ┌────────── reject this generation, get another, once ─────────┐
//!             ▼                                                              │
//! request ─▶ may it go there? ─▶ add the token ─▶ client ─▶ answer ─▶ is the token refused? ─▶ answer
//!             │                        │
//!             └── error, nothing sent ─┘
//! ```
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/middleware/example.rs"));
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let (sandbox, manager) = example().await?;
//! # let api = sandbox.api_url();
//! use tokenkeep_middleware::TokenMiddleware;
//!
//! manager.start(); // renews tokens before they end
//! let tokens = TokenMiddleware::new(manager.handle("graph")?)?;
//! let client = reqwest::Client::builder().redirect(tokens.redirect_policy()).build()?;
//! let client = reqwest_middleware::ClientBuilder::new(client).with(tokens).build();
//!
//! let answer = client.get(format!("{api}/users")).send().await?; // with a token that is good
//! assert_eq!(answer.status(), 200);
//! # manager.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - **A token goes to the provider's `api_base` and nowhere else**, unless the program names more places
//!   ([`Authorizer::with_places`]). A request to any other address is an error: it is sent neither with the token nor
//!   without. Redirects are followed by the client below the middleware, so read on there.
//! - **Without a token nothing is sent.** If none can be had, the error is the [`tokenkeep::Error`] that says why.
//! - **A refused token is replaced once.** On a status of the provider's `reject_on` (401 unless configured) the
//!   generation of the token that was sent is rejected: a thousand requests that are refused together cause one token
//!   request. Then the request is sent once more, if its body could be kept for that; if not, the refusal is the
//!   answer, and the next request has another token. If no other token can be had, that is the error, since it says
//!   more than the refusal; if the token stays the same, as one that is configured does, nothing is sent again.
//! - **The second answer stands**, whatever it is. It does not reject the token that had just come: a caller without the
//!   right to something would otherwise cause two token requests instead of one. With an API that answers a missing
//!   right as it does a refused token, each such request still costs a token, at most one a second for each key, and
//!   other requests wait for that one too; if it has a status for each, configure only the right one in `reject_on`.
//! - **Nothing else is retried**: no other status, no broken connection. A middleware that does, as `reqwest-retry`,
//!   belongs outside of this one, so that each of its attempts has a token that is good then.
//! - **What the caller put into the token's header is replaced.** There are client libraries that insist on an API key;
//!   give them any text, it is not sent.
//! - **A proxy sees what it carries.** A client that finds an HTTP proxy in its environment sends what goes to `http://`
//!   addresses through it, with the token; give one for an API on this machine `no_proxy()`.
//! - **Dropping a request stops nothing for others.** A token that is being obtained is obtained all the same.
//!
//! # Features
//!
//! `reqwest` and `tower` are both on by default. With none there is the [`Authorizer`]: what both are made from, for a
//! client of another kind.

mod authorizer;
mod verdict;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "reqwest")]
mod middleware;
#[cfg(feature = "reqwest")]
mod redirect;

pub use authorizer::Authorizer;
#[cfg(feature = "tower")]
pub use layer::{AnswerFuture, BoxError, TokenLayer, TokenService};
#[cfg(feature = "reqwest")]
pub use middleware::TokenMiddleware;
pub use verdict::{Repeat, Verdict};
