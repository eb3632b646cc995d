//! What an operator may know of a key: its state, and why it is in it. Never a secret.

use std::time::{Duration, SystemTime};

use crate::clock::Moment;
use crate::expiry::{Gate, Phase, Policy, Refresh, clamped_buffer, classify, missed_life, renewal};
use crate::failure::{Failure, FailureKind};
use crate::key::Key;
use crate::token::IssuedToken;

/// The state of one key.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// manager.token("graph").await?;
/// let status = manager.handle("graph")?.status().await;
/// println!("{}: {}", status.key, status.reason); // graph: good for 3600 s
/// assert!(status.has_token && status.failure.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// Which key.
    pub key: Key,
    /// The issuer's host, or what stands for it.
    pub issuer: String,
    /// In one word.
    pub state: KeyState,
    /// In one sentence.
    pub reason: String,
    /// Of the present or last token; 0 if there was none.
    pub generation: u64,
    /// Whether there is a token, also one that is over.
    pub has_token: bool,
    /// Life that is left of the present token; `None` if there is none or it does not end.
    pub expires_in: Option<Duration>,
    /// The end of the present token; `None` if there is none or it does not end.
    pub expires_at: Option<SystemTime>,
    /// When the present token was asked for.
    pub obtained_at: Option<SystemTime>,
    /// The whole life of the present token.
    pub life: Option<Duration>,
    /// When it will be renewed in the background, if the key is in use.
    pub refresh_in: Option<Duration>,
    /// Attempts in a row that failed.
    pub consecutive_failures: u32,
    /// The last failure, if it is in force.
    pub failure: Option<FailureStatus>,
    /// Why no token is obtained by itself, if there is none and it is not for a failure.
    pub obstacle: Option<Obstacle>,
    /// What is not as it should be, though tokens flow.
    pub warnings: Vec<Warning>,
}

/// Why there is no token, beside a failure.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// use tokenkeep::Obstacle;
///
/// let status = manager.handle("bluestakes:123")?.status().await;
/// assert_eq!(status.obstacle, Some(Obstacle::NoCredentials));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// There are no credentials of this account.
    NoCredentials,
    /// What is stored cannot be read; a warning says why.
    Unreadable,
}

/// How many tokens are kept, and how they are.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager) = example().await?;
/// manager.token("graph").await?;
/// let stats = manager.stats(None).await?;
/// assert_eq!(stats.total_cached, stats.valid_tokens + stats.expiring_soon + stats.expired_tokens);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// All of them; each is one of the following.
    pub total_cached: usize,
    /// Good, and not yet to be renewed.
    pub valid_tokens: usize,
    /// Over or too near to its end to be handed out, or refused by the resource server.
    pub expired_tokens: usize,
    /// Good, and to be renewed.
    pub expiring_soon: usize,
}

impl Stats {
    /// Counts those that have a token.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::Stats;
    ///
    /// manager.token("graph").await?;
    /// let statuses = manager.statuses(None, 100).await; // had anyway, to show them
    /// assert_eq!(Stats::of(&statuses).valid_tokens, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn of<'a>(statuses: impl IntoIterator<Item = &'a Status>) -> Self {
        let mut stats = Self::default();
        for status in statuses.into_iter().filter(|status| status.has_token) {
            let counted = match status.state {
                KeyState::Fresh => &mut stats.valid_tokens,
                KeyState::Due => &mut stats.expiring_soon,
                KeyState::Expiring
                | KeyState::Expired
                | KeyState::BackingOff
                | KeyState::Refused
                | KeyState::LoginRequired => &mut stats.expired_tokens,
                KeyState::Absent => continue,
            };
            *counted += 1;
            stats.total_cached += 1;
        }
        stats
    }
}

/// What a key is like at a moment.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_sandbox, manager, clock) = example_with_clock().await?;
/// use std::time::Duration;
/// use tokenkeep::KeyState;
///
/// let graph = manager.handle("graph")?;
/// graph.token().await?; // lives an hour
/// clock.advance(Duration::from_mins(50));
/// assert_eq!(graph.status().await.state, KeyState::Due);
/// clock.advance(Duration::from_mins(10));
/// assert_eq!(graph.status().await.state, KeyState::Expired);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Good, nothing to do.
    Fresh,
    /// Good, and time to renew it.
    Due,
    /// Alive, with too little life left to be handed out.
    Expiring,
    /// Over; the next who asks has a new one obtained.
    Expired,
    /// There is none; the next who asks has one obtained.
    Absent,
    /// There is none to hand out, and the issuer is left alone for a while.
    BackingOff,
    /// There is none to hand out, and the issuer said no.
    Refused,
    /// There is none to hand out before a person logs in again.
    LoginRequired,
}

impl KeyState {
    /// Its name in answers and tables.
    ///
    /// ```
    /// assert_eq!(tokenkeep::KeyState::BackingOff.as_str(), "backing_off");
    /// ```
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
        }
    }
}

