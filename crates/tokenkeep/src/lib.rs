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
//! ```toml
//! [providers.graph]
//! grant = "client_credentials"
//! token_url = "https://login.example.com/oauth2/token"
//! client_id = "reports"
//! client_secret = { env = "GRAPH_CLIENT_SECRET" }
//! ```
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sandbox = issuer().await?;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tokenkeep.toml");
//! # std::fs::write(&path, configuration(&sandbox))?;
//! # let users = format!("{}/users", sandbox.api_url());
//! # let client = reqwest::Client::builder().build()?;
//! use tokenkeep::TokenManager;
//!
//! let builder = TokenManager::builder().config_file(path); // tokenkeep.toml; or `config_text`
//! # let builder = builder.environment(environment);
//! let manager = builder.build().await?;
//! manager.start(); // renews tokens before they end
//!
//! let graph = manager.handle("graph")?; // of the table [providers.graph]
//! let token = graph.token().await?; // no lock, no allocation while it is good
//! let answer = client.get(users).header("authorization", token.authorization()).send().await?;
//! if answer.status() == 401 {
//!     graph.reject(&token); // of a thousand callers that do, one causes a refresh
//! }
//! # assert_eq!(answer.status(), 200);
//! manager.close().await?; // saves what is under way
//! # Ok(())
//! # }
//! ```
//!
//! # How it behaves
//!
//! - **Constructors spawn nothing and ask no issuer.** Without [`TokenManager::start`] a token is obtained or renewed
//!   when somebody asks and there is none good; with it, also ahead of time. [`TokenManager::stop`] ends that and waits
//!   for what is under way, [`TokenManager::close`] closes the store too.
//! - **Dropping a future stops nothing for others.** Work that must finish, such as saving a refresh token that was
//!   rotated, is on a task of the manager; the caller only waits for it.
//! - **A good token is never displaced by an error, and one that is over is never handed out.** While an issuer fails,
//!   callers get the token that there is, then an [`Error`] that says what happened and what to try.
//! - **All who ask for one key share one request**, also those of other processes with the same store.
//! - **Managers share nothing**: a program may have several, each with its own configuration, variables
//!   ([`ManagerBuilder::env_prefix`]) and store. What one spawns runs on the tokio runtime that it is used on; one of a
//!   single thread is enough.
//! - **No secret is shown** by a `Debug`, an error, an event or the log.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `config` (default) | configuration files, and vendors' logins, which they describe; with `grants`, `stores` |
//! | `sqlite` (default) | the `sqlite:` store; with `stores` |
//! | `postgres` | the `postgres:` store; with `stores` |
//! | `redis` | the `redis:` stores, for several machines; with `stores` |
//! | `grants` | the grants of OAuth token endpoints, and of programs that print a token; with `url` |
//! | `stores` | stores by their URL, the `file:` store, and what seals records ([`seal`]) |
//! | `url` | addresses that tokens must not leave ([`provider::ApiBase`]) |
//! | `store-contract` | the laws that every store keeps, for tests of your own |
//!
//! With `default-features = false` there are 52 dependencies, and with them the manager, the store in memory, fixed tokens
//! and sources of your own.
//!
//! # Where to go next
//!
//! Start with [`TokenManager`]. A source of your own is a [`source::TokenSource`], a store of your own a
//! [`store::Store`]. The crate `tokenkeep-middleware` adds tokens to the requests of `reqwest` and `tower` clients, and
//! repeats one whose token was refused. What is in the folders `examples` needs neither an account nor a configuration:
//! `cargo run --example quick_start`, and `many_tenants`, `llm_client`, `custom_source`, `own_store`, `axum_service`.

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
pub mod diagnosis;
pub mod event;
pub mod measurements;
pub mod error;

pub use clock::{Clock, Moment};
pub use credentials::Credentials;
pub use error::{Code, Error};
pub use event::Event;
pub use key::Key;
pub use manager::{
    Answer, CLEANUP_GRACE, CLEANUP_INTERVAL, Demand, Imported, ManagerBuilder, Reloaded, SourceSettings, TokenHandle,
    TokenManager, Trial, TrialLife, TrialToken,
};
pub use provider::Accounts;
pub use secret::Secret;
pub use status::{KeyState, Obstacle, Stats, Status, Warning};
pub use subscriber::Subscriber;
pub use token::Token;
