//! A provider at work: its source, its policy, and what all its keys have in common.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;

use super::Accounts;
use super::slot::Slot;
use crate::clock::Moment;
use crate::expiry::{Gate, Policy};
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::provider::ApiSettings;
use crate::source::TokenSource;
use crate::token::TokenKind;

#[derive(Debug)]
pub(crate) struct ProviderRuntime {
    pub(crate) name: Box<str>,
    pub(crate) source: Arc<dyn TokenSource>,
    pub(crate) policy: Policy,
    pub(crate) api: ApiSettings,
    pub(crate) accounts: Accounts,
    pub(crate) fingerprint: Fingerprint,
    /// Bounds the requests that are under way, so that one slow issuer can neither use up this process nor delay
    /// another issuer.
    pub(crate) permits: Arc<Semaphore>,
    /// Keys whose renewal is due and waits for a permit.
    waiting: Mutex<Waiting>,
    hold: ArcSwapOption<Failure>,
    kind: Mutex<Option<Arc<TokenKind>>>,
}

impl ProviderRuntime {
    pub(crate) fn new(name: Box<str>, source: Arc<dyn TokenSource>, policy: Policy, accounts: Accounts) -> Self {
        Self {
            name,
            fingerprint: source.fingerprint(),
            source,
            policy,
            api: ApiSettings::default(),
            accounts,
            permits: Arc::new(Semaphore::new(MAX_FLIGHTS)),
            waiting: Mutex::default(),
            hold: ArcSwapOption::empty(),
            kind: Mutex::default(),
        }
    }

    pub(super) fn with_api(self, api: ApiSettings) -> Self {
        Self { api, ..self }
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

#[derive(Debug, Default)]
struct Waiting {
    slots: VecDeque<Arc<Slot>>,
    served: bool,
}

/// Requests to one provider that may be under way at once.
pub(crate) const MAX_FLIGHTS: usize = 64;
