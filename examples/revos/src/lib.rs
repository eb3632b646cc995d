//! The parts of an application that used the Revos library: what a manager gives it, observers, and `GET /health`.
//!
//! `main.rs` is such an application, `tokenkeep.toml` its configuration, `chat.py` one in Python that needs no library,
//! and `README.md` says which old call became which new one.

mod chat;
mod health;
mod observers;

pub use chat::{Chatted, chat};
pub use health::health;
pub use observers::{Failure, Observers};

/// The shipped configuration, `tokenkeep.toml`.
pub const CONFIG: &str = include_str!("../tokenkeep.toml");
