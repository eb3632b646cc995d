//! How a token is asked for: what stands behind `grant = "…"`.

use std::fmt;

#[cfg(feature = "grants")]
use url::Url;

#[cfg(feature = "config")]
use super::LoginSettings;
#[cfg(feature = "grants")]
use super::{ResourceOwner, TokenEndpointSettings};
use crate::credentials::Credentials;
#[cfg(feature = "grants")]
use crate::credentials::{PASSWORD, USERNAME};
use crate::secret::Secret;

/// How a token is asked for.
///
/// ```
/// use tokenkeep::provider::Grant;
///
/// let grant = Grant::Command {
///     program: "gcloud".to_owned(),
///     args: vec!["auth".to_owned(), "print-access-token".to_owned()],
/// };
/// assert!(!format!("{grant:?}").contains("print-access-token")); // arguments can be secret
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Grant {
    /// The client's own credentials (RFC 6749 section 4.4).
    #[cfg(feature = "grants")]
    ClientCredentials(TokenEndpointSettings),
    /// A resource owner's name and password (RFC 6749 section 4.3). A refresh token in the answer is used from then
    /// on, and the password again when that is refused.
    #[cfg(feature = "grants")]
    Password {
        /// Where to ask.
        endpoint: TokenEndpointSettings,
        /// The resource owner; `None` if each account has its own in the store.
        owner: Option<ResourceOwner>,
    },
    /// A refresh token from an earlier login (RFC 6749 section 6).
    #[cfg(feature = "grants")]
    RefreshToken {
        /// Where to ask.
        endpoint: TokenEndpointSettings,
        /// The first one; what the store holds is newer and wins.
        seed: Secret,
    },
    /// A fixed token that does not end.
    Static {
        /// The token.
        token: Secret,
    },
    /// A program that prints a token.
    #[cfg(feature = "grants")]
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// A vendor's own login, described by a recipe.
    #[cfg(feature = "config")]
    Login(Box<LoginSettings>),
}

impl Grant {
    /// Its name in configuration.
    ///
    /// ```
    /// use tokenkeep::Secret;
    /// use tokenkeep::provider::Grant;
    ///
    /// assert_eq!(Grant::Static { token: Secret::new("an-api-key") }.as_str(), "static");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Static { .. } => "static",
            #[cfg(feature = "grants")]
            Self::ClientCredentials(_) => "client_credentials",
            #[cfg(feature = "grants")]
            Self::Password { .. } => "password",
            #[cfg(feature = "grants")]
            Self::RefreshToken { .. } => "refresh_token",
            #[cfg(feature = "grants")]
            Self::Command { .. } => "command",
            #[cfg(feature = "config")]
            Self::Login(_) => "login",
        }
    }
}

impl Grant {
    /// The root of the host that it asks last; `None` if it asks none, or each account another.
    #[cfg(feature = "grants")]
    pub(crate) fn origin(&self) -> Option<Url> {
        let address = match self {
            Self::ClientCredentials(endpoint)
            | Self::Password { endpoint, .. }
            | Self::RefreshToken { endpoint, .. } => endpoint.token_url.as_url().clone(),
            #[cfg(feature = "config")]
            Self::Login(settings) => settings.recipe.login.request.url.origin()?,
            Self::Static { .. } | Self::Command { .. } => return None,
        };
        address.join("/").ok()
    }

    /// The names of credentials without which it cannot log in.
    pub(crate) fn needed_credentials(&self) -> Vec<&str> {
        let configured = match self {
            #[cfg(feature = "config")]
            Self::Login(settings) => settings.credentials.as_ref(),
            _ => None,
        };
        let is_configured = |name: &str| configured.is_some_and(|given: &Credentials| given.get(name).is_some());
        self.credential_names().into_iter().filter(|name| !is_configured(name)).collect()
    }

    /// The names of credentials that it logs in with.
    pub(crate) fn credential_names(&self) -> Vec<&str> {
        match self {
            Self::Static { .. } => Vec::new(),
            #[cfg(feature = "grants")]
            Self::Password { .. } => vec![USERNAME, PASSWORD],
            #[cfg(feature = "config")]
            Self::Login(settings) => settings.recipe.credential_names(),
            #[cfg(feature = "grants")]
            Self::ClientCredentials(_) | Self::RefreshToken { .. } | Self::Command { .. } => Vec::new(),
        }
    }
}

// What people put into arguments and extra parameters can be secret too.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.as_str());
        match self {
            Self::Static { .. } => &mut shown,
            #[cfg(feature = "grants")]
            Self::ClientCredentials(endpoint)
            | Self::Password { endpoint, .. }
            | Self::RefreshToken { endpoint, .. } => shown.field("endpoint", endpoint),
            #[cfg(feature = "grants")]
            Self::Command { program, .. } => shown.field("program", &program.split_whitespace().next()),
            #[cfg(feature = "config")]
            Self::Login(settings) => shown.field("settings", settings),
        }
        .finish_non_exhaustive()
    }
}
