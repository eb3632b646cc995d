//! Tokens that another program has obtained, in place of those that nobody has asked for yet.
//!
//! The hard problem is a request that is under way: what it brings is newer than anything that is imported, and may be the
//! only copy of a rotated login. So an import has the key's lease as a flight has it, and stands back if it cannot have it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::account::{Identity, store_fails};
use super::provider::ProviderRuntime;
use super::record::{Stored, is_token_type};
use super::slot::Slot;
use super::{Shared, StoreTask, TokenManager, lost_flight, watch_store};
use crate::clock::{Moment, millis};
use crate::credentials::Credentials;
use crate::error::{Code, Error};
use crate::expiry::{is_plausible_life, windows};
use crate::source::{Keep, unfit_token};
use crate::store::{Holder, LeaseOutcome, Record, SaveOutcome, Version};
use crate::token::{ForeignToken, IssuedToken, TokenKind};

/// What became of a token of another program.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// # use tokenkeep::{Imported, Secret, token::ForeignToken};
/// let over = ForeignToken::new(Secret::new("of-last-year"), std::time::UNIX_EPOCH);
/// assert_eq!(manager.import("graph", over).await?, Imported::Over);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Imported {
    /// It is in the store, as this generation.
    Token(u64),
    /// It is over, or will be within its expiry buffer; its refresh token is in the store.
    Login,
    /// It is over, or will be within its expiry buffer, and nothing came with it.
    Over,
    /// The store has a login of its own for this key, which is newer.
    HasLogin,
    /// The store has a token for this key that ends no earlier.
    HasToken,
    /// Somebody is obtaining a token for this key at this moment.
    Busy,
}

/// What is to be done with a token of another program.
enum Look {
    /// To save this record in place of that version.
    Save(Box<Record>, Option<Version>),
    /// Nothing.
    Leave(Imported),
}

/// Whether what is stored gives way.
enum Verdict {
    /// It does, to this generation.
    Save(u64),
    Leave(Imported),
}

impl TokenManager {
    /// Has the store keep a token that another program has obtained, for whoever asks for this key next: the issuer is asked
    /// when it is due. It becomes the first generation of a key of which nothing is known, else the next one; it is
    /// the token of what is configured for the key, so a change of that ends it. What the store has that is newer stays.
    ///
    /// `unknown_key` if there is no such provider or account; `invalid_request` if it is no key, if no header can carry the
    /// token, if its life is absurd, or if the provider's tokens are not stored; `unavailable` if the store does not work.
    /// Cancel safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (sandbox, manager) = example().await?;
    /// use std::time::{Duration, SystemTime};
    /// use tokenkeep::{Imported, Secret, token::ForeignToken};
    ///
    /// let end = SystemTime::now() + Duration::from_hours(1);
    /// let imported = manager.import("graph", ForeignToken::new(Secret::new("of-the-old-system"), end)).await?;
    /// assert_eq!(imported, Imported::Token(1));
    /// assert_eq!(manager.token("graph").await?.expose_secret(), "of-the-old-system");
    /// assert_eq!(sandbox.counters_of("reports").token_requests, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn import(&self, key: &str, token: ForeignToken) -> Result<Imported, Error> {
        let slot = self.shared.slot_to_import(key, &token)?;
        let own = Arc::clone(&self.shared);
        let importing = self.shared.tasks.spawn(async move { own.import(&slot, &token).await });
        importing.await.unwrap_or_else(|_| Err(lost_flight()))
    }

    /// What [`TokenManager::import`] would do at this moment; nothing is done, and nobody is asked whether somebody is at it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// # use std::time::{Duration, SystemTime};
    /// # use tokenkeep::{Imported, Secret, token::ForeignToken};
    /// # let end = SystemTime::now() + Duration::from_hours(1);
    /// let token = ForeignToken::new(Secret::new("of-the-old-system"), end);
    /// assert_eq!(manager.would_import("graph", &token).await?, Imported::Token(1));
    /// assert!(manager.stats(None).await?.total_cached == 0); // nothing is kept
    /// # Ok(())
    /// # }
    /// ```
    pub async fn would_import(&self, key: &str, token: &ForeignToken) -> Result<Imported, Error> {
        let slot = self.shared.slot_to_import(key, token)?;
        Ok(match self.shared.look_at_import(&slot, token).await? {
            Look::Save(record, _) => outcome(&record),
            Look::Leave(left) => left,
        })
    }
}

