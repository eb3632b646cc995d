//! What proves an account to an issuer: named secrets, such as a username and a password.
//!
//! Those of a provider with one account stand in its configuration. Those of many accounts are kept in the store, one
//! set for each key, and reach a source with each request.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::expiry::is_plausible_life;
use crate::secret::Secret;

/// The long-lived secrets of one account, by the names that its provider uses for them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    values: BTreeMap<Box<str>, Secret>,
    lifetime: Option<Duration>,
}

impl Credentials {
    /// Takes named secrets. A name has letters, digits and `_`; a value is not empty.
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
            if value.expose_secret().len() > MAX_VALUE {
                return Err(InvalidCredentials("credentials hold a value of more than 64 KiB"));
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
    pub fn with_password(username: &str, password: Secret) -> Result<Self, InvalidCredentials> {
        Self::new([(USERNAME.to_owned(), Secret::new(username)), (PASSWORD.to_owned(), password)])
    }

    /// Adds the life of this account's tokens, for an issuer that does not state one.
    pub fn with_lifetime(mut self, lifetime: Option<Duration>) -> Result<Self, InvalidCredentials> {
        if lifetime.is_some_and(|life| !is_plausible_life(life)) {
            return Err(InvalidCredentials("the lifetime is not one that a token can have"));
        }
        self.lifetime = lifetime;
        Ok(self)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.get(name)
    }

    /// All values in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.values.iter().map(|(name, value)| (&**name, value))
    }

    /// The life of this account's tokens if the issuer does not state one; `None`: as for all accounts.
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

/// Why something cannot be credentials. It holds nothing of them.
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
const MAX_VALUE: usize = 64 * 1024;
const MAX_VALUES: usize = 32;
