//! The issuer as plain synchronous logic: who may have a token, what was issued, rotated, revoked.
//!
//! The hard part is rotation. A refresh token belongs to a family, which starts with a login; each
//! use spends the member it used and adds a new one. A spent member that comes back means that two
//! parties hold the family, and nobody can say which is the thief: the newest member dies with it
//! (RFC 9700 section 4.14.2). Time comes in as an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    client::{Client, Grant, RefreshTokens, Rotation},
    counters::VENDOR,
    recent::Recent,
    refusal::{Refusal, Refused},
};

pub(crate) struct Issuer {
    clients: BTreeMap<String, Client>,
    users: BTreeMap<String, String>,
    vendor_life: Duration,
    access_tokens: Recent<AccessToken>,
    refresh_tokens: Recent<RefreshToken>,
    serial: u64,
}

/// What a request asks for, once its client is known.
pub(crate) enum Ask<'a> {
    ClientCredentials { scope: Option<&'a str> },
    Password { username: &'a str, password: &'a str, scope: Option<&'a str> },
    Refresh { token: &'a str, scope: Option<&'a str> },
}

/// What a successful answer says.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) expires_in: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) scope: Option<String>,
}

/// What the protected API makes of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Live { client: String },
    Expired { client: String },
    Revoked { client: String },
    Unknown,
}

impl Issuer {
    pub(crate) fn new(clients: Vec<Client>, users: Vec<(String, String)>, vendor_life: Duration) -> Self {
        Self {
            clients: clients.into_iter().map(|client| (client.id.clone(), client)).collect(),
            users: users.into_iter().collect(),
            vendor_life,
            access_tokens: Recent::new(),
            refresh_tokens: Recent::new(),
            serial: 0,
        }
    }

    /// Finds the client that an id and a secret belong to.
    pub(crate) fn authenticate(&self, id: &str, secret: Option<&str>) -> Result<Client, Refused> {
        let client = self.clients.get(id).filter(|client| match (&client.secret, secret) {
            (Some(registered), Some(presented)) => registered == presented,
            // A public client may send an empty secret (RFC 6749 section 2.3.1).
            (None, presented) => presented.is_none_or(str::is_empty),
            (Some(_), None) => false,
        });
        client.cloned().ok_or(Refusal::InvalidClient.because("unknown client or wrong secret"))
    }

    /// Issues a token to an authenticated client.
    pub(crate) fn grant(&mut self, client: &Client, ask: &Ask<'_>, now: Instant) -> Result<Issued, Refused> {
        let unauthorized = Refusal::UnauthorizedClient.because("this client may not use this grant");
        if !client.grants.contains(&ask.grant()) {
            return Err(unauthorized);
        }
        let scope = granted_scope(client, ask.scope())?;
        let refresh_token = match ask {
            // RFC 6749 section 4.4: for confidential clients only.
            Ask::ClientCredentials { .. } if client.secret.is_none() => return Err(unauthorized),
            Ask::ClientCredentials { .. } => None,
            Ask::Password { username, password, .. } => {
                self.check_user(username, password)
                    .map_err(|()| Refusal::InvalidGrant.because("wrong user name or password"))?;
                (client.refresh == RefreshTokens::Given).then(|| self.start_family(&client.id))
            }
            Ask::Refresh { token, .. } => self.rotate(client, token)?,
        };
        Ok(Issued {
            access_token: self.issue(&client.id, client.life, now),
            expires_in: client.life.as_secs(),
            refresh_in: client.refresh_in.map(|refresh_in| refresh_in.as_secs()),
            refresh_token,
            scope,
        })
    }

    /// Issues a token of the vendor's login, which has neither OAuth client nor stated life.
    pub(crate) fn login(&mut self, username: &str, password: &str, now: Instant) -> Result<String, Refused> {
        self.check_user(username, password).map_err(|()| Refusal::BadLogin.because("wrong user name or password"))?;
        Ok(self.issue(VENDOR, self.vendor_life, now))
    }

    /// Starts a new family, as a login in a browser would, and returns its first refresh token.
    pub(crate) fn start_family(&mut self, client: &str) -> String {
        let family = self.serial;
        self.add_refresh_token(client, family)
    }

    /// What a token is worth at the protected API.
    pub(crate) fn verdict(&self, token: &str, now: Instant) -> Verdict {
        let Some(found) = self.access_tokens.get(token) else { return Verdict::Unknown };
        let client = found.client.clone();
        if found.revoked {
            Verdict::Revoked { client }
        } else if found.ends.is_some_and(|ends| ends <= now) {
            Verdict::Expired { client }
        } else {
            Verdict::Live { client }
        }
    }