impl Shared {
    /// The slot of a key whose tokens can be imported, and this one at all.
    pub(super) fn slot_to_import(self: &Arc<Self>, key: &str, token: &ForeignToken) -> Result<Arc<Slot>, Error> {
        let slot = self.slot(key)?;
        let invalid = |what: &str, next: &str| {
            Err(Error::new(Code::InvalidRequest, what).with_key(slot.key()).with_next(next.to_owned()))
        };
        if slot.provider().source().keep() == Keep::InMemory {
            return invalid("the tokens of this provider are not kept in a store", "it has them by its configuration");
        }
        let texts = [Some(&token.access_token), token.refresh_token.as_ref()];
        let is_fit = |text: &str| unfit_token(text).is_none();
        if !texts.into_iter().flatten().all(|text| is_fit(text.expose_secret())) || !is_token_type(&token.token_type) {
            return invalid("no header can carry the token", "look whether the right column is named");
        }
        Ok(slot)
    }

    async fn import(self: &Arc<Self>, slot: &Arc<Slot>, token: &ForeignToken) -> Result<Imported, Error> {
        // Not the manager's own: flights of this process are under way as those of others are.
        let holder = Holder::unique();
        let turn = self.store.acquire_lease(slot.key(), &holder, LEASE).await;
        self.note_store(StoreTask::Lease, &turn);
        match turn.map_err(|_| failed(slot))? {
            LeaseOutcome::Acquired => {}
            LeaseOutcome::Held(_) => return Ok(Imported::Busy),
        }
        let imported = self.import_in_turn(slot, token).await;
        // It ends by itself, too.
        self.store.release_lease(slot.key(), &holder).await.ok();
        imported
    }

    async fn import_in_turn(self: &Arc<Self>, slot: &Arc<Slot>, token: &ForeignToken) -> Result<Imported, Error> {
        loop {
            let (record, version) = match self.look_at_import(slot, token).await? {
                Look::Save(record, version) => (record, version),
                Look::Leave(left) => return Ok(left),
            };
            let saved = self.save_dated(slot.key(), &record, version).await;
            self.note_store(StoreTask::Save, &saved);
            match saved.map_err(|_| failed(slot))? {
                SaveOutcome::Saved(version) => {
                    // As if another process had written it: whoever has the key in use here goes on with it.
                    watch_store::take_over(self, slot, version).await;
                    return Ok(outcome(&record));
                }
                // Cleared, or thrown out.
                SaveOutcome::Conflict => {}
            }
        }
    }

    async fn look_at_import(&self, slot: &Slot, token: &ForeignToken) -> Result<Look, Error> {
        let provider = slot.provider();
        let stored = self.read(slot, &provider).await.map_err(|_| failed(slot))?;
        let identity = self.identity(slot.key(), &provider).await.map_err(|_| failed(slot))?;
        let now = self.clock.now();
        let generation = match judge(stored.as_ref(), at(token.expires_at, now)) {
            Verdict::Save(generation) => generation,
            Verdict::Leave(left) => return Ok(Look::Leave(left)),
        };
        let (issued, jitter) = issued(&provider, &identity, token, generation, now);
        let is_good = issued.serves(now);
        if let Some(life) = issued.life().filter(|life| is_good && !is_plausible_life(*life)) {
            return Err(absurd(slot, life));
        }
        if !is_good && token.refresh_token.is_none() {
            return Ok(Look::Leave(Imported::Over));
        }
        let record = Record {
            generation,
            fingerprint: identity.fingerprint,
            token: is_good.then(|| Arc::new(issued)),
            refresh_in: None,
            jitter,
            refresh_token: token.refresh_token.clone(),
            asked_at: stored.as_ref().and_then(|stored| stored.record.asked_at),
            failure: None,
            due_at: None,
            boot_id: self.clock.boot_id().into(),
        };
        Ok(Look::Save(Box::new(record), stored.map(|stored| stored.version)))
    }

