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
        Waiting { counts: Arc::clone(self), outcome: None }
    }
}

/// Counts one message among those that wait and, when it is dropped, by what came of it until then.
#[derive(Debug)]
pub(crate) struct Waiting {
    counts: Arc<WebhookCounts>,
    /// `None`: it was not even tried to the end.
    pub(crate) outcome: Option<Outcome>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let count = match self.outcome {
            Some(Outcome::Delivered) => &self.counts.delivered,
            Some(Outcome::GivenUp) => &self.counts.given_up,
            None => &self.counts.dropped,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
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
