//! Names of tokens: `provider` or `provider:account`, always one URL path segment.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

/// Names one token, e.g. `graph` or `bluestakes:123`.
///
/// `graph:default` and `graph` are the same key and are written `graph`. Cloning is cheap, and a key of up to 23 bytes
/// lies where it is used.
///
/// ```
/// use tokenkeep::Key;
///
/// let key: Key = "bluestakes:123".parse()?;
/// assert_eq!((key.provider(), key.account()), ("bluestakes", "123"));
/// assert_eq!(Key::parse("graph:default")?.to_string(), "graph");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(SmolStr);

impl Key {
    /// Reads a key as a person or a URL gives it.
    ///
    /// A provider is made of ASCII letters, digits, `_`, `-` and `.`; an account may hold any visible character
    /// but `/`, `\`, `?`, `#` and `%`, so that a key is one path segment on every server. At most
    /// [`Key::MAX_LEN`] bytes in all.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// assert!(Key::parse("bluestakes:ann@example.com").is_ok());
    /// assert!(Key::parse("bluestakes:../admin").is_err()); // a key is one segment of a path
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let (provider, account) = match text.split_once(':') {
            Some((provider, account)) => (provider, Some(account)),
            None => (text, None),
        };
        if text.len() > Self::MAX_LEN {
            return Err(InvalidKey("a key has at most 256 bytes"));
        }
        check_provider_name(provider)?;
        account.map_or(Ok(()), check_account)?;
        match account {
            Some(Self::DEFAULT_ACCOUNT) | None => Ok(Self(provider.into())),
            Some(_) => Ok(Self(text.into())),
        }
    }

    /// The part before the first `:`.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// assert_eq!(Key::parse("bluestakes:urn:company:7")?.provider(), "bluestakes");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn provider(&self) -> &str {
        self.0.split_once(':').map_or(self.as_str(), |(provider, _)| provider)
    }

    /// The part after the first `:`, or [`Key::DEFAULT_ACCOUNT`].
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// assert_eq!(Key::parse("bluestakes:urn:company:7")?.account(), "urn:company:7");
    /// assert_eq!(Key::parse("graph")?.account(), Key::DEFAULT_ACCOUNT);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn account(&self) -> &str {
        self.0.split_once(':').map_or(Self::DEFAULT_ACCOUNT, |(_, account)| account)
    }

    /// The key as it is written.
    ///
    /// ```
    /// # use tokenkeep::Key;
    /// assert_eq!(Key::parse("graph:default")?.as_str(), "graph");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The account of a key that names only a provider.
    pub const DEFAULT_ACCOUNT: &str = "default";

    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 256;
}

/// Checks the name of a provider by itself, as configuration has it.
pub(crate) fn check_provider_name(name: &str) -> Result<(), InvalidKey> {
    if name.is_empty() {
        return Err(InvalidKey("the provider's name is empty"));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) || name.starts_with('.') {
        return Err(InvalidKey(
            "a provider's name has ASCII letters, digits, '_', '-' and '.', and does not start with '.'",
        ));
    }
    Ok(())
}

/// Checks the name of an account by itself, as patterns of keys have it.
pub(crate) fn check_account(account: &str) -> Result<(), InvalidKey> {
    match account {
        "" => Err(InvalidKey("the account after ':' is empty")),
        "." | ".." => Err(InvalidKey("an account is not '.' or '..'")),
        account if account.chars().all(is_account_char) => Ok(()),
        _ => Err(InvalidKey("an account has no spaces, control characters, '/', '\\', '?', '#' or '%'")),
    }
}

fn is_account_char(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | '\\' | '?' | '#' | '%')
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::parse(text)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        self.0.as_str()
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// Why a text is not a key.
///
/// ```
/// # use tokenkeep::Key;
/// assert_eq!(Key::parse("graph:").unwrap_err().to_string(), "the account after ':' is empty");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_account_and_no_account_are_one_key() {
        assert_eq!(Key::parse("graph:default"), Key::parse("graph"));
        assert_eq!(Key::parse("graph").unwrap().account(), "default");
    }

    #[test]
    fn a_key_splits_at_the_first_colon() {
        let key = Key::parse("bluestakes:urn:company:7").unwrap();
        assert_eq!((key.provider(), key.account()), ("bluestakes", "urn:company:7"));
    }

    #[test]
    fn what_would_not_be_one_path_segment_is_no_key() {
        for text in ["", ":1", "a:", "a/b", "a:b/c", "a:b c", "a:..", "..", "a:b%2f", "a:b?c", "ü"] {
            assert!(Key::parse(text).is_err(), "{text:?} was taken for a key");
        }
    }
}