    /// A token as it would be issued for a key, and its draw; whether it is good or absurd is not looked at.
    pub(super) async fn as_imported(
        &self,
        slot: &Slot,
        token: &ForeignToken,
        generation: u64,
    ) -> Result<(IssuedToken, f32), Error> {
        let provider = slot.provider();
        let identity = self.identity(slot.key(), &provider).await.map_err(|_| failed(slot))?;
        Ok(issued(&provider, &identity, token, generation, self.clock.now()))
    }
}

/// A token of another program as one that its issuer gave, and its draw.
fn issued(
    provider: &ProviderRuntime,
    identity: &Identity,
    token: &ForeignToken,
    generation: u64,
    now: Moment,
) -> (IssuedToken, f32) {
    let of_account = || identity.credentials.as_ref().and_then(Credentials::lifetime);
    let usual = provider.policy().expected_life.or_else(of_account).unwrap_or(provider.policy().lifetime);
    let end = at(token.expires_at, now);
    let sent = sent_at(token.issued_at.map(|issued| at(issued, now)), end, usual, now);
    let (life, jitter) = (end.since(sent), fastrand::f32());
    let kind = provider.share(TokenKind { token_type: token.token_type.clone(), scope: None });
    let issued = IssuedToken::new(token.access_token.clone(), kind, generation, sent, end);
    (issued.with_windows(windows(life, None, jitter, provider.policy())), jitter)
}

/// Decides about a token that ends then.
fn judge(stored: Option<&Stored>, end: Moment) -> Verdict {
    let Some(stored) = stored else { return Verdict::Save(1) };
    if stored.other_login || stored.record.refresh_token.is_some() {
        return Verdict::Leave(Imported::HasLogin);
    }
    match &stored.record.token {
        Some(token) if token.expires_at().wall_ms >= end.wall_ms => Verdict::Leave(Imported::HasToken),
        Some(_) | None => Verdict::Save(stored.record.generation.saturating_add(1)),
    }
}

/// When a token was asked for, as far as can be told: else a usual life before its end, but not in the future.
fn sent_at(stated: Option<Moment>, end: Moment, usual: Duration, now: Moment) -> Moment {
    let sent = stated.unwrap_or_else(|| end.minus(usual));
    if sent.is_ahead_of(now) { now } else { sent }
}

/// A time of the wall clock, on both clocks.
fn at(time: SystemTime, now: Moment) -> Moment {
    let wall_ms = match time.duration_since(SystemTime::UNIX_EPOCH) {
        // No moment that comes is the one that does not.
        Ok(since) => millis(since).min(i64::MAX - 1),
        Err(before) => -millis(before.duration()),
    };
    Moment { wall_ms, boot_ms: 0 }.rebased(now)
}

fn outcome(record: &Record) -> Imported {
    if record.token.is_some() { Imported::Token(record.generation) } else { Imported::Login }
}

fn absurd(slot: &Slot, life: Duration) -> Error {
    Error::new(Code::InvalidRequest, format!("it would live {} days, which no token does", life.as_secs() / 86_400))
        .with_key(slot.key())
        .with_next("look whether its end is in seconds")
}

fn failed(slot: &Slot) -> Error {
    store_fails("the token is not imported").with_key(slot.key())
}

/// Longer than a few calls of a store may take.
const LEASE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_was_asked_for_a_usual_life_before_its_end_but_not_in_the_future() {
        let now = Moment { wall_ms: 10_000_000, boot_ms: 10_000 };
        let end = now.plus(Duration::from_mins(20));
        let sent = |stated, usual| sent_at(stated, end, Duration::from_mins(usual), now);
        assert_eq!(sent(None, 60), now.minus(Duration::from_mins(40)));
        assert_eq!(sent(None, 5), now);
        let stated = now.minus(Duration::from_mins(1));
        assert_eq!(sent(Some(stated), 60), stated);
        assert_eq!(sent(Some(end), 60), now, "a clock that was ahead");
    }

    #[test]
    fn times_before_1970_and_after_all_times_are_times() {
        let now = Moment { wall_ms: 10_000, boot_ms: 1_000 };
        let second = Duration::from_secs(1);
        assert_eq!(at(SystemTime::UNIX_EPOCH - second, now), Moment { wall_ms: -1_000, boot_ms: -10_000 });
        assert_eq!(at(SystemTime::UNIX_EPOCH + second * 11, now), Moment { wall_ms: 11_000, boot_ms: 2_000 });
    }
}
