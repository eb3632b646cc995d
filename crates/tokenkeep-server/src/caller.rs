//! Who asks: whoever has an API key, comes as a user of this machine or with a certificate; or everybody, if no caller
//! is configured.
//!
//! A request that shows a key is judged by it alone, so that a mistyped key is never mended by where it came from.

mod news;

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokenkeep::budget::Budget;
use tokenkeep::config::{Action, CallerSettings, KeyPattern, ServerSettings};
use tokenkeep::{Key, Moment};
use tokenkeep_api::headers::API_KEY;

pub(crate) use self::news::News;
use crate::app::App;
use crate::audit::Who;
use crate::peer::Peer;
use crate::problem::Problem;
use crate::rate::Rate;

/// Somebody who may ask. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    /// `None`: everybody.
    settings: Option<Arc<CallerSettings>>,
    rate: Option<Arc<Rate>>,
}

impl Caller {
    /// Everybody, or one with settings of its own; `rate` is for whoever has none of its own. What it was `before` has
    /// made its requests already.
    fn new(settings: Option<Arc<CallerSettings>>, rate: Option<Budget>, before: Option<&Self>) -> Self {
        let its_own = settings.as_ref().and_then(|settings| settings.requests);
        let known = before.and_then(|before| before.rate.as_ref());
        let rate = its_own.or(rate).map(|budget| match known {
            Some(known) if known.is_of(budget) => Arc::clone(known),
            _ => Arc::new(Rate::new(budget)),
        });
        Self { settings, rate }
    }

    /// Whether these settings recognise the same one.
    fn is_same(&self, now: &CallerSettings) -> bool {
        self.settings.as_ref().is_some_and(|before| is_recognised_alike(before, now))
    }

    /// Counts a request, unless it has made as many as it may.
    pub(crate) fn count_request(&self, now: impl FnOnce() -> Moment) -> Result<(), Problem> {
        match &self.rate {
            Some(rate) => rate.spend(now()).map_err(Problem::too_many_requests),
            None => Ok(()),
        }
    }

    /// What logs call it.
    pub(crate) fn name(&self) -> &str {
        self.settings.as_ref().map_or(ANONYMOUS, |settings| &settings.name)
    }

    /// Whether it goes by this name. Where no caller is configured, everybody goes by any.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.settings.as_ref().is_none_or(|settings| settings.name == name)
    }

    /// Whether it may do this with a key.
    pub(crate) fn may(&self, action: Action, key: &Key) -> bool {
        self.settings.as_ref().is_none_or(|settings| settings.may(action, key))
    }

    /// Whether it may know that there is such a key.
    pub(crate) fn may_see(&self, key: &Key) -> bool {
        self.settings.as_ref().is_none_or(|settings| settings.may_see(key))
    }

    /// Whether it may know that there is such a provider.
    pub(crate) fn may_see_provider(&self, name: &str) -> bool {
        self.settings.as_ref().is_none_or(|settings| {
            settings.tokens.iter().any(|pattern| pattern.provider().is_none_or(|provider| provider == name))
        })
    }

    /// Whether it may do everything with all keys.
    pub(crate) fn administers_all(&self) -> bool {
        self.sight().is_none() && self.settings.as_ref().is_none_or(|settings| settings.allows(Action::Admin))
    }

    /// What it may see; `None`: everything.
    pub(crate) fn sight(&self) -> Option<&[KeyPattern]> {
        let patterns = &self.settings.as_ref()?.tokens;
        let sees_all = patterns.iter().any(|pattern| pattern.provider().is_none() && pattern.account().is_none());
        (!sees_all).then_some(patterns)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caller").field(&self.name()).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().and_then(Who::caller).cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// Somebody, or nobody: on the routes that are open to everybody and say more to callers. The requests of callers that
/// show a key count here too.
pub(crate) struct MaybeCaller(pub(crate) Option<Caller>);

impl FromRequestParts<Arc<App>> for MaybeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = app.access().callers.of(parts);
        // Those who watch over this process show no key, whoever they are, and must not be shut out by others.
        let shows_key = matches!(presented_key(&parts.headers), Presented::Key(_));
        if let Some(caller) = caller.as_ref().filter(|caller| shows_key && caller.settings.is_some()) {
            caller.count_request(|| app.manager.now())?;
        }
        Ok(Self(caller))
    }
}

/// The callers that there are.
#[derive(Debug)]
pub(crate) struct Callers {
    known: Vec<Caller>,
    /// Who asks where nobody is known.
    anonymous: Caller,
}

