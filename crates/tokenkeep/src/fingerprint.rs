//! What shaped a token, in one comparable value: so that a changed secret, scope or tenant never meets an old token.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A hash of everything that shapes a token: issuer, client, secrets, grant, scope, audience.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(Box<str>);

impl Fingerprint {
    /// Hashes named parts. Order and boundaries count, so `("a", "bc")` and `("ab", "c")` differ.
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in parts {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        let hex = hash.finalize().iter().fold(String::with_capacity(64), |hex, byte| hex + &format!("{byte:02x}"));
        Self(hex.into())
    }

    /// Reads what [`Fingerprint::as_str`] gave, e.g. from a store.
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The hash in hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:.8}…)", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_moved_over_a_boundary_makes_another_fingerprint() {
        assert_ne!(Fingerprint::of([("a", "bc")]), Fingerprint::of([("ab", "c")]));
        assert_ne!(Fingerprint::of([("a", "b"), ("c", "d")]), Fingerprint::of([("c", "d"), ("a", "b")]));
    }
}
