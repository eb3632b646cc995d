//! Between what is stored or answered and what this process works with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::account::Identity;
use super::provider::ProviderRuntime;
use crate::clock::{Clock, Moment};
use crate::credentials::Credentials;
use crate::expiry::{Unstated, is_plausible_life, renewal, windows};
use crate::fingerprint::Fingerprint;
use crate::provider::Accounts;
use crate::secret::Secret;
use crate::source::{Expiry, Fault, FetchError, Fetched, jwt, unfit_token};
use crate::store::{Record, Version, Versioned};
use crate::token::{IssuedToken, TokenKind};

/// A stored record whose moments are on this boot's clock, and whose token is this provider's.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) version: Version,
    pub(super) record: Record,
    /// Another configuration wrote it; of that, what does not fit this one is dropped here.
    pub(super) foreign: bool,
    /// What was dropped is a login.
    pub(super) other_login: bool,
}

/// Makes a stored record comparable with what this process has.
///
/// What another configuration or other credentials obtained is dropped, all but its generation and a login that is this
/// one's too; without a fingerprint to compare, credentials are not looked at. A token that was issued in the future
/// of the wall clock is dropped too when no boot clock says how old it is: the clock was set back since.
pub(super) fn normalized(
    stored: Versioned,
    provider: &ProviderRuntime,
    fingerprint: Option<&Fingerprint>,
    clock: &dyn Clock,
    now: Moment,
) -> Stored {
    let Versioned { version, mut record } = stored;
    let foreign = match fingerprint {
        Some(fingerprint) => !record.fingerprint.is_same_token(fingerprint),
        None => !record.fingerprint.is_same_provider(&provider.fingerprint),
    };
    if foreign {
        record.token = None;
        record.failure = None;
    }
    let mut other_login = false;
    if let Some(fingerprint) = fingerprint {
        if !record.fingerprint.is_same_login(fingerprint) {
            other_login = record.refresh_token.take().is_some();
        }
        record.fingerprint = fingerprint.clone();
    }
    let same_boot = !record.boot_id.is_empty() && *record.boot_id == *clock.boot_id();
    let here = |moment: Moment| if same_boot { moment } else { moment.rebased(now) };
    let from_the_future = |moment: Moment| !same_boot && moment.minus(SKEW).is_ahead_of(now);
    record.asked_at = record.asked_at.filter(|asked| !from_the_future(*asked)).map(here);
    record.failure = record.failure.filter(|failure| !from_the_future(failure.since));
    if let Some(failure) = &mut record.failure {
        failure.since = here(failure.since);
        failure.retry_at = here(failure.retry_at);
    }
    // A store of the program's own may hold anything.
    let is_fit = |token: &IssuedToken| {
        unfit_token(token.access_token().expose_secret()).is_none() && is_token_type(&token.kind().token_type)
    };
    record.token = record.token.filter(|token| is_fit(token) && !from_the_future(token.sent_at())).map(|token| {
        let sent_at = here(token.sent_at());
        let windows = token
            .life()
            .map_or_else(Default::default, |life| windows(life, record.refresh_in, record.jitter, provider.policy()));
        if (sent_at, windows) == (token.sent_at(), token.windows()) {
            token
        } else {
            Arc::new(token.with_times(sent_at, windows))
        }
    });
    record.boot_id = clock.boot_id().into();
    Stored { version, record, foreign, other_login }
}

/// When a key is renewed though nobody asks for it, by what is known of it; `None`: not at all, or by each process that has
/// it in memory.
pub(super) fn due_unasked(record: &Record, provider: &ProviderRuntime, now: Moment) -> Option<Moment> {
    let policy = provider.policy();
    // A key that somebody merely named, and that may not even exist, is not renewed for ever.
    let is_known = record.generation > 0 || provider.accounts() == Accounts::Stored;
    if !policy.refresh.is_always() || !is_known || provider.accounts() == Accounts::Default {
        return None;
    }
    let due = record.token.as_ref().map_or(now, |token| renewal(token, policy));
    let retry = record.failure.as_ref().map(|failure| failure.retry_at);
    let due = retry.filter(|retry| retry.boot_ms > due.boot_ms).unwrap_or(due);
    (!due.is_never()).then_some(due)
}

/// Whether it can stand in front of a token in a header (RFC 9110 section 5.6.2).
pub(super) fn is_token_type(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Turns an answer into a record, or says why it is of no use. A rotated refresh token comes back either way.
pub(super) fn accept(
    fetched: Fetched,
    refresh_token: Option<Secret>,
    generation: u64,
    sent: Moment,
    provider: &ProviderRuntime,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<Record, FetchError> {
    let issuer = provider.source().issuer();
    let useless =
        |what: String, rotated: Option<Secret>| FetchError::new(Fault::Unavailable, what).with_rotated(rotated);
    if let Some(what) = unfit_token(fetched.access_token.expose_secret()) {
        let what = format!("{issuer} answered with {what}");
        return Err(useless(what, fetched.refresh_token));
    }
    if !is_token_type(&fetched.token_type) {
        let what = format!("{issuer} answered with a token_type that no header can carry");
        return Err(useless(what, fetched.refresh_token));
    }
    let expires_at = match life(&fetched, sent, provider, identity) {
        None => Moment::NEVER,
        Some(life) if is_plausible_life(life) => sent.plus(life),
        Some(life) => {
            let what = format!("{issuer} answered with a token that lives {} s", life.as_secs());
            return Err(useless(what, fetched.refresh_token));
        }
    };
    let jitter = fastrand::f32();
    let kind = provider.share(TokenKind { token_type: fetched.token_type, scope: fetched.scope });
    let token = IssuedToken::new(fetched.access_token, kind, generation, sent, expires_at);
    let windows =
        token.life().map_or_else(Default::default, |life| windows(life, fetched.refresh_in, jitter, provider.policy()));
    let token = token.with_windows(windows);
    if !token.serves(clock.now()) {
        let what = format!("{issuer} answered with a token that was over when it came: it took longer than it lives");
        return Err(useless(what, fetched.refresh_token));
    }
    Ok(Record {
        generation,
        fingerprint: identity.fingerprint.clone(),
        token: Some(Arc::new(token)),
        refresh_in: fetched.refresh_in,
        jitter,
        refresh_token: fetched.refresh_token.or(refresh_token),
        asked_at: Some(sent),
        failure: None,
        due_at: None,
        boot_id: clock.boot_id().into(),
    })
}

fn life(fetched: &Fetched, sent: Moment, provider: &ProviderRuntime, identity: &Identity) -> Option<Duration> {
    let until = |end: SystemTime| {
        let sent = sent.to_system_time().unwrap_or(SystemTime::UNIX_EPOCH);
        end.duration_since(sent).unwrap_or_default()
    };
    match fetched.expiry {
        Expiry::In(life) => Some(life),
        Expiry::At(end) => Some(until(end)),
        Expiry::Unstated => {
            let own = match provider.policy().unstated {
                Unstated::Jwt => jwt::exp(&fetched.access_token).ok().flatten().map(until),
                Unstated::Assumed => None,
            };
            let of_account = || identity.credentials.as_ref().and_then(Credentials::lifetime);
            Some(own.or_else(of_account).unwrap_or(provider.policy().lifetime))
        }
        Expiry::Never => None,
    }
}

/// By how much the clocks of machines that share a store may differ.
const SKEW: Duration = Duration::from_mins(1);
