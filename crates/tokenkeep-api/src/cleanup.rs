//! `POST /tokens/cleanup`.

use serde::{Deserialize, Serialize};

/// What a clean-up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CleanupAnswer {
    /// How many tokens were thrown out: those that had been over for a while.
    pub removed: u64,
}
