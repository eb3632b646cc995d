//! Faults: what an issuer can do wrong, and for whom it does so now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A fault of the issuer. In JSON its name is the `kind`: `{"kind":"latency","millis":300}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Waits before the work is done. A caller that leaves meanwhile gets nothing issued.
    Latency {
        /// How long it waits.
        millis: u64,
    },
    /// Neither works nor answers until [`Sandbox::release`](crate::Sandbox::release), then both.
    Hang,
    /// Answers with a status, mostly a 5xx, instead of working.
    Status {
        /// The status; a number outside of 200–599 is sent as 500.
        status: u16,
        /// The body; sent as JSON if it starts with a brace, else as text.
        #[serde(default)]
        body: String,
    },
    /// Answers 429.
    TooManyRequests {
        /// When to come again, if the answer says so.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// Answers with a body that clients do not expect.
    OddBody {
        /// Which one.
        body: OddBody,
    },
    /// Resets the connection instead of working or answering.
    ConnectionReset,
    /// Does the work (a refresh token is rotated), then resets the connection.
    AnswerLost,
    /// Does the work, then keeps the answer until [`Sandbox::release`](crate::Sandbox::release).
    /// That the work is done shows in the counters: see [`Sandbox::wait_until`](crate::Sandbox::wait_until).
    HoldAnswer,
    /// Refuses with `invalid_client`.
    InvalidClient,
    /// Refuses with `invalid_grant`.
    InvalidGrant,
    /// Answers well, but with a `Date` that is off.
    SkewedDate {
        /// By how much; negative is in the past.
        seconds: i64,
    },
}

/// The two forms of `Retry-After` (RFC 9110 section 10.2.3). In JSON: `{"seconds":5}` or
/// `{"http_date":5}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// As a number of seconds.
    Seconds(u64),
    /// As the date that is so many seconds from the moment of the answer.
    HttpDate(u64),
}

/// Bodies that clients do not expect, mostly with status 200. In JSON: `"html"`,
/// `{"raw":{"status":200,"content_type":"text/plain","body":"…"}}`.
///
/// Those that are made from a good answer need the work to be done, so a refresh token is spent;
/// a refusal goes out as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OddBody {
    /// A page for people.
    Html,
    /// Nothing.
    Empty,
    /// A JSON object without the token.
    NoToken,
    /// Text that is called JSON.
    NotJson,
    /// An OAuth error under status 200.
    #[serde(rename = "error_in_200")]
    ErrorIn200,
    /// Anything.
    Raw {
        /// The status; a number outside of 200–599 is sent as 500.
        status: u16,
        /// The content type; left out if it cannot stand in a header.
        content_type: String,
        /// The body.
        body: String,
    },
    /// From a good answer: its first half.
    Truncated,
    /// From a good answer: padded to more than 1 MiB.
    Huge,
    /// From a good answer: `"expires_in":"60"`.
    ExpiresInString,
    /// From a good answer: `"expires_in":60.5`.
    ExpiresInFloat,
    /// From a good answer: `"expires_in":0`.
    ExpiresInZero,
    /// From a good answer: `"expires_in":-1`.
    ExpiresInNegative,
    /// From a good answer: without `expires_in`.
    ExpiresInAbsent,
    /// From a good answer: as a form instead of JSON.
    FormEncoded,
    /// From a good answer: the token ends with a line feed.
    TokenWithNewline,
}

/// A fault and how often it applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultRule {
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
    /// To how many more requests; `None` is: until it is cleared.
    pub times: Option<u64>,
}

impl Fault {
    /// This fault for the next `times` requests only.
    pub fn times(self, times: u64) -> FaultRule {
        FaultRule { fault: self, times: Some(times) }
    }
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self { fault, times: None }
    }
}

/// The faults that are set: at most one everywhere, one for each client, one at the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// For all token requests whose client has no fault of its own.
    pub everywhere: Option<FaultRule>,
    /// For the token requests of one client.
    pub clients: BTreeMap<String, FaultRule>,
    /// For requests at the protected API.
    pub api: Option<FaultRule>,
}

impl Faults {
    /// The fault that the next token request of a client meets; used up by asking.
    pub(crate) fn take(&mut self, client: &str) -> Option<Fault> {
        let mut own = self.clients.remove(client);
        let fault = take(&mut own);
        if let Some(rule) = own {
            self.clients.insert(client.to_owned(), rule);
        }
        fault.or_else(|| take(&mut self.everywhere))
    }

    /// The fault that the next request at the API meets; used up by asking.
    pub(crate) fn take_api(&mut self) -> Option<Fault> {
        take(&mut self.api)
    }
}

fn take(slot: &mut Option<FaultRule>) -> Option<Fault> {
    let rule = slot.as_mut()?;
    let Some(left) = &mut rule.times else { return Some(rule.fault.clone()) };
    if *left > 1 {
        *left -= 1;
        return Some(rule.fault.clone());
    }
    let used_up = slot.take()?;
    (used_up.times != Some(0)).then_some(used_up.fault)
}
