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
pub mod error;
pub mod expiry;
pub mod failure;
pub mod fingerprint;
pub mod key;
pub mod provider;
pub mod secret;
pub mod source;
pub mod store;
pub mod token;

pub use clock::{Clock, Moment};
pub use error::{Code, Error};
pub use key::Key;
pub use secret::Secret;
pub use token::Token;
