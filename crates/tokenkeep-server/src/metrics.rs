//! What the server counts, and the page on which a monitoring system reads it with what the engine measured.
//!
//! A page is for a caller: keys that it may not see have no line, a provider has lines if the caller may see each of its
//! accounts, and what says something of all requests or of the store is for those who may see everything.

mod hand_outs;
mod http;
pub(crate) mod names;
mod text;
mod webhooks;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::{Method, StatusCode};
use tokenkeep::config::ServerSettings;
use tokenkeep::measurements::ProviderMeasurements;
use tokenkeep::{Key, Status, TokenManager};

use self::hand_outs::{HandOuts, MAX_SHOWN};
use self::http::Http;
use self::text::{Page, Samples};
use self::webhooks::Webhooks;
use crate::answer;
use crate::caller::Caller;
use crate::places::Places;
use crate::sight::{self, sees_whole};

pub(crate) use self::hand_outs::HandOut;
pub(crate) use self::webhooks::{Waiting, WebhookCounts};

/// What the server counts.
pub(crate) struct Metrics {
    started: SystemTime,
    http: Http,
    hand_outs: HandOuts,
    listeners: OnceLock<Vec<Room>>,
    webhooks: Webhooks,
}

/// Somebody who asks for a token; counted when it is dropped, by what came of it until then.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    hand_outs: &'a HandOuts,
    key: &'a Key,
    pub(crate) hand_out: HandOut,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.hand_outs.count(self.key, self.hand_out);
    }
}

/// The connections of a listener.
pub(crate) struct Room {
    pub(crate) address: String,
    pub(crate) places: Arc<Places>,
}

impl Metrics {
    #[expect(clippy::disallowed_methods, reason = "is told to people; nothing is decided by it")]
    pub(crate) fn new() -> Self {
        Self {
            started: SystemTime::now(),
            http: Http::default(),
            hand_outs: HandOuts::default(),
            listeners: OnceLock::new(),
            webhooks: Webhooks::default(),
        }
    }

    /// Where connections are counted from now on.
    pub(crate) fn listening(&self, listeners: Vec<Room>) {
        // A server runs once.
        self.listeners.set(listeners).ok();
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        self.http.answered(route, method, status, took);
    }

    /// Somebody asks for a key's token.
    pub(crate) fn asks<'a>(&'a self, key: &'a Key) -> Asking<'a> {
        Asking { hand_outs: &self.hand_outs, key, hand_out: HandOut::CallerLeft }
    }

    /// Takes over which keys the settings name: whatever else is asked for, they are counted by themselves.
    pub(crate) fn name(&self, settings: &ServerSettings) {
        self.hand_outs.name(settings.callers.iter().flat_map(|caller| caller.tokens.clone()));
    }

    /// Whether the settings name this key.
    pub(crate) fn names(&self, key: &Key) -> bool {
        self.hand_outs.names(key)
    }

    /// Where messages to webhooks at this host are counted.
    pub(crate) fn webhook(&self, host: &str) -> Arc<WebhookCounts> {
        self.webhooks.of(host)
    }

    /// How many have asked for a key's token.
    pub(crate) fn token_requests(&self, key: &Key) -> u64 {
        self.hand_outs.total(key)
    }

    /// The page for a caller. Asks neither store nor issuer; with many keys it takes a while.
    pub(crate) fn page(&self, manager: &TokenManager, caller: &Caller) -> String {
        let sees_all = caller.sight().is_none();
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION");
        page.family(&names::BUILD_INFO, |samples| samples.add(&[("version", version)], 1));
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.family(&names::START_TIME, |samples| samples.add(&[], started.as_secs_f64()));
        page.family(&names::RUNNING, |samples| samples.add(&[], u8::from(manager.is_running())));
        let named = sight::named(caller, manager);
        // Nothing of them is for who may see no whole provider, and they take a look at all keys.
        let measured = named.is_none().then(|| manager.measurements());
        let (mut providers, store) = measured.map(|all| (all.providers, all.store)).unwrap_or_default();
        providers.retain(|provider| sees_whole(caller, &provider.name));
        if sees_all {
            self.write_connections(&mut page);
            self.http.write(&mut page);
        }
        match &named {
            Some(keys) => self.hand_outs.write_of(&mut page, keys),
            None => self.hand_outs.write(&mut page, |key| caller.may_see(key), |name| sees_whole(caller, name)),
        }
        write_keys(&mut page, &statuses(manager, caller, named.as_ref()));
        write_providers(&mut page, &providers);
        if sees_all {
            self.webhooks.write(&mut page);
            let is_failing = manager.store_trouble().is_some();
            page.family(&names::STORE_FAILING, |samples| samples.add(&[], u8::from(is_failing)));
            page.family(&names::STORE_DURATION, |samples| {
                for call in &store {
                    samples.add_histogram(&[("operation", call.operation)], &call.calls);
                }
            });
            page.family(&names::STORE_FAILURES, |samples| {
                for call in &store {
                    samples.add(&[("operation", call.operation)], call.failures);
                }
            });
        }
        page.into_text()
    }