/// A failure as an operator sees it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::failure::FailureKind;
/// use tokenkeep_sandbox::Fault;
///
/// sandbox.set_fault(Fault::InvalidClient);
/// manager.token("graph").await.unwrap_err();
/// let failure = manager.handle("graph")?.status().await.failure.ok_or("none")?;
/// assert_eq!(failure.kind, FailureKind::Refused);
/// assert!(failure.next.is_some_and(|next| next.contains("client_secret")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureStatus {
    /// What will be done about it.
    pub kind: FailureKind,
    /// What happened.
    pub what: String,
    /// What a person could try.
    pub next: Option<String>,
    /// When the first of the attempts in a row failed.
    pub since: Option<SystemTime>,
    /// When the issuer may be asked again; `None`: when a person asks for it.
    pub retry_in: Option<Duration>,
}

/// Something that is not as it should be, though tokens flow.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// use tokenkeep::{Demand, Warning};
/// use tokenkeep_sandbox::Fault;
///
/// sandbox.set_fault(Fault::Status { status: 503, body: "down".into() });
/// let answer = manager.handle("cloud")?.get(Demand::default()).await?; // brought by its fallback
/// assert!(matches!(&*answer.warnings, [Warning::OnFallback { what, .. }] if what.contains("503")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The token is good, but renewing it fails.
    RefreshFailing {
        /// What happened last.
        what: String,
        /// For how long.
        lasting: Duration,
    },
    /// The configured expiry buffer is too long for the life of the token; half of the life is used.
    BufferClamped {
        /// What was configured.
        configured: Duration,
        /// That of the token, stated by the issuer or configured.
        life: Duration,
    },
    /// The issuer gives another life than is expected.
    UnusualLife {
        /// What is configured.
        expected: Duration,
        /// What the issuer gives.
        life: Duration,
    },
    /// The first way to authenticate fails, and another is used.
    OnFallback {
        /// What happened last.
        what: String,
        /// For how long.
        lasting: Duration,
    },
    /// Attempts to obtain a token fail often, though others may bring one.
    FrequentFailures {
        /// So many, or more.
        count: usize,
        /// How long ago the first of them was.
        within: Duration,
    },
    /// Callers went away without a token lately.
    NoTokenForCallers {
        /// How many.
        count: u64,
        /// How long ago the last of them was.
        last: Duration,
    },
    /// The token is not in the store yet, and would be lost if this process ended.
    Unsaved,
    /// The store does not do its work.
    StoreFailing {
        /// What happened.
        what: String,
    },
}

impl Warning {
    /// All that [`Warning::code`] can be.
    pub const CODES: [&str; 8] = [
        "refresh_failing",
        "buffer_clamped",
        "unusual_life",
        "on_fallback",
        "unsaved",
        "store_failing",
        "frequent_failures",
        "no_token_for_callers",
    ];

    /// One word for programs.
    ///
    /// ```
    /// use tokenkeep::Warning;
    ///
    /// assert_eq!(Warning::Unsaved.code(), "unsaved");
    /// assert_eq!(Warning::Unsaved.to_string(), "not saved yet: lost if this process ends now");
    /// ```
    pub fn code(&self) -> &'static str {
        match self {
            Self::RefreshFailing { .. } => Self::CODES[0],
            Self::BufferClamped { .. } => Self::CODES[1],
            Self::UnusualLife { .. } => Self::CODES[2],
            Self::OnFallback { .. } => Self::CODES[3],
            Self::Unsaved => Self::CODES[4],
            Self::StoreFailing { .. } => Self::CODES[5],
            Self::FrequentFailures { .. } => Self::CODES[6],
            Self::NoTokenForCallers { .. } => Self::CODES[7],
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RefreshFailing { what, lasting } => {
                write!(f, "refresh failing for {} s: {what}", lasting.as_secs())
            }
            Self::BufferClamped { configured, life } => write!(
                f,
                "the expiry_buffer of {} s is more than half of the token's life of {} s; half of the life is used",
                configured.as_secs_f32(),
                life.as_secs_f32()
            ),
            Self::UnusualLife { expected, life } => write!(
                f,
                "the issuer gives a life of {} s where {} s are expected",
                life.as_secs_f32(),
                expected.as_secs_f32()
            ),
            Self::FrequentFailures { count, within } => {
                write!(f, "at least {count} attempts to obtain a token failed within the last {} s", within.as_secs())
            }
            Self::NoTokenForCallers { count, last } => write!(
                f,
                "{count} {} away without a token, the last one {} s ago",
                if *count == 1 { "caller went" } else { "callers went" },
                last.as_secs()
            ),
            Self::Unsaved => f.write_str("not saved yet: lost if this process ends now"),
            Self::OnFallback { what, lasting } => {
                write!(f, "a fallback is used, since the first way fails for {} s: {what}", lasting.as_secs())
            }
            Self::StoreFailing { what } => write!(f, "the store does not work: {what}"),
        }
    }
}

