//! `GET /readyz`.

use serde::{Deserialize, Serialize};

use crate::warning::WarningAnswer;

/// The broker does its work. One that does not answers a problem instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Readiness {
    /// Always `true`.
    pub ready: bool,
    /// What is not as it should be all the same; left out if there is nothing, and for callers without a key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningAnswer>,
}
