//! What travels between a broker and those who use it: the JSON of every route, as types.
//!
//! The server writes these types and a client reads them, so both agree by construction. A reader must pass over
//! members it does not know; words that it does not know become [`State::Unknown`] and [`ProblemCode::Unknown`]. So a
//! newer broker can say more without breaking older clients.
//!
//! Times are RFC 3339 in UTC with whole seconds, rounded down. Lengths of time are whole seconds: rounded down where
//! they say how long something is still good, rounded up where they say how long to wait.
//!
//! With the feature `client` there is a client with a method for each route.

#[cfg(feature = "client")]
pub mod client;
pub mod headers;

mod cleanup;
mod credentials;
mod debug_token;
mod health;
mod oauth;
mod problem;
mod readiness;
mod reject;
mod stats;
mod status;
mod token;
mod trial;
mod warning;

pub use cleanup::CleanupAnswer;
pub use credentials::{CredentialsRequest, StoredAnswer};
pub use debug_token::{DebugTokenAnswer, DebugTokenInfo, DebugTokenMetrics};
pub use health::{HealthAnswer, HealthState, HealthTokens};
pub use oauth::{OAuthError, OAuthMetadata, OAuthToken};
pub use problem::{Problem, ProblemCode};
pub use readiness::Readiness;
pub use reject::{RejectAnswer, RejectRequest};
pub use stats::StatsAnswer;
pub use status::{FailureAnswer, Obstacle, State, StatusAnswer, TokenPage};
pub use token::TokenAnswer;
pub use trial::{TrialAnswer, TrialReply, TrialStep, TrialToken};
pub use warning::WarningAnswer;
