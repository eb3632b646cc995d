//! What is not as it should be, though tokens flow.

use serde::{Deserialize, Serialize};

/// Something that is not as it should be, though tokens flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WarningAnswer {
    /// One word for programs: `refresh_failing`, `buffer_clamped`, `unusual_life`, `on_fallback`, `unsaved`,
    /// `store_failing`, `frequent_failures` or `no_token_for_callers`; there may be more.
    pub code: String,
    /// One sentence for people.
    pub detail: String,
}
