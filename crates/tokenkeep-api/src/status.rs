//! `GET /tokens/{key}/status` and `GET /tokens`.

use serde::{Deserialize, Serialize};

use crate::warning::WarningAnswer;

/// All that an operator may know of a key. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatusAnswer {
    /// Which key: `provider` or `provider:account`.
    pub key: String,
    /// The issuer's host, or what stands for it.
    pub issuer: String,
    /// What the key is like, in one word.
    pub state: State,
    /// The same in one sentence, with the reason.
    pub reason: String,
    /// Of the present or last token; 0 if there was none.
    pub generation: u64,
    /// Seconds of life that are left of the present token; `null` if there is none or it does not end.
    pub expires_in: Option<u64>,
    /// The end of the present token; `null` if there is none or it does not end.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub expires_at: Option<String>,
    /// When the present token was asked for; `null` if there is none.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub obtained_at: Option<String>,
    /// Seconds of the present token's whole life; `null` if there is none or it does not end.
    pub life: Option<u64>,
    /// Seconds until it is renewed in the background, if the key is in use then; `null` if it will not be.
    pub refresh_in: Option<u64>,
    /// Attempts in a row that failed.
    pub consecutive_failures: u32,
    /// The last failure; `null` if none is in force.
    pub failure: Option<FailureAnswer>,
    /// Why no token is obtained by itself, if there is none and it is not for a failure; else `null`.
    pub obstacle: Option<Obstacle>,
    /// What is not as it should be, though tokens flow.
    pub warnings: Vec<WarningAnswer>,
}

/// What a key is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is a good token, and nothing to do.
    Fresh,
    /// There is a good token, and it is time to renew it.
    Due,
    /// The token is alive, with too little life left to be handed out.
    Expiring,
    /// The token is over; the next who asks has a new one obtained.
    Expired,
    /// There is none; the next who asks has one obtained.
    Absent,
    /// There is none to hand out, and the issuer is left alone for a while.
    BackingOff,
    /// There is none to hand out, and the issuer said no.
    Refused,
    /// There is none to hand out before a person logs in again.
    LoginRequired,
    /// A word that this version does not know.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl State {
    /// All that are known.
    pub const ALL: [Self; 8] = [
        Self::Fresh,
        Self::Due,
        Self::Expiring,
        Self::Expired,
        Self::Absent,
        Self::BackingOff,
        Self::Refused,
        Self::LoginRequired,
    ];

    /// The word as it stands in answers, and as `?state=` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Due => "due",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Absent => "absent",
            Self::BackingOff => "backing_off",
            Self::Refused => "refused",
            Self::LoginRequired => "login_required",
            Self::Unknown => "unknown",
        }
    }
}

/// Why there is no token, beside a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// There are no credentials of this account.
    NoCredentials,
    /// What is stored cannot be read; a warning says why.
    Unreadable,
    /// A word that this version does not know.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// The failure that is in force for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailureAnswer {
    /// What will be done about it: `unavailable`, `rate_limited`, `refused` or `login_required`.
    pub kind: String,
    /// What happened.
    pub detail: String,
    /// What a person could try; `null` if nothing but waiting.
    pub next: Option<String>,
    /// When the first of the attempts in a row failed.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub since: Option<String>,
    /// Seconds until the issuer may be asked again, rounded up; `null` if it is not asked again by itself.
    pub retry_in: Option<u64>,
}

/// One page of statuses, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenPage {
    /// The statuses.
    pub tokens: Vec<StatusAnswer>,
    /// What `?after=` takes to get the next page; `null` if this is the last one.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_the_same_word_in_json_and_in_queries() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn a_state_of_a_newer_broker_is_unknown_and_no_error() {
        assert_eq!(serde_json::from_str::<State>(r#""hibernating""#).unwrap(), State::Unknown);
    }
}
