//! `POST /oauth2/token`, and where clients find it: in the words of RFC 6749 and RFC 8414, not in this crate's own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A token, as RFC 6749 section 5.1 has it. Its `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OAuthToken {
    /// The token. A secret.
    pub access_token: String,
    /// `Bearer`, or what the issuer said instead.
    pub token_type: String,
    /// Seconds of life that were left when this was answered, rounded down; left out for a token that does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// The scope that the issuer granted; left out if it named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl fmt::Debug for OAuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthToken")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Why there is no token, as RFC 6749 section 5.2 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OAuthError {
    /// A word of the RFC, e.g. `invalid_client`.
    pub error: String,
    /// What happened, and the next thing to try; left out if there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

/// Where tokens are asked for and how, as RFC 8414 section 2 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OAuthMetadata {
    /// Who issues: the URL at which the metadata was found, without its path.
    pub issuer: String,
    /// Where a token is asked for.
    pub token_endpoint: String,
    /// How it can be asked for.
    pub grant_types_supported: Vec<String>,
    /// How a client says who it is.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Required by the RFC; empty, since nobody is sent here by a browser.
    pub response_types_supported: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_token_is_left_out_as_clients_expect() {
        let token = OAuthToken {
            access_token: "s3cret".to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: None,
            scope: None,
        };
        assert_eq!(serde_json::to_string(&token).unwrap(), r#"{"access_token":"s3cret","token_type":"Bearer"}"#);
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
