//! What a caller can say beside the key: as parameters of a query.

use std::time::Duration;

use reqwest::Url;

use crate::State;

/// What a caller needs of a token. The default: any good one, within as long as the broker waits of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    min_valid: Duration,
    max_wait: Option<Duration>,
}

impl Demand {
    /// The token must live at least so long, in whole seconds rounded up.
    #[must_use]
    pub fn with_min_valid(self, min_valid: Duration) -> Self {
        Self { min_valid, ..self }
    }

    /// The broker may wait at most so long for a token, in whole seconds rounded up. An answer is waited for somewhat
    /// longer: it says what the broker waited for.
    #[must_use]
    pub fn with_max_wait(self, max_wait: Duration) -> Self {
        Self { max_wait: Some(max_wait), ..self }
    }

    pub(super) fn add_to(self, mut url: Url) -> Url {
        if !self.min_valid.is_zero() {
            url.query_pairs_mut().append_pair("min_valid", &seconds(self.min_valid));
        }
        if let Some(wait) = self.max_wait {
            url.query_pairs_mut().append_pair("max_wait", &seconds(wait));
        }
        url
    }

    /// How long the broker may wait.
    pub(super) fn patience(self) -> Duration {
        self.max_wait.unwrap_or(BROKER_WAITS)
    }
}

/// Which statuses, and from where on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusQuery {
    after: Option<String>,
    limit: Option<usize>,
    provider: Option<String>,
    state: Option<State>,
}

impl StatusQuery {
    /// Those of keys after this one: what [`crate::TokenPage::next`] of the page before says.
    #[must_use]
    pub fn with_after(self, key: impl Into<String>) -> Self {
        Self { after: Some(key.into()), ..self }
    }

    /// So many on a page at most.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Those of this provider.
    #[must_use]
    pub fn with_provider(self, provider: impl Into<String>) -> Self {
        Self { provider: Some(provider.into()), ..self }
    }

    /// Those in this state.
    #[must_use]
    pub fn with_state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }

    pub(super) fn add_to(&self, mut url: Url) -> Url {
        let limit = self.limit.map(|limit| limit.to_string());
        let all = [
            ("after", self.after.as_deref()),
            ("limit", limit.as_deref()),
            ("provider", self.provider.as_deref()),
            ("state", self.state.map(State::as_str)),
        ];
        for (name, value) in all {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }
}

fn seconds(duration: Duration) -> String {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).to_string()
}

/// How long a broker waits for a token if nobody says it.
const BROKER_WAITS: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_demanded_is_not_said() {
        let url = || Url::parse("http://localhost/tokens").unwrap();
        assert_eq!(Demand::default().add_to(url()).query(), None);
        let demand = Demand::default().with_min_valid(Duration::from_millis(1500)).with_max_wait(Duration::ZERO);
        assert_eq!(demand.add_to(url()).query(), Some("min_valid=2&max_wait=0"));
        let query = StatusQuery::default().with_after("a:b c").with_state(State::BackingOff).with_limit(7);
        assert_eq!(
            query.with_provider("a").add_to(url()).query(),
            Some("after=a%3Ab+c&limit=7&provider=a&state=backing_off")
        );
    }
}
