//! `GET /tokens/{key}`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::warning::WarningAnswer;

/// A token that can be used now. Its `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenAnswer {
    /// Which key: `provider` or `provider:account`.
    pub key: String,
    /// The token. A secret.
    pub access_token: String,
    /// `Bearer`, or what the issuer said instead.
    pub token_type: String,
    /// Seconds of life that were left when this was answered, rounded down; `null` for a token that does not end.
    pub expires_in: Option<u64>,
    /// When it ends; `null` for a token that does not end.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub expires_at: Option<String>,
    /// The scope that the issuer granted, words separated by spaces; `null` if it named none.
    pub scope: Option<String>,
    /// Which token of its key this is, counted from 1: what a caller names who says that the token was refused.
    pub generation: u64,
    /// What is not as it should be though there is a token; mostly empty.
    pub warnings: Vec<WarningAnswer>,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("key", &self.key)
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("expires_at", &self.expires_at)
            .field("scope", &self.scope)
            .field("generation", &self.generation)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"key":"graph","access_token":"s3cret","token_type":"Bearer","expires_in":null,"expires_at":null,"scope":null,"generation":7,"warnings":[]}"#;

    #[test]
    fn what_is_not_known_is_null_and_not_left_out() {
        let answer: TokenAnswer = serde_json::from_str(JSON).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), JSON);
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let answer: TokenAnswer = serde_json::from_str(JSON).unwrap();
        let shown = format!("{answer:?} {answer:#?}");
        assert!(shown.contains("graph") && !shown.contains("s3cret"), "{shown}");
    }
}
