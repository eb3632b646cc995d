//! A token that another program has obtained.

use std::time::SystemTime;

use crate::secret::Secret;

/// A token that another program has obtained, and what is known of it; see
/// [`TokenManager::import`](crate::TokenManager::import).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tokenkeep::Secret;
/// use tokenkeep::token::ForeignToken;
///
/// let end = SystemTime::now() + Duration::from_hours(1);
/// let token = ForeignToken::new(Secret::new("a-token"), end).with_refresh_token(Secret::new("a-refresh-token"));
/// assert_eq!((&*token.token_type, token.issued_at), ("Bearer", None));
/// assert!(!format!("{token:?}").contains("a-refresh-token"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForeignToken {
    /// The token.
    pub access_token: Secret,
    /// `Bearer`, unless the other program knows better.
    pub token_type: Box<str>,
    /// The login behind it, if there is one and it was kept.
    pub refresh_token: Option<Secret>,
    /// When it was asked for, if that is known.
    pub issued_at: Option<SystemTime>,
    /// When it ends.
    pub expires_at: SystemTime,
}

impl ForeignToken {
    /// A bearer token of which nothing but its end is known.
    ///
    /// ```
    /// # use tokenkeep::{Secret, token::ForeignToken};
    /// let over = ForeignToken::new(Secret::new("a-token"), std::time::UNIX_EPOCH);
    /// assert!(over.refresh_token.is_none());
    /// ```
    pub fn new(access_token: Secret, expires_at: SystemTime) -> Self {
        Self { access_token, token_type: "Bearer".into(), refresh_token: None, issued_at: None, expires_at }
    }

    /// The same with the refresh token that came with it.
    ///
    /// ```
    /// # use tokenkeep::{Secret, token::ForeignToken};
    /// let token = ForeignToken::new(Secret::new("a-token"), std::time::UNIX_EPOCH);
    /// assert!(token.with_refresh_token(Secret::new("a-refresh-token")).refresh_token.is_some());
    /// ```
    #[must_use]
    pub fn with_refresh_token(self, refresh_token: Secret) -> Self {
        Self { refresh_token: Some(refresh_token), ..self }
    }
}