impl Callers {
    /// These; none: everybody. Whoever was there `before` goes on with the requests that it has left.
    pub(crate) fn new(settings: &ServerSettings, before: Option<&Self>) -> Self {
        let caller = |now: &CallerSettings| {
            let before = before.and_then(|before| before.known.iter().find(|before| before.is_same(now)));
            Caller::new(Some(Arc::new(now.clone())), settings.requests, before)
        };
        Self {
            known: settings.callers.iter().map(caller).collect(),
            anonymous: Caller::new(None, settings.requests, before.map(|before| &before.anonymous)),
        }
    }

    /// Whether there are none, so that everybody is served.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whose request this is.
    pub(crate) fn of(&self, request: &Parts) -> Option<Caller> {
        if self.is_empty() {
            return self.everybody(request);
        }
        match presented_key(&request.headers) {
            Presented::Key(key) => self.with_key(request, key),
            Presented::Nothing => self.at(request.extensions.get().map(Who::peer)?),
            Presented::Unclear => None,
        }
    }

    /// Who has this API key, which came with a request. Takes the same time however much of a wrong key is right.
    pub(crate) fn with_key(&self, request: &Parts, key: &[u8]) -> Option<Caller> {
        if self.is_empty() {
            return self.everybody(request);
        }
        if key.is_empty() {
            return None;
        }
        let hash = Sha256::digest(key);
        let mut found = None;
        for caller in &self.known {
            let expected = caller.settings.as_ref().and_then(|settings| settings.key.as_ref());
            let is_this = expected.is_some_and(|key| hash.as_slice().ct_eq(key.as_bytes()).into());
            found = if is_this { Some(caller) } else { found };
        }
        found.cloned()
    }

    /// Who somebody is now who came earlier: whoever is recognised by all the same. `None`: it must come again.
    pub(crate) fn still(&self, caller: &Caller) -> Option<Caller> {
        if caller.settings.is_none() {
            return self.known.is_empty().then(|| self.anonymous.clone());
        }
        self.known.iter().find(|now| now.settings.as_ref().is_some_and(|now| caller.is_same(now))).cloned()
    }

    /// Everybody, but for those who came while they were strangers: what let them connect then may be closed now.
    fn everybody(&self, request: &Parts) -> Option<Caller> {
        let peer = request.extensions.get().map(Who::peer)?;
        peer.is_anybody.then(|| self.anonymous.clone())
    }

    /// Who is at the other end of a connection, as the operating system and TLS tell it.
    fn at(&self, peer: &Peer) -> Option<Caller> {
        let is_there = |settings: &CallerSettings| {
            let is_user = settings.uid.is_some() && settings.uid == peer.uid;
            is_user || settings.certificate.as_ref().is_some_and(|name| peer.certificate.contains(name))
        };
        self.known.iter().find(|caller| caller.settings.as_deref().is_some_and(is_there)).cloned()
    }
}

/// Lets callers pass. To others every path looks the same, whether or not something is there.
pub(crate) fn admit(app: &App, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = app.access().callers.of(&parts).ok_or_else(|| app.unauthenticated(&parts))?;
    caller.count_request(|| app.manager.now())?;
    if let Some(who) = parts.extensions.get_mut::<Who>() {
        who.is(caller);
    }
    Ok(Request::from_parts(parts, body))
}

/// Whether whoever is taken for the one is taken for the other.
fn is_recognised_alike(one: &CallerSettings, other: &CallerSettings) -> bool {
    let hash = |caller: &CallerSettings| caller.key.as_ref().map(|key| *key.as_bytes());
    one.name == other.name && hash(one) == hash(other) && one.uid == other.uid && one.certificate == other.certificate
}

enum Presented<'h> {
    Key(&'h [u8]),
    Nothing,
    /// A header that is there twice, or an `Authorization` of another kind.
    Unclear,
}

/// The key in `X-API-Key`, else that in `Authorization: Bearer`.
fn presented_key(headers: &HeaderMap) -> Presented<'_> {
    if headers.contains_key(API_KEY) {
        return only(headers, API_KEY).map_or(Presented::Unclear, Presented::Key);
    }
    if !headers.contains_key(AUTHORIZATION) {
        return Presented::Nothing;
    }
    let bearer = only(headers, AUTHORIZATION.as_str()).and_then(|value| value.split_at_checked("Bearer ".len()));
    match bearer {
        // The scheme's letter case does not matter (RFC 9110 section 11.1).
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"Bearer ") => Presented::Key(key.trim_ascii()),
        _ => Presented::Unclear,
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

/// What everybody is called where no caller is configured.
const ANONYMOUS: &str = "anonymous";
