//! Tells other programs by HTTP when the credentials of a key are refused, and when the key is well again.
//!
//! ```text
//! events of the manager ─▶ troubles: is it news? ─▶ message ─▶ a bounded queue for each receiver ─▶ delivery
//! ```
//!
//! Nobody waits for a receiver: what finds its queue full is dropped, which the log and a metric tell.

mod delivery;
mod message;
mod troubles;

use std::sync::Arc;

use tokenkeep::config::WebhookSettings;
use tokenkeep::{Event, Key, TokenManager};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use self::delivery::Delivery;
pub(crate) use self::delivery::Outcome;
use self::message::Message;
use self::troubles::{News, Troubles};
use crate::app::App;
use crate::metrics::{Waiting, WebhookCounts};
use crate::server::Limits;
use crate::tasks::Tasks;

/// Tells receivers what happens until the server stops.
pub(crate) struct Webhooks {
    app: Arc<App>,
    events: broadcast::Receiver<Event>,
    settings: watch::Receiver<Arc<[WebhookSettings]>>,
    tasks: Tasks,
    limits: Limits,
    troubles: Troubles,
    receivers: Vec<Receiver>,
}

/// One that is told, and what waits for it.
struct Receiver {
    settings: WebhookSettings,
    queue: mpsc::Sender<(Message, Waiting)>,
    counts: Arc<WebhookCounts>,
    /// Dropped when it is told nothing more: what waits for it then is not sent.
    cut: DropGuard,
}

impl Webhooks {
    /// For the receivers of the application's settings, now and later.
    pub(crate) fn new(app: &Arc<App>, events: broadcast::Receiver<Event>, tasks: &Tasks, limits: &Limits) -> Self {
        Self {
            app: Arc::clone(app),
            events,
            settings: app.webhooks(),
            tasks: tasks.clone(),
            limits: limits.clone(),
            troubles: Troubles::default(),
            receivers: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        self.take_over();
        let stopping = self.tasks.stopping().clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Ok(()) = self.settings.changed() => {
                    self.take_over();
                    self.troubles.reconsider(&self.app.manager);
                }
                event = self.events.recv() => match event {
                    Ok(event) => self.happened(&event),
                    Err(RecvError::Lagged(_)) => self.look_again(),
                    Err(RecvError::Closed) => break,
                },
            }
        }
        // What waits is sent in the time that is left, see `Delivery::run`.
        for receiver in self.receivers {
            receiver.cut.disarm();
        }
    }

    /// Those of the settings. One that was there before keeps what waits for it.
    fn take_over(&mut self) {
        let wanted = Arc::clone(&self.settings.borrow_and_update());
        let mut before = std::mem::take(&mut self.receivers);
        for settings in wanted.iter().cloned() {
            let is_same =
                |old: &Receiver| (&old.settings.url, &old.settings.secret) == (&settings.url, &settings.secret);
            let kept = before.iter().position(is_same).map(|at| before.swap_remove(at));
            self.receivers.push(match kept {
                Some(kept) => Receiver { settings, ..kept },
                None => self.begin(settings),
            });
        }
        for Receiver { settings, queue, .. } in before {
            let (webhook, waiting) = (settings.url.host(), queue.max_capacity() - queue.capacity());
            if waiting > 0 {
                warn!(webhook, waiting, "a webhook is no longer configured, and what waits for it is not sent");
            }
        }
    }

    fn begin(&self, settings: WebhookSettings) -> Receiver {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let counts = self.app.metrics.webhook(&settings.url.host());
        let cut = CancellationToken::new();
        let delivery = Delivery::new(&settings, &self.app.manager, &self.tasks, &self.limits);
        self.tasks.spawn(cut.clone().run_until_cancelled_owned(delivery.run(waiting)));
        Receiver { settings, queue, counts, cut: cut.drop_guard() }
    }

    fn happened(&mut self, event: &Event) {
        let news = match event {
            Event::Failed { key, kind, what, count, since, .. } => {
                self.troubles.failed(key, *kind, (what, *since, *count))
            }
            Event::Obtained { key, .. } => self.troubles.recovered(key),
            // What was kept of an earlier time does not end a failure.
            Event::Loaded { key, .. } if is_well(&self.app.manager, key) => self.troubles.recovered(key),
            Event::CredentialsChanged { key } => {
                self.troubles.tell_again(key);
                None
            }
            Event::CredentialsRemoved { key } => {
                self.troubles.forget(key);
                None
            }
            _ => None,
        };
        if let Some(news) = news {
            self.tell(&news);
        }
    }

    /// Finds out what the events said that were missed.
    fn look_again(&mut self) {
        for status in self.app.manager.statuses_in_memory(|_| true, troubles::MAX) {
            let news = match &status.failure {
                Some(failure) => {
                    let how = (&*failure.what, failure.since, status.consecutive_failures);
                    self.troubles.failed(&status.key, failure.kind, how)
                }
                None if status.has_token => self.troubles.recovered(&status.key),
                None => None,
            };
            if let Some(news) = news {
                self.tell(&news);
            }
        }
    }

    fn tell(&self, news: &News) {
        let message = Message::new(news, self.app.manager.now());
        for receiver in self.receivers.iter().filter(|receiver| receiver.settings.wants(news.event, &news.key)) {
            if receiver.queue.try_send((message.clone(), receiver.counts.waits())).is_err() {
                let (webhook, key, event) = (receiver.settings.url.host(), &news.key, news.event.as_str());
                warn!(webhook, %key, event, "a webhook is not told, since too much waits for it already");
            }
        }
    }
}

fn is_well(manager: &TokenManager, key: &Key) -> bool {
    manager.status_in_memory(key).is_some_and(|status| status.failure.is_none())
}

/// How many messages wait for one receiver.
const QUEUE: usize = 256;
