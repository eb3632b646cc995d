//! `GET /health`.

use serde::{Deserialize, Serialize};

use crate::stats::StatsAnswer;
use crate::warning::WarningAnswer;

/// How the broker, or one key, is. With [`HealthState::Unhealthy`] the HTTP status is 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthAnswer {
    /// The verdict.
    pub status: HealthState,
    /// What there is.
    pub token_info: HealthTokens,
    /// Attempts in a row that failed; the largest of all keys.
    pub consecutive_failures: u32,
    /// What is not as it should be; left out if there is nothing, and for callers without a key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningAnswer>,
}

/// The verdict on the health of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// At most 5 attempts in a row failed. No token was asked for to find it out.
    Healthy,
    /// More than 5 attempts in a row failed; or, asked of one key, it has no good token, and somebody must act before
    /// there is one: its state is `refused` or `login_required`.
    Unhealthy,
    /// A word that this version does not know.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// The tokens that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthTokens {
    /// Whether there is one that can be handed out.
    pub has_token: bool,
    /// Seconds of life that are left of the one that ends first; `null` if there is none or it does not end.
    pub expires_in: Option<u64>,
    /// How many are kept.
    #[serde(flatten)]
    pub stats: StatsAnswer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_stand_beside_the_rest() {
        let json = r#"{"status":"healthy","token_info":{"has_token":true,"expires_in":null,"total_cached":1,"valid_tokens":1,"expired_tokens":0,"expiring_soon":0},"consecutive_failures":0}"#;
        let health: HealthAnswer = serde_json::from_str(json).unwrap();
        assert_eq!((health.status, health.token_info.stats.valid_tokens), (HealthState::Healthy, 1));
        assert_eq!(serde_json::to_string(&health).unwrap(), json);
    }
}
