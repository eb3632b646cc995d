//! What asking for a token would come to, for somebody who looks on: no issuer is asked for one, nothing is written.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::account::{UNREADABLE, no_credentials, store_fails};
use super::provider::ProviderRuntime;
use super::slot::Slot;
use super::statuses::is_cold;
#[cfg(feature = "grants")]
use super::sync::time;
use super::{Shared, TokenManager, declined, parsed};
#[cfg(feature = "grants")]
use crate::clock::{Moment, millis};
use crate::diagnosis::{Diagnosis, IssuerClock, Prospect};
use crate::error::Error;
#[cfg(feature = "grants")]
use crate::expiry::CLOCK_SLACK;
use crate::expiry::{Decision, Gate, MAX_BUFFER, classify, decide};
use crate::provider::Accounts;
use crate::source::Keep;
use crate::status::{Facts, Obstacle};
use crate::token::ForeignToken;

impl TokenManager {
    /// What is known of a key's token, and what asking for it would come to at this moment. Looks into the store; asks no
    /// issuer and writes nothing. What of a budget other processes have spent is not looked at.
    ///
    /// Fails as [`TokenManager::handle`] does. Cancel safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::diagnosis::Prospect;
    ///
    /// let diagnosis = manager.diagnose("bluestakes:123").await?;
    /// let Prospect::Fail(error) = diagnosis.prospect else { return Err("it has no credentials".into()) };
    /// assert_eq!(error.next(), Some("give them: tokenkeep credentials set bluestakes:123"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn diagnose(&self, key: &str) -> Result<Diagnosis, Error> {
        let slot = self.shared.slot(key)?;
        if slot.provider().source().keep() == Keep::InMemory {
            // Had for nothing; if not, the status says why.
            self.token(key).await.ok();
        }
        Ok(self.shared.diagnose(&slot).await)
    }

    /// The same of a token of another program as if it was imported, whatever the store has.
    ///
    /// Fails as [`TokenManager::import`] does.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use std::time::{Duration, SystemTime};
    /// use tokenkeep::{KeyState, Secret, token::ForeignToken};
    ///
    /// let soon = SystemTime::now() + Duration::from_secs(10);
    /// let token = ForeignToken::new(Secret::new("of-the-old-system"), soon);
    /// assert_eq!(manager.diagnose_foreign("graph", &token).await?.status.state, KeyState::Expiring);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn diagnose_foreign(&self, key: &str, token: &ForeignToken) -> Result<Diagnosis, Error> {
        self.shared.diagnose_foreign(key, token).await
    }

    /// What can be learnt of the clock of a provider's issuer, by a request to the root of its host (`HEAD /`) that holds
    /// no credentials: it spends nothing, and is no login. It is the clock of whatever answers there, which can be a load
    /// balancer.
    ///
    /// Fails as [`TokenManager::check_provider`] does. Takes no longer than the provider's `timeout`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// use tokenkeep::diagnosis::IssuerClock;
    ///
    /// let toml = "[providers.billing]\ngrant = \"static\"\ntoken = \"an-api-key\"";
    /// let manager = TokenManager::builder().config_text(toml).build().await?;
    /// assert!(matches!(manager.issuer_clock("billing").await?, IssuerClock::Unknown(_))); // nobody is asked
    /// # Ok(())
    /// # }
    /// ```
    pub async fn issuer_clock(&self, provider: &str) -> Result<IssuerClock, Error> {
        let runtime = self.shared.provider_of(&parsed(provider)?)?;
        Ok(self.shared.issuer_clock(&runtime).await)
    }
}

impl Shared {
    async fn diagnose(&self, slot: &Slot) -> Diagnosis {
        let provider = slot.provider();
        if !is_cold(slot) {
            return self.facts_of(slot.key(), &provider, Some(slot), None, None, |facts| diagnosis(facts, &provider));
        }
        let seen = self.look(slot, &provider).await;
        let obstacle = self.obstacle_of(slot.key(), &provider, &seen).await;
        let stored = seen.ok().flatten().map(|seen| seen.stored);
        let is_foreign = stored.as_ref().is_some_and(|stored| stored.foreign && stored.record.generation > 0);
        let found = self.facts_of(slot.key(), &provider, Some(slot), stored.as_ref(), obstacle, |facts| {
            diagnosis(facts, &provider)
        });
        Diagnosis { is_of_another_configuration: is_foreign, ..found }
    }

