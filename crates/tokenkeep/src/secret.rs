//! Texts that must not be seen: wiped when dropped, and without any way to print or serialise them by accident.

use std::fmt;

use zeroize::Zeroizing;

/// A token, password or client secret.
///
/// It has no `Display`, no `Serialize`, and its `Debug` shows nothing of it. The memory is wiped on drop.
///
/// ```
/// use tokenkeep::Secret;
///
/// let password = Secret::new("ann-secret");
/// assert_eq!(format!("{password:?}"), "Secret(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// Takes over a text.
    ///
    /// ```
    /// # use tokenkeep::Secret;
    /// let read = String::from("ann-secret");
    /// let password = Secret::new(read); // the text moves, so that no copy of it stays behind
    /// # assert_eq!(password.expose_secret(), "ann-secret");
    /// ```
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: the one way to get at it, easy to search for.
    ///
    /// ```
    /// # use tokenkeep::Secret;
    /// assert_eq!(Secret::new("ann-secret").expose_secret().len(), 10);
    /// ```
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
