//! Counters of what arrived, per client and in sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{arrivals::Outcome, client::Grant};

/// The id under which `POST /login` is counted and steered.
pub const VENDOR: &str = "vendor";

/// The id under which requests are counted whose client is not registered; no id that came over
/// the network is kept.
pub const UNKNOWN_CLIENT: &str = "unknown";

/// A snapshot of all counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Sums over all clients; `max_in_flight` is the highest number of all at once.
    pub total: ClientCounters,
    /// Per registered client, and for [`VENDOR`] and [`UNKNOWN_CLIENT`].
    pub clients: BTreeMap<String, ClientCounters>,
}

/// The counters of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCounters {
    /// Requests that arrived at the token endpoint or at `POST /login`, whatever became of them.
    pub token_requests: u64,
    /// Access tokens made, whether or not the answer arrived.
    pub issued: u64,
    /// Answers that refused, by verdict or by [`Fault`](crate::Fault).
    pub refused: u64,
    /// Requests that a fault answered or cut off before the issuer saw them.
    pub faulted: u64,
    /// Connections cut after the work was done.
    pub lost: u64,
    /// Requests whose caller left before the answer.
    pub abandoned: u64,
    /// `token_requests` by grant.
    pub by_grant: GrantCounters,
    /// Spent refresh tokens that came back.
    pub reused_refresh_tokens: u64,
    /// User names and passwords that were accepted, by grant `password` or `POST /login`.
    pub logins: u64,
    /// Token requests that have arrived and are not answered: delayed, hung, held.
    pub in_flight: u64,
    /// The highest `in_flight` so far.
    pub max_in_flight: u64,
    /// Requests that the protected API served.
    pub api_served: u64,
    /// Requests that the protected API answered with 401.
    pub api_refused: u64,
    /// Those of `api_refused` whose token was good once and had expired.
    pub api_expired: u64,
}

/// Token requests by grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantCounters {
    /// See [`Grant::ClientCredentials`].
    pub client_credentials: u64,
    /// See [`Grant::Password`].
    pub password: u64,
    /// See [`Grant::RefreshToken`].
    pub refresh_token: u64,
    /// See [`Grant::Login`].
    pub login: u64,
    /// See [`Grant::Other`].
    pub other: u64,
}

impl Counters {
    pub(crate) fn of(clients: impl Iterator<Item = String>) -> Self {
        let ids = clients.chain([VENDOR.to_owned(), UNKNOWN_CLIENT.to_owned()]);
        Self { total: ClientCounters::default(), clients: ids.map(|id| (id, ClientCounters::default())).collect() }
    }

    /// Changes the counters of one client and the sums alike.
    pub(crate) fn count(&mut self, client: &str, change: impl Fn(&mut ClientCounters)) {
        change(&mut self.total);
        if let Some(counters) = self.clients.get_mut(client) {
            change(counters);
        }
    }
}

impl ClientCounters {
    pub(crate) fn arrive(&mut self, grant: Grant) {
        self.token_requests += 1;
        *self.by_grant.of(grant) += 1;
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    pub(crate) fn leave(&mut self, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            // Issued tokens are counted when they are made: an answer may be held or lost.
            Outcome::Pending | Outcome::Issued => {}
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Faulted => self.faulted += 1,
            Outcome::Lost => self.lost += 1,
            Outcome::Abandoned => self.abandoned += 1,
        }
    }
}

impl GrantCounters {
    fn of(&mut self, grant: Grant) -> &mut u64 {
        match grant {
            Grant::ClientCredentials => &mut self.client_credentials,
            Grant::Password => &mut self.password,
            Grant::RefreshToken => &mut self.refresh_token,
            Grant::Login => &mut self.login,
            Grant::Other => &mut self.other,
        }
    }
}
