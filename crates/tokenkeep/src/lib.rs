//! A token broker: obtains access tokens, keeps them, renews them before they end and hands them out.
//!
//! ```text
//! tokenkeep.toml ─▶ config ─▶ Provider ─▶ source ─┐
//!                                                 ▼
//!    store ◀── record, lease ──▶  manager: slot per key  ──▶ handle · subscriber
//!                                                 ▲
//!                                             scheduler
//! ```

pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod expiry;
pub mod failure;
pub mod fingerprint;
pub mod key;
mod manager;
pub mod provider;
pub mod secret;
pub mod source;
pub mod status;
pub mod store;
mod subscriber;
pub mod token;

pub use clock::{Clock, Moment};
pub use error::{Code, Error};
pub use event::Event;
pub use key::Key;
pub use manager::{Accounts, Answer, Demand, ManagerBuilder, TokenHandle, TokenManager};
pub use secret::Secret;
pub use status::{KeyState, Status, Warning};
pub use subscriber::Subscriber;
pub use token::Token;
