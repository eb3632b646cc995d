//! `PUT /tokens/{key}/credentials`, and what the other routes for credentials take and answer.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The long-lived secrets of one account, by the names that its provider uses for them. Its `Debug` shows names only,
/// and its values are wiped from memory when it is dropped.
///
/// ```
/// use tokenkeep_api::CredentialsRequest;
///
/// let credentials = CredentialsRequest::with_password("ann", "ann-secret");
/// assert!(!format!("{credentials:?}").contains("ann-secret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CredentialsRequest {
    /// The life of this account's tokens where the issuer states none, e.g. `2h`; left out if it is that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[1-9][0-9]{0,5}(s|m|h)$")))]
    pub lifetime: Option<String>,
    /// The secrets, e.g. `username` and `password`.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, String>"))]
    pub values: BTreeMap<String, Zeroizing<String>>,
}

impl CredentialsRequest {
    /// Takes named secrets.
    pub fn new(values: impl IntoIterator<Item = (String, Zeroizing<String>)>) -> Self {
        Self { lifetime: None, values: values.into_iter().collect() }
    }

    /// A name and a password.
    pub fn with_password(username: &str, password: &str) -> Self {
        let pair = [("username", username), ("password", password)];
        Self::new(pair.map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned()))))
    }

    /// Adds the life of this account's tokens, in whole seconds.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime: Some(format!("{}s", lifetime.as_secs())), ..self }
    }
}

impl fmt::Debug for CredentialsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.keys().collect::<Vec<_>>();
        f.debug_struct("CredentialsRequest").field("names", &names).field("lifetime", &self.lifetime).finish()
    }
}

/// `POST /tokens/credentials/{account}`: the credentials are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredAnswer {
    /// Whose: `provider:account`.
    pub key: String,
    /// Always `true`.
    pub stored: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lifetime_stand_beside_each_other() {
        let credentials = CredentialsRequest::with_password("ann", "s3cret").with_lifetime(Duration::from_mins(2));
        let json = serde_json::to_string(&credentials).unwrap();
        assert_eq!(json, r#"{"lifetime":"120s","password":"s3cret","username":"ann"}"#);
        assert_eq!(serde_json::from_str::<CredentialsRequest>(&json).unwrap(), credentials);
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", CredentialsRequest::with_password("ann", "s3cret"));
        assert!(shown.contains("password") && !shown.contains("s3cret") && !shown.contains("ann"), "{shown}");
    }
}
