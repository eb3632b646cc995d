//! Counts of tokens, as JSON.

use serde::{Deserialize, Serialize};

/// How many tokens are kept; each is one of the last three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatsAnswer {
    /// All of them.
    pub total_cached: usize,
    /// Good, and not yet to be renewed.
    pub valid_tokens: usize,
    /// Over or too near to its end to be handed out, or refused by the resource server.
    pub expired_tokens: usize,
    /// Good, and to be renewed.
    pub expiring_soon: usize,
}
