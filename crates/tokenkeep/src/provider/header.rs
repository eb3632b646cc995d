//! The header that an API takes a token in.

use std::fmt;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// The header that carries a provider's tokens.
///
/// ```
/// use tokenkeep::provider::{OwnHeader, TokenHeader};
///
/// let header = TokenHeader::Own(OwnHeader::new(Some("X-Auth-Token"), "{token}")?);
/// assert_ne!(header, TokenHeader::default()); // which is Authorization
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenHeader {
    /// `Authorization`, with the type that the issuer gave the token.
    #[default]
    Authorization,
    /// One of the vendor's own.
    Own(OwnHeader),
}

/// A header with a token in it.
///
/// ```
/// use tokenkeep::provider::OwnHeader;
///
/// let header = OwnHeader::new(None, "Token {token}")?; // Authorization: Token …
/// assert_eq!(header.value("a-token"), "Token a-token");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OwnHeader {
    name: HeaderName,
    before: Box<str>,
    after: Box<str>,
}

impl OwnHeader {
    /// A header of this name, or `Authorization`, with the token in place of `{token}`.
    ///
    /// ```
    /// # use tokenkeep::provider::OwnHeader;
    /// assert!(OwnHeader::new(Some("X-Auth-Token"), "{token}").is_ok());
    /// assert!(OwnHeader::new(Some("X-Auth-Token"), "token").is_err()); // the token has no place
    /// assert!(OwnHeader::new(Some("Host"), "{token}").is_err()); // set by the connection
    /// ```
    pub fn new(name: Option<&str>, format: &str) -> Result<Self, InvalidHeader> {
        let name = name.map_or(Ok(AUTHORIZATION), str::parse);
        let name = name.map_err(|_| InvalidHeader("`name` is not the name of a header"))?;
        if is_of_connection(&name) {
            return Err(InvalidHeader("this header is set by the connection"));
        }
        let (before, after) =
            format.split_once(TOKEN).ok_or(InvalidHeader("`format` must hold {token}, e.g. \"Token {token}\""))?;
        if after.contains(TOKEN) {
            return Err(InvalidHeader("`format` can hold {token} once"));
        }
        let is_plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_plain(before) || !is_plain(after) {
            return Err(InvalidHeader("`format` can hold ASCII only"));
        }
        Ok(Self { name, before: before.into(), after: after.into() })
    }

    /// Its name.
    ///
    /// ```
    /// # use tokenkeep::provider::OwnHeader;
    /// assert_eq!(OwnHeader::new(None, "Token {token}")?.name(), "authorization");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value with this token, marked as sensitive; empty if no header can carry the token. Sources let none such
    /// through.
    ///
    /// ```
    /// # use tokenkeep::provider::OwnHeader;
    /// let value = OwnHeader::new(Some("X-Auth-Token"), "{token}")?.value("a-token");
    /// assert!(value == "a-token" && value.is_sensitive());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self, token: &str) -> HeaderValue {
        let text = Zeroizing::new(format!("{}{token}{}", self.before, self.after));
        // Sources let no text through that is not a header value (see `source::is_header_text`).
        let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

// What stands around the token can be a part of a secret.
impl fmt::Debug for OwnHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is wrong with a header.
///
/// ```
/// # use tokenkeep::provider::OwnHeader;
/// let error = OwnHeader::new(Some("X-Auth-Token"), "Token").unwrap_err();
/// assert_eq!(error.to_string(), "`format` must hold {token}, e.g. \"Token {token}\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidHeader(&'static str);

const TOKEN: &str = "{token}";

/// Whether a header belongs to the connection, so that nobody else can set it.
pub(crate) fn is_of_connection(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING, TE, TRAILER, UPGRADE].contains(name)
}
