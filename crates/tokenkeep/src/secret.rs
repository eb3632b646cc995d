//! Texts that must not be seen: wiped when dropped, and without any way to print or serialise them by accident.

use std::fmt;

use zeroize::Zeroizing;

/// A token, password or client secret.
///
/// It has no `Display`, no `Serialize`, and its `Debug` shows nothing of it. The memory is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// Takes over a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: the one way to get at it, easy to search for.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
