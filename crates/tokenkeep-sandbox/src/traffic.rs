//! What arrives: counted, logged and given its fault in one step, before anything else happens.
//!
//! Tests are steered by arrivals, so "it has arrived" must mean that everything is decided: which
//! fault it meets, and which `release` lets it go. A request that subscribed to releases only
//! after it was announced could miss the one that was meant for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

use crate::{
    arrivals::{Arrival, ArrivalLog, Outcome},
    client::Grant,
    clock,
    counters::{ClientCounters, Counters, UNKNOWN_CLIENT},
    fault::{Fault, FaultRule, Faults},
    issuer::Issuer,
};

/// What all routes and the [`Sandbox`](crate::Sandbox) share.
pub(crate) struct Shared {
    pub(crate) url: String,
    started: Instant,
    issuer: Mutex<Issuer>,
    traffic: Mutex<Traffic>,
    changed: watch::Sender<()>,
    released: watch::Sender<()>,
}

struct Traffic {
    counters: Counters,
    log: ArrivalLog,
    faults: Faults,
}

impl Shared {
    pub(crate) fn new(url: String, client_ids: impl Iterator<Item = String>, issuer: Issuer) -> Self {
        let traffic = Traffic { counters: Counters::of(client_ids), log: ArrivalLog::new(), faults: Faults::default() };
        Self {
            url,
            started: clock::now(),
            issuer: Mutex::new(issuer),
            traffic: Mutex::new(traffic),
            changed: watch::Sender::new(()),
            released: watch::Sender::new(()),
        }
    }

    /// Takes in a token request. `client` is the id it claims.
    pub(crate) fn arrive(self: &Arc<Self>, client: Option<&str>, grant: Grant) -> Visit {
        let mut traffic = self.traffic();
        let known = client.filter(|id| traffic.counters.clients.contains_key(*id));
        let client = known.unwrap_or(UNKNOWN_CLIENT).to_owned();
        traffic.counters.count(&client, |counters| counters.arrive(grant));
        let millis = u64::try_from(clock::now().duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        let arrival = Arrival { client: client.clone(), grant, millis, outcome: Outcome::Pending };
        let number = traffic.log.push(arrival);
        let condition = Condition { fault: traffic.faults.take(&client), released: self.released.subscribe() };
        drop(traffic);
        self.changed.send_replace(());
        Visit { shared: Arc::clone(self), client, number, condition, outcome: Outcome::Abandoned }
    }

    /// Takes in a request at the protected API.
    pub(crate) fn arrive_at_api(&self) -> Condition {
        Condition { fault: self.traffic().faults.take_api(), released: self.released.subscribe() }
    }

    /// Resolves when the counters fulfil a condition.
    ///
    /// The condition is asked under the lock of `changed`, so whoever announces a change must have
    /// let go of `traffic` before.
    pub(crate) async fn wait_until(&self, mut condition: impl FnMut(&Counters) -> bool) {
        let mut changed = self.changed.subscribe();
        // The sender lives as long as `self`, so this ends by the condition only.
        drop(changed.wait_for(|()| condition(&self.traffic().counters)).await);
    }

    pub(crate) fn release(&self) {
        self.released.send_replace(());
    }

    pub(crate) fn count(&self, client: &str, change: impl Fn(&mut ClientCounters)) {
        self.traffic().counters.count(client, change);
        self.changed.send_replace(());
    }

    pub(crate) fn counters(&self) -> Counters {
        self.traffic().counters.clone()
    }

    pub(crate) fn counters_of(&self, client: &str) -> ClientCounters {
        self.traffic().counters.clients.get(client).copied().unwrap_or_default()
    }

    pub(crate) fn requests(&self) -> Vec<Arrival> {
        self.traffic().log.to_vec()
    }

    pub(crate) fn faults(&self) -> Faults {
        self.traffic().faults.clone()
    }

    pub(crate) fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.traffic().faults);
    }

    /// Sets the fault of one client; false if nobody has this id.
    pub(crate) fn set_fault_for(&self, client: &str, rule: FaultRule) -> bool {
        let mut traffic = self.traffic();
        let known = traffic.counters.clients.contains_key(client);
        if known {
            traffic.faults.clients.insert(client.to_owned(), rule);
        }
        known
    }

    /// Whether anybody has this id.
    pub(crate) fn knows(&self, client: &str) -> bool {
        self.traffic().counters.clients.contains_key(client)
    }

    pub(crate) fn issuer(&self) -> MutexGuard<'_, Issuer> {
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One token request, from its arrival until it is settled or its caller has left.
pub(crate) struct Visit {
    shared: Arc<Shared>,
    client: String,
    number: u64,
    condition: Condition,
    outcome: Outcome,
}

impl Visit {
    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    pub(crate) fn condition(&self) -> Condition {
        self.condition.clone()
    }

    /// Ends the visit. One that is dropped without this counts as abandoned.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut traffic = self.shared.traffic();
        traffic.counters.count(&self.client, |counters| counters.leave(self.outcome));
        traffic.log.settle(self.number, self.outcome);
        drop(traffic);
        self.shared.changed.send_replace(());
    }
}

/// Under what circumstances a request is answered; decided when it arrives.
#[derive(Clone)]
pub(crate) struct Condition {
    pub(crate) fault: Option<Fault>,
    released: watch::Receiver<()>,
}

impl Condition {
    /// Resolves at the first release after the request arrived.
    pub(crate) async fn released(&mut self) {
        // An error would mean that the sandbox is gone, and then nothing is held any more.
        drop(self.released.changed().await);
    }
}
