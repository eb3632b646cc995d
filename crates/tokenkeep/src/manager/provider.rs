//! A provider at work: its source, its policy, and what all its keys have in common.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::meters::ProviderMeters;
use super::slot::Slot;
use super::sync::{ArcSwapOption, Mutex};
use super::ways::Ways;
use crate::budget::{Budget, Spending, Window};
use crate::clock::Moment;
use crate::environment::overrides::Overrides;
use crate::error::{Code, Error};
use crate::expiry::{Gate, Policy, Refresh};
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::provider::{Accounts, ApiSettings, Provider};
use crate::source::{Ask, Fault, FetchError, Fetched, Keep, Maker, TokenSource};
use crate::token::TokenKind;

#[derive(Debug)]
pub(crate) struct ProviderRuntime {
    pub(crate) name: Box<str>,
    /// What it was made of, if that is a configuration.
    pub(crate) config: Option<Provider>,
    /// It is configured no more, and only handles on its keys are left.
    pub(crate) is_removed: bool,
    pub(crate) settings: Settings,
    /// What the first way of authenticating and all others shape.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) ways: Ways,
    /// Requests that this process made, for when the store cannot say what all made.
    spent: Mutex<Window>,
    /// Bounds the requests that are under way, so that one slow issuer can neither use up this process nor delay
    /// another issuer.
    pub(crate) permits: Arc<Semaphore>,
    /// Keys whose renewal is due and waits for a permit.
    waiting: Mutex<Waiting>,
    hold: ArcSwapOption<Failure>,
    kind: Mutex<Option<Arc<TokenKind>>>,
    pub(super) meters: Arc<ProviderMeters>,
}

impl ProviderRuntime {
    pub(crate) fn of_config(provider: &Provider, maker: &Maker, overrides: &Overrides) -> Self {
        let fallbacks = overrides.fallbacks(provider.fallbacks.iter().map(|grant| maker.source(grant)).collect());
        let max_failures = overrides.max_failures(provider.max_failures);
        let ways = Ways::new(maker.source(&provider.grant), fallbacks, max_failures);
        let Provider { policy, accounts, api, budget, .. } = provider.clone();
        let policy = overrides.policy(&policy);
        let runtime =
            Self::new(provider.name().into(), ways, Settings { policy, accounts, api: Arc::new(api), budget });
        Self { config: Some(provider.clone()), ..runtime }
    }

    /// What stands in its place once it is configured no more.
    pub(crate) fn removed(&self) -> Arc<Self> {
        let ways = Ways::new(Arc::new(Removed), Vec::new(), 1);
        let policy = Policy { refresh: Refresh::OnDemand, ..self.settings.policy.clone() };
        let settings = Settings { policy, budget: None, ..self.settings.clone() };
        Arc::new(Self { is_removed: true, ..Self::new(self.name.clone(), ways, settings) })
    }

    pub(crate) fn new(name: Box<str>, ways: Ways, settings: Settings) -> Self {
        Self {
            name,
            config: None,
            is_removed: false,
            settings,
            fingerprint: ways.fingerprint(),
            ways,
            spent: Mutex::default(),
            permits: Arc::new(Semaphore::new(MAX_FLIGHTS)),
            waiting: Mutex::default(),
            hold: ArcSwapOption::empty(),
            kind: Mutex::default(),
            meters: Arc::default(),
        }
    }

    /// The same, that goes on counting where this one is.
    pub(super) fn counting_on(self, before: &Self) -> Self {
        Self { meters: Arc::clone(&before.meters), ..self }
    }

    /// Whether a refresh token that is replaced by each use has a place to be kept.
    pub(crate) fn check_store(&self, is_named: bool) -> Result<(), Error> {
        if is_named || !self.ways.rotates() {
            return Ok(());
        }
        let what =
            format!("provider {:?} has a refresh token that each use replaces, and no store is named", self.name);
        Err(Error::new(Code::InvalidRequest, what)
            .with_next("name one, e.g. store = \"sqlite:tokens.db\"; with \"memory:\" each start needs a new login"))
    }

    /// The first way of authenticating.
    pub(crate) fn source(&self) -> &dyn TokenSource {
        self.ways.first()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.settings.policy
    }

    pub(crate) fn accounts(&self) -> Accounts {
        self.settings.accounts
    }

    /// Counts a request among those that this process made, if they leave room for it.
    pub(super) fn spend_here(&self, budget: Budget, now: Moment) -> Spending {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).spend(budget.as_counted(), now)
    }

    /// How many requests are left of those that this process may make.
    pub(super) fn left_here(&self, budget: Budget, now: Moment) -> u32 {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).left(budget.as_counted(), now)
    }

    /// Takes back a request that was counted just now and is not made.
    pub(super) fn give_back_here(&self) {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).give_back();
    }

    /// Has a key wait for its renewal; whether somebody has to be found who serves those that wait.
    pub(super) fn wait_in_line(&self, slot: &Arc<Slot>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.slots.push_back(Arc::clone(slot));
        !std::mem::replace(&mut waiting.served, true)
    }

    /// The next key that waits; when there is none, whoever serves them is done.
    pub(super) fn next_in_line(&self) -> Option<Arc<Slot>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.slots.pop_front();
        waiting.served = next.is_some();
        next
    }

    /// Nobody serves those that wait: the next who waits finds somebody.
    pub(super) fn leave_line(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).served = false;
    }

    /// The failure that holds all keys of this provider, if the issuer limits its requests.
    pub(crate) fn hold(&self, now: Moment) -> Option<Arc<Failure>> {
        let hold = self.hold.load_full()?;
        if !hold.retry_at.is_reached(now) {
            return Some(hold);
        }
        // Over once, over for good, also if the clock is set back.
        self.hold.compare_and_swap(&hold, None);
        None
    }

    /// The gate that it leaves.
    pub(crate) fn gate(&self, now: Moment) -> Gate {
        Gate::after(self.hold(now).as_deref(), now)
    }

    pub(crate) fn hold_all(&self, failure: &Failure, now: Moment) {
        let failure = Arc::new(failure.clone());
        let lasts =
            |hold: &Failure| !hold.retry_at.is_reached(now) && hold.retry_at.boot_ms >= failure.retry_at.boot_ms;
        // Many requests may be under way; the longest wait that one of them was told counts.
        self.hold.rcu(|hold| match hold {
            Some(hold) if lasts(hold) => Arc::clone(hold),
            _ => Arc::clone(&failure),
        });
    }

    /// One shared copy of what the tokens of a provider have in common.
    pub(crate) fn share(&self, kind: TokenKind) -> Arc<TokenKind> {
        let mut shared = self.kind.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shared {
            Some(last) if **last == kind => Arc::clone(last),
            _ => Arc::clone(shared.insert(Arc::new(kind))),
        }
    }
}

/// What a provider is told beside its ways of authenticating.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) accounts: Accounts,
    pub(crate) api: Arc<ApiSettings>,
    pub(crate) budget: Option<Budget>,
}

/// The source of a provider that is configured no more.
#[derive(Debug)]
struct Removed;

#[async_trait]
impl TokenSource for Removed {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        Err(FetchError::new(Fault::Refused, "the provider is configured no more"))
    }

    fn issuer(&self) -> &'static str {
        "nobody"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("provider", "removed")])
    }

    fn keep(&self) -> Keep {
        Keep::InMemory
    }
}

#[derive(Debug, Default)]
struct Waiting {
    slots: VecDeque<Arc<Slot>>,
    served: bool,
}

/// Requests to one provider that may be under way at once.
pub(crate) const MAX_FLIGHTS: usize = 64;
