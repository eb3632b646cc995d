//! All metrics by name, with what they mean. `docs/operating.md` has the same names.

/// The metrics of one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! families {
    ($($id:ident = $kind:ident $name:literal: $help:literal;)*) => {
        $(pub(crate) const $id: Family = Family { name: $name, kind: Kind::$kind, help: $help };)*

        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD_INFO = Gauge "tokenkeep_build_info": "Always 1; the version is a label.";
    START_TIME = Gauge "process_start_time_seconds": "When this server was started, as a Unix time.";
    RUNNING = Gauge "tokenkeep_background_running": "1 while tokens are renewed ahead of their end.";
    CONNECTIONS = Gauge "tokenkeep_connections": "Open connections, by listener.";
    HTTP_REQUESTS = Counter "tokenkeep_http_requests_total": "Requests answered, by route, method and status.";
    HTTP_DURATION = Histogram "tokenkeep_http_request_duration_seconds": "How long answers took to begin, by route.";

    HAND_OUTS = Counter "tokenkeep_hand_outs_total":
        "Calls for a token, by key and by result: hit (it was there), waited (it was obtained first), the problem's code, or caller_left.";
    KEY_STATE = Gauge "tokenkeep_key_state": "Always 1; the state that a key is in is a label.";
    KEY_EXPIRES = Gauge "tokenkeep_key_expires_in_seconds": "Life that is left of a key's token.";
    KEY_GENERATION = Gauge "tokenkeep_key_generation": "Which token of a key the present one is.";
    KEY_FAILURES = Gauge "tokenkeep_key_consecutive_failures": "Attempts in a row that brought a key no token.";
    KEY_WARNING = Gauge "tokenkeep_key_warning": "Always 1; what is not as it should be with a key is a label.";

    KEYS_IN_MEMORY = Gauge "tokenkeep_keys_in_memory": "Keys in memory, by provider.";
    FLIGHTS = Gauge "tokenkeep_flights": "Attempts to get a token that are under way, by provider.";
    WAITERS = Gauge "tokenkeep_waiters": "Callers that wait for such an attempt, by provider.";
    ISSUER_REQUESTS = Counter "tokenkeep_issuer_requests_total":
        "Requests to a provider's issuer, by result: token, or the reason why not.";
    ISSUER_DURATION = Histogram "tokenkeep_issuer_request_duration_seconds":
        "How long a provider's issuer took to answer.";
    LEASE_WAITS = Histogram "tokenkeep_lease_wait_seconds":
        "How long attempts waited for another process that had the key's lease, by provider.";
    BUDGET = Gauge "tokenkeep_budget_requests": "Requests that a provider's issuer allows in a window.";
    BUDGET_LEFT = Gauge "tokenkeep_budget_left_requests": "Requests of them that are left, as far as this process knows.";

    WEBHOOK_MESSAGES = Counter "tokenkeep_webhook_messages_total":
        "Messages to webhooks, by host and by result: delivered, given_up, or dropped.";
    WEBHOOK_WAITING = Gauge "tokenkeep_webhook_messages_waiting": "Messages that wait for a webhook, by host.";

    STORE_FAILING = Gauge "tokenkeep_store_failing": "1 while the store, or a record in it, cannot be used.";
    STORE_DURATION = Histogram "tokenkeep_store_operation_duration_seconds":
        "How long the store took, by operation.";
    STORE_FAILURES = Counter "tokenkeep_store_operation_failures_total": "Calls of the store that failed, by operation.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_can_read_what_each_metric_is_and_the_names_keep_to_the_rules() {
        let docs = include_str!("../../../../docs/operating.md");
        for Family { name, kind, help } in ALL {
            assert!(docs.contains(&format!("`{name}`")), "{name} is not in docs/operating.md");
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{help}");
        }
    }
}
