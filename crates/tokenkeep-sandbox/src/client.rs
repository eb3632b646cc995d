//! Registered clients: who may ask for tokens, how, and what they get.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A client that is registered at the sandbox.
///
/// By default it may use every grant, its tokens live for [`Client::DEFAULT_LIFE`], any scope is
/// granted, and no refresh tokens are given.
#[derive(Clone)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) life: Duration,
    pub(crate) refresh_in: Option<Duration>,
    pub(crate) grants: BTreeSet<Grant>,
    pub(crate) scope: Option<String>,
    pub(crate) refresh: RefreshTokens,
    pub(crate) rotation: Rotation,
}

impl Client {
    /// The life of a token when the client names none.
    pub const DEFAULT_LIFE: Duration = Duration::from_mins(1);

    /// A confidential client.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { secret: Some(secret.into()), ..Self::public(id) }
    }

    /// A public client: it has no secret and is identified by its id alone.
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
            life: Self::DEFAULT_LIFE,
            refresh_in: None,
            grants: BTreeSet::from([Grant::ClientCredentials, Grant::Password, Grant::RefreshToken]),
            scope: None,
            refresh: RefreshTokens::Withheld,
            rotation: Rotation::ReuseRevokesFamily,
        }
    }

    /// Sets the life of its access tokens. `expires_in` says it in whole seconds, rounded down,
    /// so that an answer never promises more than the API honours.
    #[must_use]
    pub fn life(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// Adds `refresh_in` (whole seconds) to its answers.
    #[must_use]
    pub fn refresh_in(mut self, refresh_in: Duration) -> Self {
        self.refresh_in = Some(refresh_in);
        self
    }

    /// Allows these grants only; others answer `unauthorized_client`.
    #[must_use]
    pub fn grants(mut self, grants: impl IntoIterator<Item = Grant>) -> Self {
        self.grants = grants.into_iter().collect();
        self
    }

    /// Sets the scope it may have, words separated by spaces: granted whole if the request names
    /// none; a request for anything else answers `invalid_scope`.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Answers grant `password` with a refresh token too.
    #[must_use]
    pub fn with_refresh_tokens(mut self) -> Self {
        self.refresh = RefreshTokens::Given;
        self
    }

    /// Refuses a spent refresh token, but lets the family of tokens it belongs to live on.
    ///
    /// Without this, reuse revokes the family (RFC 9700 section 4.14.2).
    #[must_use]
    pub fn tolerating_reuse(mut self) -> Self {
        self.rotation = Rotation::ReuseIsRefused;
        self
    }

    /// Never spends a refresh token: it stays good, and answers to it name no new one.
    #[must_use]
    pub fn without_rotation(mut self) -> Self {
        self.rotation = Rotation::Never;
        self
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("life", &self.life).finish_non_exhaustive()
    }
}

/// How a token was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 6749 section 6.
    RefreshToken,
    /// The vendor's own endpoint, `POST /login`.
    Login,
    /// Absent, or none of the above.
    Other,
}

impl Grant {
    /// Reads a `grant_type`.
    pub(crate) fn parse(grant_type: Option<&str>) -> Self {
        match grant_type {
            Some("client_credentials") => Self::ClientCredentials,
            Some("password") => Self::Password,
            Some("refresh_token") => Self::RefreshToken,
            _ => Self::Other,
        }
    }
}

/// Whether grant `password` gives a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshTokens {
    Given,
    Withheld,
}

/// What becomes of a refresh token that was used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    ReuseRevokesFamily,
    ReuseIsRefused,
    Never,
}