    /// Revokes the access tokens of one client, or of all; returns how many were not yet revoked.
    pub(crate) fn revoke(&mut self, client: Option<&str>) -> usize {
        let mut revoked = 0;
        for token in self.access_tokens.values_mut() {
            if !token.revoked && client.is_none_or(|client| client == token.client) {
                token.revoked = true;
                revoked += 1;
            }
        }
        revoked
    }

    /// Sets the life of tokens issued from now on; false if nobody has this id.
    pub(crate) fn set_life(&mut self, id: &str, life: Duration) -> bool {
        if id == VENDOR {
            self.vendor_life = life;
            return true;
        }
        self.clients.get_mut(id).map(|client| client.life = life).is_some()
    }

    fn check_user(&self, username: &str, password: &str) -> Result<(), ()> {
        self.users.get(username).filter(|known| *known == password).map(drop).ok_or(())
    }

    /// Spends a refresh token and returns the next of its family, if the client's rotate.
    fn rotate(&mut self, client: &Client, token: &str) -> Result<Option<String>, Refused> {
        let refused = Refusal::InvalidGrant.because("unknown or revoked refresh token");
        let found = self.refresh_tokens.get_mut(token).filter(|found| found.client == client.id).ok_or(refused)?;
        let family = found.family;
        match found.state {
            RefreshState::Revoked => Err(refused),
            RefreshState::Good if client.rotation == Rotation::Never => Ok(None),
            RefreshState::Good => {
                found.state = RefreshState::Spent;
                Ok(Some(self.add_refresh_token(&client.id, family)))
            }
            RefreshState::Spent => {
                if client.rotation == Rotation::ReuseRevokesFamily {
                    self.revoke_family(family);
                }
                Err(Refusal::SpentRefreshToken.because("this refresh token was used before"))
            }
        }
    }

    /// Revokes what is still good of a family; spent members stay spent, so that each further
    /// reuse is counted too.
    fn revoke_family(&mut self, family: u64) {
        for token in self.refresh_tokens.values_mut() {
            if token.family == family && token.state == RefreshState::Good {
                token.state = RefreshState::Revoked;
            }
        }
    }

    fn issue(&mut self, client: &str, life: Duration, now: Instant) -> String {
        let token = self.next_name("sbx", client);
        let entry = AccessToken { client: client.to_owned(), ends: now.checked_add(life), revoked: false };
        self.access_tokens.insert(&token, entry);
        token
    }

    fn add_refresh_token(&mut self, client: &str, family: u64) -> String {
        let token = self.next_name("sbr", client);
        let entry = RefreshToken { client: client.to_owned(), family, state: RefreshState::Good };
        self.refresh_tokens.insert(&token, entry);
        token
    }

    /// A name that was never given before: the serial makes it unique, the rest unguessable enough
    /// for a sandbox. A client id may hold anything, a token only what a header can carry.
    fn next_name(&mut self, prefix: &str, client: &str) -> String {
        self.serial += 1;
        let client: String =
            client.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
        format!("{prefix}_{client}_{}_{:032x}", self.serial, fastrand::u128(..))
    }
}

impl Ask<'_> {
    fn grant(&self) -> Grant {
        match self {
            Self::ClientCredentials { .. } => Grant::ClientCredentials,
            Self::Password { .. } => Grant::Password,
            Self::Refresh { .. } => Grant::RefreshToken,
        }
    }

    fn scope(&self) -> Option<&str> {
        match self {
            Self::ClientCredentials { scope } | Self::Password { scope, .. } | Self::Refresh { scope, .. } => *scope,
        }
    }
}

fn granted_scope(client: &Client, asked: Option<&str>) -> Result<Option<String>, Refused> {
    let Some(asked) = asked else { return Ok(client.scope.clone()) };
    let allowed = |word| client.scope.as_deref().is_none_or(|scope| scope.split(' ').any(|known| known == word));
    if asked.split_ascii_whitespace().all(allowed) {
        Ok(Some(asked.to_owned()))
    } else {
        Err(Refusal::InvalidScope.because("more scope than this client may have"))
    }
}

struct AccessToken {
    client: String,
    /// `None` if the life is longer than the clock can count.
    ends: Option<Instant>,
    revoked: bool,
}

struct RefreshToken {
    client: String,
    family: u64,
    state: RefreshState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RefreshState {
    Good,
    Spent,
    Revoked,
}