    async fn diagnose_foreign(self: &Arc<Self>, key: &str, token: &ForeignToken) -> Result<Diagnosis, Error> {
        let slot = self.slot_to_import(key, token)?;
        let provider = slot.provider();
        let (issued, _) = self.as_imported(&slot, token, 1).await?;
        let facts = Facts {
            key: slot.key(),
            issuer: provider.source().issuer(),
            policy: provider.policy(),
            token: Some(&issued),
            generation: 0,
            failure: None,
            obstacle: None,
            now: self.clock.now(),
            warnings: Vec::new(),
        };
        Ok(diagnosis(facts, &provider))
    }

    #[cfg(feature = "grants")]
    async fn issuer_clock(&self, provider: &ProviderRuntime) -> IssuerClock {
        let Some(config) = &provider.config else { return IssuerClock::Unknown(OWN_SOURCE) };
        let Some(origin) = config.grant.origin() else { return IssuerClock::Unknown(NO_HOST) };
        let asking = self.sources.date_at(&origin);
        let asked = self.clock.now();
        let answered = time::timeout(provider.policy().timeout, asking).await;
        let now = self.clock.now();
        match answered {
            Ok(Ok(Some(date))) => difference(date, asked, now),
            Ok(Ok(None)) => IssuerClock::Unknown("its answers have no Date"),
            Ok(Err(what)) => IssuerClock::Unreachable(what),
            Err(_) => IssuerClock::Unreachable("did not answer in time".to_owned()),
        }
    }

    #[cfg(not(feature = "grants"))]
    #[expect(clippy::unused_async, reason = "only the grants ask over HTTP")]
    async fn issuer_clock(&self, _provider: &ProviderRuntime) -> IssuerClock {
        IssuerClock::Unknown(OWN_SOURCE)
    }
}

/// The issuer's clock stood somewhere in the second that it told, at some time while it was asked.
#[cfg(feature = "grants")]
fn difference(date: SystemTime, asked: Moment, now: Moment) -> IssuerClock {
    let since = date.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis);
    let slack = millis(CLOCK_SLACK);
    IssuerClock::Read {
        at_least_ms: since.saturating_sub(now.wall_ms.saturating_add(slack)),
        at_most_ms: since.saturating_add(1000).saturating_sub(asked.wall_ms),
    }
}

fn diagnosis(facts: Facts<'_>, provider: &ProviderRuntime) -> Diagnosis {
    let (now, policy) = (facts.now, facts.policy);
    let ends = facts.token.filter(|token| !token.expires_at().is_never());
    let buffer = ends.map(|token| Duration::from_millis(token.windows().buffer_ms.into()));
    let expires_at = ends.and_then(|token| token.expires_at().to_system_time());
    let expiry_buffer = buffer.or(policy.expiry_buffer).unwrap_or(MAX_BUFFER);
    let (expected_life, is_renewed_unasked) = (policy.expected_life, policy.refresh.is_always());
    let prospect = prospect(&facts, provider);
    Diagnosis {
        status: facts.into_status(),
        now: now.to_system_time().unwrap_or(SystemTime::UNIX_EPOCH),
        expires_at,
        expiry_buffer,
        expected_life,
        is_renewed_unasked,
        is_of_another_configuration: false,
        prospect,
    }
}

/// What a caller's step and the flight behind it would come to.
fn prospect(facts: &Facts<'_>, provider: &ProviderRuntime) -> Prospect {
    let phase = classify(facts.token, facts.now, Duration::ZERO);
    match decide(phase, Gate::after(facts.failure, facts.now)) {
        Decision::HandOut => Prospect::HandOut,
        Decision::HandOutAndRefresh => Prospect::HandOutAndRefresh,
        Decision::Decline => match facts.failure {
            Some(failure) => Prospect::Fail(declined(facts.key, failure, facts.now)),
            None => Prospect::Obtain,
        },
        Decision::Wait => match facts.obstacle {
            Some(Obstacle::NoCredentials) => Prospect::Fail(no_credentials(facts.key)),
            Some(Obstacle::Unreadable) if provider.accounts() == Accounts::Stored => {
                Prospect::Fail(store_fails(UNREADABLE).with_key(facts.key))
            }
            Some(Obstacle::Unreadable) if provider.ways.rotates() => {
                Prospect::Fail(store_fails("the refresh token cannot be used safely").with_key(facts.key))
            }
            None | Some(Obstacle::Unreadable) => Prospect::Obtain,
        },
    }
}

const OWN_SOURCE: &str = "the program itself knows how to ask";
#[cfg(feature = "grants")]
const NO_HOST: &str = "no issuer is asked over HTTP, or each account has its own";