    fn write_connections(&self, page: &mut Page) {
        page.family(&names::CONNECTIONS, |samples| {
            for Room { address, places } in self.listeners.get().into_iter().flatten() {
                samples.add(&[("listener", address)], places.taken());
            }
        });
    }
}

/// Of the keys that a caller may see. Where they are named, no other key is looked at.
fn statuses(manager: &TokenManager, caller: &Caller, named: Option<&BTreeSet<Key>>) -> Vec<Status> {
    match named {
        Some(keys) => keys.iter().filter_map(|key| manager.status_in_memory(key)).take(MAX_SHOWN).collect(),
        None => manager.statuses_in_memory(|key| caller.may_see(key), MAX_SHOWN),
    }
}

fn write_keys(page: &mut Page, statuses: &[Status]) {
    let mut each = |family, write: &dyn Fn(&mut Samples<'_>, &Status, &[text::Label<'_>])| {
        page.family(family, |samples| {
            for status in statuses {
                write(samples, status, &[("provider", status.key.provider()), ("key", status.key.as_str())]);
            }
        });
    };
    each(&names::KEY_STATE, &|samples, status, labels| {
        samples.add(&[labels, &[("state", answer::state(status.state).as_str())]].concat(), 1);
    });
    each(&names::KEY_EXPIRES, &|samples, status, labels| {
        if let Some(left) = status.expires_in {
            samples.add(labels, left.as_secs());
        }
    });
    each(&names::KEY_GENERATION, &|samples, status, labels| samples.add(labels, status.generation));
    each(&names::KEY_FAILURES, &|samples, status, labels| samples.add(labels, status.consecutive_failures));
    each(&names::KEY_WARNING, &|samples, status, labels| {
        for warning in &status.warnings {
            samples.add(&[labels, &[("warning", warning.code())]].concat(), 1);
        }
    });
}

fn write_providers(page: &mut Page, providers: &[ProviderMeasurements]) {
    let mut each = |family, write: &dyn Fn(&mut Samples<'_>, &ProviderMeasurements, &[text::Label<'_>])| {
        page.family(family, |samples| {
            for provider in providers {
                write(samples, provider, &[("provider", &provider.name)]);
            }
        });
    };
    each(&names::KEYS_IN_MEMORY, &|samples, provider, labels| samples.add(labels, provider.keys_in_memory));
    each(&names::FLIGHTS, &|samples, provider, labels| samples.add(labels, provider.flights));
    each(&names::WAITERS, &|samples, provider, labels| samples.add(labels, provider.waiters));
    each(&names::ISSUER_REQUESTS, &|samples, provider, labels| {
        samples.add(&[labels, &[("result", "token")]].concat(), provider.tokens);
        for (kind, count) in &provider.failures {
            samples.add(&[labels, &[("result", kind.as_str())]].concat(), count);
        }
    });
    each(&names::ISSUER_DURATION, &|samples, provider, labels| samples.add_histogram(labels, &provider.requests));
    each(&names::LEASE_WAITS, &|samples, provider, labels| samples.add_histogram(labels, &provider.lease_waits));
    each(&names::BUDGET, &|samples, provider, labels| {
        if let Some(budget) = provider.budget {
            samples.add(labels, budget.requests());
        }
    });
    each(&names::BUDGET_LEFT, &|samples, provider, labels| {
        if let Some(left) = provider.budget_left {
            samples.add(labels, left);
        }
    });
}
