//! Counts what became of messages to webhooks, by the host that they are for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::names::{WEBHOOK_MESSAGES, WEBHOOK_WAITING};
use super::text::Page;
use crate::webhooks::Outcome;

/// Of all hosts that were configured since the start.
#[derive(Debug, Default)]
pub(super) struct Webhooks(Mutex<BTreeMap<String, Arc<WebhookCounts>>>);

/// Of one host.
#[derive(Debug, Default)]
pub(crate) struct WebhookCounts {
    waiting: AtomicU64,
    delivered: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

impl WebhookCounts {
    /// A message is for it, and waits as long as this lives.
    pub(crate) fn waits(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    /// One found too many before it.
    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// This became of one.
    pub(crate) fn done(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Delivered => &self.delivered,
            Outcome::GivenUp => &self.given_up,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts one message among those that wait.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<WebhookCounts>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Webhooks {
    /// The counts of a host.
    pub(super) fn of(&self, host: &str) -> Arc<WebhookCounts> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(host.to_owned()).or_default())
    }

    pub(super) fn write(&self, page: &mut Page) {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        page.family(&WEBHOOK_MESSAGES, |samples| {
            for (host, counts) in &hosts {
                let results =
                    [("delivered", &counts.delivered), ("given_up", &counts.given_up), ("dropped", &counts.dropped)];
                for (result, count) in results {
                    samples.add(&[("webhook", host), ("result", result)], read(count));
                }
            }
        });
        page.family(&WEBHOOK_WAITING, |samples| {
            for (host, counts) in &hosts {
                samples.add(&[("webhook", host)], read(&counts.waiting));
            }
        });
    }
}
