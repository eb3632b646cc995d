//! A token broker: obtains access tokens, keeps them, renews them before they end and hands them out.
//!
//! ```text
//! tokenkeep.toml ─▶ config ─▶ Provider ─▶ source ─┐
//!                                                 ▼
//!    store ◀── record, lease ──▶  manager: slot per key  ──▶ handle · subscriber
//!                                                 ▲
//!                                             scheduler
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tokenkeep::{TokenManager, config};
//!
//! let environment = |name: &str| std::env::var(name).ok();
//! let config = config::load("tokenkeep.toml".as_ref(), &environment).await?;
//! let manager = TokenManager::builder().config(config).build().await?;
//! manager.start();
//!
//! let graph = manager.handle("graph")?;
//! let token = graph.token().await?; // no lock, no allocation while it is good
//! let request = http::Request::get("https://graph.microsoft.com/v1.0/users")
//!     .header("authorization", token.authorization());
//! // On a 401: compares generations, so a thousand callers cause one refresh.
//! graph.reject(&token);
//!
//! manager.stop().await?; // saves what is under way
//! # Ok(())
//! # }
//! ```
//!
//! Start with [`TokenManager`]. A source of your own is a [`source::TokenSource`], a store of your own a
//! [`store::Store`]. What is in the folder `examples` needs neither an account nor a configuration:
//! `cargo run --example quick_start`, and `many_tenants`, `custom_source`, `own_store`, `axum_service`.

pub mod environment;
#[cfg(feature = "config")]
pub mod config;
pub mod provider;
pub mod key;
pub mod secret;
pub mod credentials;
pub mod budget;
pub mod fingerprint;
pub mod token;
pub mod failure;
pub mod expiry;
pub mod clock;
pub mod source;
#[cfg(feature = "stores")]
pub mod seal;
pub mod store;
mod manager;
mod subscriber;
pub mod status;
pub mod event;
pub mod error;

pub use clock::{Clock, Moment};
pub use credentials::Credentials;
pub use error::{Code, Error};
pub use event::Event;
pub use key::Key;
pub use manager::{
    Answer, CLEANUP_GRACE, CLEANUP_INTERVAL, Demand, ManagerBuilder, Reloaded, SourceSettings, TokenHandle,
    TokenManager, Trial, TrialLife, TrialToken,
};
pub use provider::Accounts;
pub use secret::Secret;
pub use status::{KeyState, Obstacle, Stats, Status, Warning};
pub use subscriber::Subscriber;
pub use token::Token;
