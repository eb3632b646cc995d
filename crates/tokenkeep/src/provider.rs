//! A configured way to get tokens: what a table `[providers.NAME]` says, in types that cannot be half-right.

mod api;
mod header;
pub mod login;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

pub use self::api::{ApiBase, ApiSettings, InvalidPath};
use crate::budget::Budget;
use crate::expiry::Policy;
use crate::key::{InvalidKey, check_provider_name};
use crate::secret::Secret;

use self::login::LoginSettings;

pub use self::header::{InvalidHeader, OwnHeader, TokenHeader};

/// A configured way to get tokens.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Provider {
    name: Box<str>,
    /// How tokens are asked for.
    pub grant: Grant,
    /// Whose tokens they are.
    pub accounts: Accounts,
    /// When they are renewed.
    pub policy: Policy,
    /// The API that they are for.
    pub api: ApiSettings,
    /// How many requests the issuer allows, all keys, processes and restarts together.
    pub budget: Option<Budget>,
    /// Further ways to ask, in their order, for when the first fails.
    pub fallbacks: Vec<Grant>,
    /// After how many failures in a row of the first way the others are used; at least 1.
    pub max_failures: u32,
}

/// Whose tokens a provider obtains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    /// Those of [`crate::Key::DEFAULT_ACCOUNT`] only.
    Default,
    /// Those of the accounts whose credentials the store has.
    Stored,
    /// Those of whatever account a key names; the source knows who that is.
    Any,
}

impl Provider {
    /// A provider with the default policy, one account, and an API that nothing is known of. Its name is checked as
    /// [`crate::Key::parse`] does.
    pub fn new(name: &str, grant: Grant) -> Result<Self, InvalidKey> {
        check_provider_name(name)?;
        Ok(Self {
            name: name.into(),
            grant,
            accounts: Accounts::Default,
            policy: Policy::default(),
            api: ApiSettings::default(),
            budget: None,
            fallbacks: Vec::new(),
            max_failures: DEFAULT_MAX_FAILURES,
        })
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same for this API.
    #[must_use]
    pub fn with_api(mut self, api: ApiSettings) -> Self {
        self.api = api;
        self
    }

    /// Its name, the first part of its keys.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// How a token is asked for.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Grant {
    /// The client's own credentials (RFC 6749 section 4.4).
    ClientCredentials(TokenEndpointSettings),
    /// A resource owner's name and password (RFC 6749 section 4.3). A refresh token in the answer is used from then
    /// on, and the password again when that is refused.
    Password {
        /// Where to ask.
        endpoint: TokenEndpointSettings,
        /// The resource owner; `None` if each account has its own in the store.
        owner: Option<ResourceOwner>,
    },
    /// A refresh token from an earlier login (RFC 6749 section 6).
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
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// A vendor's own login, described by a recipe.
    Login(Box<LoginSettings>),
}

impl Grant {
    /// Its name in configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ClientCredentials(_) => "client_credentials",
            Self::Password { .. } => "password",
            Self::RefreshToken { .. } => "refresh_token",
            Self::Static { .. } => "static",
            Self::Command { .. } => "command",
            Self::Login(_) => "login",
        }
    }
}

// What people put into arguments and extra parameters can be secret too.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.as_str());
        match self {
            Self::ClientCredentials(endpoint)
            | Self::Password { endpoint, .. }
            | Self::RefreshToken { endpoint, .. } => shown.field("endpoint", endpoint),
            Self::Static { .. } => &mut shown,
            Self::Command { program, .. } => shown.field("program", &program.split_whitespace().next()),
            Self::Login(settings) => shown.field("settings", settings),
        }
        .finish_non_exhaustive()
    }
}

/// Who logs in with a name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceOwner {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// An OAuth token endpoint and the client registered there.
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

/// An address that secrets may be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUrl(Url);

impl TokenUrl {
    /// Takes https, and http on a loopback host; any http host if `insecure` says so. No name and password, no
    /// fragment.
    pub fn parse(text: &str, transport: Transport) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text)
            .map_err(|_| InvalidUrl("is not a URL; write e.g. https://login.example.com/oauth2/token"))?;
        check_transport(&url, transport)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl("must not hold a name or password; use client_id and client_secret"));
        }
        if url.fragment().is_some() {
            return Err(InvalidUrl("must not have a fragment (RFC 6749 section 3.2)"));
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Host and, unless it is the scheme's own, port: what messages show.
    pub fn host(&self) -> String {
        host(&self.0)
    }
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.0.scheme(), self.host(), self.0.path())
    }
}

/// Whether secrets may travel unencrypted to a host that is not this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// No.
    Secure,
    /// Yes, because configuration says `insecure = true`.
    Insecure,
}

/// What is wrong with an address; reads on after the name of the option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(&'static str);

/// Whether secrets may be sent there.
fn check_transport(url: &Url, transport: Transport) -> Result<(), InvalidUrl> {
    let host = url.host_str().ok_or(InvalidUrl("has no host"))?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(host) || transport == Transport::Insecure => Ok(()),
        "http" => Err(InvalidUrl("would send secrets unencrypted; use https, or set insecure = true")),
        _ => Err(InvalidUrl("is neither https nor http")),
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// After how many failures in a row of the first way the fallbacks are used, unless configured.
pub const DEFAULT_MAX_FAILURES: u32 = 1;
/// The longest time that one request to an issuer may be given.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_http_only_to_this_machine_or_on_demand() {
        for url in ["https://a.example/t", "http://127.0.0.1:1/t", "http://[::1]/t", "http://localhost:8/t"] {
            TokenUrl::parse(url, Transport::Secure).unwrap();
        }
        for url in [
            "http://a.example/t",
            "http://127.0.0.1.a.example/t",
            "http://localhost.a.example/",
            "ftp://a.example/t",
            "a.example",
        ] {
            TokenUrl::parse(url, Transport::Secure).unwrap_err();
        }
        TokenUrl::parse("http://a.example/t", Transport::Insecure).unwrap();
    }

    #[test]
    fn a_token_url_holds_no_credentials() {
        TokenUrl::parse("https://me:pw@a.example/t", Transport::Secure).unwrap_err();
    }
}