/// What a status is made from.
pub(crate) struct Facts<'a> {
    pub(crate) key: &'a Key,
    pub(crate) issuer: &'a str,
    pub(crate) policy: &'a Policy,
    pub(crate) token: Option<&'a IssuedToken>,
    pub(crate) generation: u64,
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) obstacle: Option<Obstacle>,
    pub(crate) now: Moment,
    pub(crate) warnings: Vec<Warning>,
}

impl Facts<'_> {
    pub(crate) fn into_status(self) -> Status {
        let phase = classify(self.token, self.now, Duration::ZERO);
        let gate = Gate::after(self.failure, self.now);
        let state = state(phase, gate, self.failure);
        let alive = self.token.filter(|token| !token.expires_at().is_reached(self.now));
        let ends = alive.filter(|token| !token.expires_at().is_never());
        let ahead = alive.filter(|_| self.policy.refresh != Refresh::OnDemand);
        let renewal = ahead.map(|token| renewal(token, self.policy)).filter(|renewal| !renewal.is_never());
        let refresh_in = renewal.map(|renewal| renewal.remaining(self.now));
        let reason = self.reason(state, ends);
        let mut warnings = self.warnings;
        warnings.extend(token_warnings(alive, self.failure, self.policy, self.now));
        Status {
            key: self.key.clone(),
            issuer: self.issuer.to_owned(),
            state,
            reason,
            generation: self.generation,
            has_token: self.token.is_some(),
            expires_in: ends.map(|token| token.expires_at().remaining(self.now)),
            expires_at: ends.and_then(|token| token.expires_at().to_system_time()),
            obtained_at: alive.and_then(|token| token.sent_at().to_system_time()),
            life: ends.and_then(IssuedToken::life),
            refresh_in,
            consecutive_failures: self.failure.map_or(0, |failure| failure.count),
            failure: self.failure.map(|failure| FailureStatus {
                kind: failure.kind,
                what: failure.what.clone(),
                next: failure.next.clone(),
                since: failure.since.to_system_time(),
                retry_in: (!failure.retry_at.is_never()).then(|| failure.retry_at.remaining(self.now)),
            }),
            obstacle: self.obstacle.filter(|_| state == KeyState::Absent),
            warnings,
        }
    }

    fn reason(&self, state: KeyState, ends: Option<&IssuedToken>) -> String {
        let left = ends.map_or(0, |token| token.expires_at().remaining(self.now).as_secs());
        match (state, self.failure) {
            (KeyState::Fresh | KeyState::Due, Some(failure)) => format!("good; renewing it fails: {}", failure.what),
            (KeyState::Fresh, None) if ends.is_none() => "good, does not end".to_owned(),
            (KeyState::Fresh, None) => format!("good for {left} s"),
            (KeyState::Due, None) => format!("good for {left} s, to be renewed"),
            (KeyState::Expiring, _) => format!("ends in {left} s, too soon to be handed out"),
            (KeyState::Expired, _) => "over; the next request obtains a new one".to_owned(),
            (KeyState::Absent, _) => match self.obstacle {
                None => "none; the next request obtains one".to_owned(),
                Some(Obstacle::NoCredentials) => {
                    format!("no credentials; give them with tokenkeep credentials set {}", self.key)
                }
                Some(Obstacle::Unreadable) => "not known, because what is stored cannot be read".to_owned(),
            },
            (KeyState::BackingOff | KeyState::Refused | KeyState::LoginRequired, failure) => {
                failure.map_or_else(String::new, |failure| failure.what.clone())
            }
        }
    }
}

/// The warnings that follow from a good token and the failure beside it.
pub(crate) fn token_warnings(
    alive: Option<&IssuedToken>,
    failure: Option<&Failure>,
    policy: &Policy,
    now: Moment,
) -> Vec<Warning> {
    let Some(token) = alive else { return Vec::new() };
    let failing = failure
        .map(|failure| Warning::RefreshFailing { what: failure.what.clone(), lasting: now.since(failure.since) });
    let clamped = token
        .life()
        .and_then(|life| clamped_buffer(life, policy).map(|configured| Warning::BufferClamped { configured, life }));
    let unusual =
        token.life().and_then(|life| missed_life(life, policy).map(|expected| Warning::UnusualLife { expected, life }));
    failing.into_iter().chain(clamped).chain(unusual).collect()
}

fn state(phase: Phase, gate: Gate, failure: Option<&Failure>) -> KeyState {
    match (phase, gate) {
        (Phase::Fresh, _) => KeyState::Fresh,
        (Phase::Due, _) => KeyState::Due,
        (_, Gate::BackingOff(_)) => KeyState::BackingOff,
        (_, Gate::Refused(_)) if failure.is_some_and(|failure| failure.kind == FailureKind::LoginRequired) => {
            KeyState::LoginRequired
        }
        (_, Gate::Refused(_)) => KeyState::Refused,
        (Phase::MustWait, Gate::Open) => KeyState::Expiring,
        (Phase::Expired, Gate::Open) => KeyState::Expired,
        (Phase::Absent, Gate::Open) => KeyState::Absent,
    }
}
