//! An OAuth token endpoint, the client registered there, and who logs in with it.

use std::collections::BTreeMap;
use std::fmt;

use super::TokenUrl;
use crate::secret::Secret;

/// Who logs in with a name and a password.
///
/// ```
/// use tokenkeep::Secret;
/// use tokenkeep::provider::ResourceOwner;
///
/// let owner = ResourceOwner { username: "ann".to_owned(), password: Secret::new("ann-secret") };
/// assert!(!format!("{owner:?}").contains("ann-secret"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceOwner {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// An OAuth token endpoint and the client registered there.
///
/// ```
/// use tokenkeep::provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport};
///
/// // A public client, as a program on somebody's desk is.
/// let endpoint = TokenEndpointSettings {
///     token_url: TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?,
///     client_id: "desktop-app".to_owned(),
///     client_secret: None,
///     client_auth: ClientAuth::None,
///     scope: vec!["calendar".to_owned()],
///     extra: Default::default(),
/// };
/// assert_eq!(endpoint.token_url.host(), "login.example.com");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct TokenEndpointSettings {
    /// Its address: https, or http on a loopback host.
    pub token_url: TokenUrl,
    /// The registered client.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<Secret>,
    /// How the client proves itself.
    pub client_auth: ClientAuth,
    /// What the token shall be good for; order does not matter.
    pub scope: Vec<String>,
    /// More form parameters, e.g. `audience`.
    pub extra: BTreeMap<String, String>,
}

impl fmt::Debug for TokenEndpointSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpointSettings")
            .field("token_url", &self.token_url)
            .field("client_id", &self.client_id)
            .field("client_auth", &self.client_auth)
            .field("scope", &self.scope)
            .field("extra", &self.extra.keys())
            .finish_non_exhaustive()
    }
}

/// How a client proves itself to a token endpoint (RFC 6749 section 2.3.1).
///
/// ```
/// use tokenkeep::provider::ClientAuth;
///
/// let asked_for = "client_secret_post";
/// let client_auth = ClientAuth::ALL.into_iter().find(|way| way.as_str() == asked_for);
/// assert_eq!(client_auth, Some(ClientAuth::ClientSecretPost));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// In an `Authorization: Basic` header, both parts form-encoded first.
    #[default]
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
    /// Not at all: a public client.
    None,
}

impl ClientAuth {
    /// Its name in configuration, from the registry of RFC 7591.
    ///
    /// ```
    /// assert_eq!(tokenkeep::provider::ClientAuth::default().as_str(), "client_secret_basic");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }

    /// All of them.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::None];
}
