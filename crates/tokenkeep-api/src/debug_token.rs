//! `GET /api/debug/token`: what an older monitoring expects.

use serde::{Deserialize, Serialize};

/// What may be told of a token to whoever looks for trouble. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DebugTokenAnswer {
    /// Always `success`.
    pub status: String,
    /// Whether there is a token that can be handed out.
    pub token_available: bool,
    /// The same in more words.
    pub token_info: DebugTokenInfo,
}

/// What is known of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DebugTokenInfo {
    /// Whether there is a token, good or not.
    pub has_token: bool,
    /// Whether it can be handed out.
    pub is_valid: bool,
    /// Seconds of life that are left; `null` if there is none or it does not end.
    pub expires_in: Option<u64>,
    /// Its end in Unix seconds; `null` if there is none or it does not end.
    pub expiry_time: Option<i64>,
    /// How it is used.
    pub metrics: DebugTokenMetrics,
}

/// How a token is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DebugTokenMetrics {
    /// How many tokens of this key were obtained.
    pub token_generations: u64,
    /// How often this process was asked for the key's token; 0 if 10,000 other keys were asked for before it.
    pub total_token_requests: u64,
}
