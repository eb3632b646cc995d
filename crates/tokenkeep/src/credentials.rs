//! What proves an account to an issuer: named secrets, such as a username and a password.
//!
//! Those of a provider with one account stand in its configuration. Those of many accounts are kept in the store, one
//! set for each key, and reach a source with each request.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::friendly::SpanParser;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::expiry::is_plausible_life;
use crate::secret::Secret;

/// The long-lived secrets of one account, by the names that its provider uses for them.
///
/// ```
/// use tokenkeep::{Credentials, Secret};
///
/// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
/// assert_eq!(credentials.get("username").map(Secret::expose_secret), Some("ann"));
/// assert!(!format!("{credentials:?}").contains("ann-secret")); // only names are shown
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    values: BTreeMap<Box<str>, Secret>,
    lifetime: Option<Duration>,
}

impl Credentials {
    /// Takes named secrets. A name has letters, digits and `_`; a value is not empty.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::new([("api_key".to_owned(), Secret::new("a-key"))])?;
    /// assert!(Credentials::new([("api key".to_owned(), Secret::new("a-key"))]).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(values: impl IntoIterator<Item = (String, Secret)>) -> Result<Self, InvalidCredentials> {
        let mut taken = BTreeMap::new();
        for (name, value) in values {
            if !is_name(&name) {
                return Err(InvalidCredentials("a name of credentials has letters, digits and '_', 64 at most"));
            }
            if name == LIFETIME {
                return Err(InvalidCredentials("lifetime is a duration, not a secret"));
            }
            if value.expose_secret().is_empty() {
                return Err(InvalidCredentials("credentials hold an empty value"));
            }
            taken.insert(name.into(), value);
        }
        match taken.len() {
            0 => Err(InvalidCredentials("there are no credentials; give e.g. username and password")),
            1..=MAX_VALUES => Ok(Self { values: taken, lifetime: None }),
            _ => Err(InvalidCredentials("credentials have more than 32 values")),
        }
    }

    /// A name and a password.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// assert_eq!(credentials, Credentials::from_json(r#"{"username": "ann", "password": "ann-secret"}"#)?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_password(username: &str, password: Secret) -> Result<Self, InvalidCredentials> {
        Self::new([(USERNAME.to_owned(), Secret::new(username)), (PASSWORD.to_owned(), password)])
    }

    /// Adds the life of this account's tokens, for an issuer that does not state one.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// use std::time::Duration;
    ///
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// let credentials = credentials.with_lifetime(Some(Duration::from_mins(20)))?; // this account's tokens end sooner
    /// assert!(credentials.with_lifetime(Some(Duration::ZERO)).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_lifetime(mut self, lifetime: Option<Duration>) -> Result<Self, InvalidCredentials> {
        if lifetime.is_some_and(|life| !is_plausible_life(life)) {
            return Err(InvalidCredentials("the lifetime is not one that a token can have"));
        }
        self.lifetime = lifetime;
        Ok(self)
    }

    /// Reads a JSON object of texts, e.g. `{"username": "…", "password": "…", "lifetime": "1h"}`; a lifetime may also
    /// be a number of seconds. This is how credentials are written down everywhere: in requests, files and stores.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::from_json(r#"{"username": "ann", "password": "ann-secret", "lifetime": "1h"}"#)?;
    /// assert_eq!(credentials.iter().count(), 2);
    /// assert_eq!(credentials.lifetime(), Some(std::time::Duration::from_hours(1)));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, InvalidCredentials> {
        let parsed: BTreeMap<String, Member> = serde_json::from_str(json)
            .map_err(|_| InvalidCredentials("credentials are a JSON object of texts, with an optional lifetime"))?;
        let mut values = Vec::new();
        let mut lifetime = None;
        for (name, member) in parsed {
            match member {
                Member::Text(text) if name == LIFETIME => lifetime = Some(parse_lifetime(&text)?),
                Member::Text(text) => values.push((name, Secret::new(text))),
                Member::Seconds(seconds) if name == LIFETIME => lifetime = Some(Duration::from_secs(seconds)),
                Member::Seconds(_) => return Err(InvalidCredentials("only lifetime can be a number")),
            }
        }
        Self::new(values)?.with_lifetime(lifetime)
    }

    /// What [`Credentials::from_json`] reads, with all secrets in it.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// assert_eq!(Credentials::from_json(&credentials.expose_json())?, credentials);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn expose_json(&self) -> Zeroizing<String> {
        let lifetime = self.lifetime.map(|lifetime| format!("{}s", lifetime.as_secs()));
        let secrets = self.iter().map(|(name, value)| (name, value.expose_secret()));
        let members: BTreeMap<_, _> = secrets.chain(lifetime.as_deref().map(|lifetime| (LIFETIME, lifetime))).collect();
        // Texts under texts are always JSON.
        Zeroizing::new(serde_json::to_string(&members).unwrap_or_default())
    }

    /// The same names, each with another value.
    #[cfg(feature = "stores")]
    pub(crate) fn try_map<E>(&self, mut change: impl FnMut(&str, &Secret) -> Result<Secret, E>) -> Result<Self, E> {
        let changed = self.values.iter().map(|(name, value)| Ok((name.clone(), change(name, value)?)));
        Ok(Self { values: changed.collect::<Result<_, E>>()?, lifetime: self.lifetime })
    }

    /// The value of a name.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// assert!(credentials.get("password").is_some() && credentials.get("tenant").is_none());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.get(name)
    }

    /// All values in the order of their names.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// let names: Vec<_> = credentials.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["password", "username"]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.values.iter().map(|(name, value)| (&**name, value))
    }

    /// The life of this account's tokens if the issuer does not state one; `None`: as for all accounts.
    ///
    /// ```
    /// # use tokenkeep::{Credentials, Secret};
    /// let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
    /// assert_eq!(credentials.lifetime(), None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }
}

