//! What a caller proves itself with.

use std::fmt;

use zeroize::Zeroizing;

/// An API key. It has no `Display`, its `Debug` shows nothing of it, and it is wiped from memory when dropped.
///
/// ```
/// use tokenkeep_api::client::ApiKey;
///
/// assert_eq!(format!("{:?}", ApiKey::new("tk_secret")), "ApiKey(…)");
/// ```
#[derive(Clone)]
pub struct ApiKey(Zeroizing<Box<str>>);

impl ApiKey {
    /// Takes over a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(super) fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}
