//! `POST /tokens/{key}/reject`.

use serde::{Deserialize, Serialize};

/// Says that a resource server refused a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejectRequest {
    /// Which token of the key was refused: the `generation` that came with it.
    pub generation: u64,
}

/// What became of a rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RejectAnswer {
    /// Which key: `provider` or `provider:account`.
    pub key: String,
    /// The generation that the caller named.
    pub generation: u64,
    /// Whether that one is handed out no more because of this call; `false` if it was no longer the present one.
    pub rejected: bool,
}