// Names are no secrets, values are.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.keys().collect::<Vec<_>>();
        f.debug_struct("Credentials").field("names", &names).field("lifetime", &self.lifetime).finish()
    }
}

/// What stands behind a name in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Seconds(u64),
    Text(String),
}

fn parse_lifetime(text: &str) -> Result<Duration, InvalidCredentials> {
    let span = SpanParser::new().parse_duration(text).ok();
    let life = span.and_then(|span: SignedDuration| Duration::try_from(span).ok());
    life.ok_or(InvalidCredentials("the lifetime is not a duration, e.g. \"1h\""))
}

/// Why something cannot be credentials. It holds nothing of them.
///
/// ```
/// # use tokenkeep::Credentials;
/// let error = Credentials::from_json(r#"{"password": ""}"#).unwrap_err();
/// assert_eq!(error.to_string(), "credentials hold an empty value");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCredentials(&'static str);

/// Whether a secret can be called this.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name of an account at its issuer.
pub const USERNAME: &str = "username";
/// The password that goes with it.
pub const PASSWORD: &str = "password";
/// What stands beside the secrets where credentials are written down.
pub const LIFETIME: &str = "lifetime";

const MAX_NAME: usize = 64;
const MAX_VALUES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_down_is_read_again(username in "\\PC{1,20}|[\\x00-\\x7f]{1,20}", lifetime in proptest::option::of(1..86_400_u64)) {
            let credentials = Credentials::with_password(&username, Secret::new("p\u{e4}\"ss\\\n")).unwrap();
            let credentials = credentials.with_lifetime(lifetime.map(Duration::from_secs)).unwrap();
            let json = credentials.expose_json();
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
            prop_assert!(Credentials::from_json(&json).unwrap() == credentials);
        }
    }

    #[test]
    fn what_is_no_set_of_secrets_is_refused() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"a":""}"#,
            r#"{"a":7}"#,
            r#"{"a b":"c"}"#,
            r#"{"lifetime":"1h"}"#,
            r#"{"a":"b","lifetime":"soon"}"#,
            r#"{"a":"b","lifetime":0}"#,
            r#"{"a":null}"#,
        ] {
            assert!(Credentials::from_json(json).is_err(), "{json}");
        }
        let credentials = Credentials::from_json(r#"{"a":"hidden","lifetime":"1h 30m"}"#).unwrap();
        assert_eq!(credentials.lifetime(), Some(Duration::from_mins(90)));
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
