//! A provider at work: its source, its policy, and what all its keys have in common.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::Accounts;
use crate::clock::Moment;
use crate::expiry::Policy;
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::source::TokenSource;
use crate::token::TokenKind;

#[derive(Debug)]
pub(crate) struct ProviderRuntime {
    pub(crate) name: Box<str>,
    pub(crate) source: Arc<dyn TokenSource>,
    pub(crate) policy: Policy,
    pub(crate) accounts: Accounts,
    pub(crate) fingerprint: Fingerprint,
    /// Bounds the requests that are under way, so that one slow issuer can neither use up this process nor delay
    /// another issuer.
    pub(crate) permits: Arc<Semaphore>,
    hold: Mutex<Option<Failure>>,
    kind: Mutex<Option<Arc<TokenKind>>>,
}

impl ProviderRuntime {
    pub(crate) fn new(name: Box<str>, source: Arc<dyn TokenSource>, policy: Policy, accounts: Accounts) -> Self {
        Self {
            name,
            fingerprint: source.fingerprint(),
            source,
            policy,
            accounts,
            permits: Arc::new(Semaphore::new(MAX_FLIGHTS)),
            hold: Mutex::default(),
            kind: Mutex::default(),
        }
    }

    /// The failure that holds all keys of this client registration, if the issuer limits its requests.
    pub(crate) fn hold(&self, now: Moment) -> Option<Failure> {
        let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        if hold.as_ref().is_some_and(|failure| failure.retry_at.is_reached(now)) {
            *hold = None;
        }
        hold.clone()
    }

    pub(crate) fn hold_all(&self, failure: &Failure) {
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
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

/// Requests to one provider that may be under way at once.
pub(crate) const MAX_FLIGHTS: usize = 64;
