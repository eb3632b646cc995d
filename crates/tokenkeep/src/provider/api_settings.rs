//! What is known of the API that a provider's tokens are for.

#[cfg(feature = "url")]
use super::ApiBase;
use super::TokenHeader;

/// What is known of the API that a provider's tokens are for.
///
/// ```
/// use tokenkeep::provider::{ApiBase, ApiSettings, Transport};
///
/// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
/// let api = ApiSettings::default().with_base(base).with_reject_on([401, 419]);
/// assert!(api.reject_on.contains(&419));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiSettings {
    /// Where it is; `None` if configuration does not say.
    #[cfg(feature = "url")]
    pub base: Option<ApiBase>,
    /// The HTTP statuses by which it refuses a token, so that a new one can help.
    pub reject_on: Vec<u16>,
    /// What it takes a token in.
    pub header: TokenHeader,
}

impl ApiSettings {
    /// The same for the API at this address.
    ///
    /// ```
    /// # use tokenkeep::provider::{ApiBase, ApiSettings, Transport};
    /// let base = ApiBase::parse("https://api.example.com/v1", Transport::Secure)?;
    /// assert_eq!(ApiSettings::default().with_base(base.clone()).base, Some(base));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "url")]
    #[must_use]
    pub fn with_base(mut self, base: ApiBase) -> Self {
        self.base = Some(base);
        self
    }

    /// The same, but these statuses say that it refuses a token.
    ///
    /// ```
    /// # use tokenkeep::provider::ApiSettings;
    /// assert_eq!(ApiSettings::default().reject_on, [401]);
    /// assert_eq!(ApiSettings::default().with_reject_on([419]).reject_on, [419]);
    /// ```
    #[must_use]
    pub fn with_reject_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.reject_on = statuses.into_iter().collect();
        self
    }

    /// The same, but this header takes the token.
    ///
    /// ```
    /// # use tokenkeep::provider::ApiSettings;
    /// use tokenkeep::provider::{OwnHeader, TokenHeader};
    ///
    /// let header = OwnHeader::new(Some("X-Auth-Token"), "{token}")?;
    /// let api = ApiSettings::default().with_header(TokenHeader::Own(header));
    /// assert_ne!(api.header, TokenHeader::Authorization);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_header(mut self, header: TokenHeader) -> Self {
        self.header = header;
        self
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            #[cfg(feature = "url")]
            base: None,
            reject_on: vec![401],
            header: TokenHeader::default(),
        }
    }
}
