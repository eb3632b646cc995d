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
/// use tokenkeep::Secret;
/// use tokenkeep::provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport};
///
/// let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
/// let endpoint = TokenEndpointSettings::new(token_url, "reports")
///     .with_client_secret(Secret::new("reports-secret"))
///     .with_scope(["reports.read"]);
/// assert_eq!(endpoint.client_auth, ClientAuth::ClientSecretBasic);
/// # Ok::<_, tokenkeep::provider::InvalidUrl>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
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

impl TokenEndpointSettings {
    /// A public client: one without a secret.
    ///
    /// ```
    /// # use tokenkeep::{Secret, provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport}};
    /// # let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
    /// let endpoint = TokenEndpointSettings::new(token_url, "desktop-app");
    /// assert_eq!(endpoint.client_auth, ClientAuth::None);
    /// # Ok::<_, tokenkeep::provider::InvalidUrl>(())
    /// ```
    pub fn new(token_url: TokenUrl, client_id: impl Into<String>) -> Self {
        Self {
            token_url,
            client_id: client_id.into(),
            client_secret: None,
            client_auth: ClientAuth::None,
            scope: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// The same with a secret, which is sent in an `Authorization: Basic` header unless [`Self::with_client_auth`] says
    /// otherwise.
    ///
    /// ```
    /// # use tokenkeep::{Secret, provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport}};
    /// # let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
    /// let endpoint = TokenEndpointSettings::new(token_url, "reports").with_client_secret(Secret::new("reports-secret"));
    /// assert_eq!(endpoint.client_auth, ClientAuth::ClientSecretBasic);
    /// # Ok::<_, tokenkeep::provider::InvalidUrl>(())
    /// ```
    #[must_use]
    pub fn with_client_secret(mut self, secret: Secret) -> Self {
        self.client_secret = Some(secret);
        if self.client_auth == ClientAuth::None {
            self.client_auth = ClientAuth::ClientSecretBasic;
        }
        self
    }

    /// The same with another way for the client to prove itself.
    ///
    /// ```
    /// # use tokenkeep::{Secret, provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport}};
    /// # let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
    /// let endpoint = TokenEndpointSettings::new(token_url, "reports")
    ///     .with_client_secret(Secret::new("reports-secret"))
    ///     .with_client_auth(ClientAuth::ClientSecretPost);
    /// assert_eq!(endpoint.client_auth.as_str(), "client_secret_post");
    /// # Ok::<_, tokenkeep::provider::InvalidUrl>(())
    /// ```
    #[must_use]
    pub fn with_client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// The same for this scope.
    ///
    /// ```
    /// # use tokenkeep::{Secret, provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport}};
    /// # let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
    /// let endpoint = TokenEndpointSettings::new(token_url, "reports").with_scope(["mail.read", "mail.send"]);
    /// assert_eq!(endpoint.scope, ["mail.read", "mail.send"]);
    /// # Ok::<_, tokenkeep::provider::InvalidUrl>(())
    /// ```
    #[must_use]
    pub fn with_scope(mut self, scope: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scope = scope.into_iter().map(Into::into).collect();
        self
    }

    /// The same with one more form parameter.
    ///
    /// ```
    /// # use tokenkeep::{Secret, provider::{ClientAuth, TokenEndpointSettings, TokenUrl, Transport}};
    /// # let token_url = TokenUrl::parse("https://login.example.com/oauth2/token", Transport::Secure)?;
    /// let endpoint = TokenEndpointSettings::new(token_url, "reports").with_extra("audience", "https://api.example.com");
    /// assert_eq!(endpoint.extra["audience"], "https://api.example.com");
    /// # Ok::<_, tokenkeep::provider::InvalidUrl>(())
    /// ```
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }
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
#[non_exhaustive]
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
