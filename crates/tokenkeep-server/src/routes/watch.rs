//! `GET /tokens/{key}/watch`: the present token at once and each new one, as server-sent events.
//!
//! A watcher is a subscriber: it costs the issuer nothing, keeps the key in use, and holds no token. What it is sent is
//! read when there is room for it on its connection, so one that reads slowly gets the newest token and not all between.
//!
//! The hard problem is that it stays: what it was allowed when it came it may not be allowed any more. So that is asked
//! again before each event, and whenever the configuration changes.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::{HeaderMap, HeaderName};
use tokenkeep::config::Action;
use tokenkeep::{Answer, Demand, Subscriber, TokenHandle};
use tokenkeep_api::ProblemCode;
use tokio::sync::watch::Receiver;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::audit::{self, ByCaller, Outcome, Who};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

pub(super) async fn watch(
    State(app): State<Arc<App>>,
    ByCaller(who, caller): ByCaller,
    key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(name) = key?;
    Query::parse(query.as_deref(), &[])?;
    let has = last_event(&headers, app.run)?;
    let handle = app.audited_handle((&who, &caller), (Action::Get, WATCH), &name)?;
    let watcher = Watcher::new(app, (who, caller), name, handle, has);
    let events = stream::unfold(watcher, async |mut watcher| Some((watcher.next().await?, watcher)));
    Ok(no_store(([UNBUFFERED], Sse::new(events)).into_response()))
}

/// One who watches, for as long as its answer goes on.
struct Watcher {
    app: Arc<App>,
    who: Who,
    caller: Caller,
    /// What the request calls the key.
    name: String,
    handle: TokenHandle,
    tokens: Subscriber,
    changes: Receiver<()>,
    /// The token that is asked for because the watcher does not have it.
    asking: Option<BoxFuture<'static, Result<Answer, Problem>>>,
    /// The generation that the watcher has.
    has: Option<u64>,
    /// Of the trouble that it was told of since.
    told: Option<ProblemCode>,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Beginning,
    UnderWay,
    Over,
}

/// What a watcher waits for.
enum News {
    Stopping,
    Changed,
    Published { generation: u64 },
    Asked(Result<Answer, Problem>),
    Nothing,
}

/// Whether a watcher may stay.
enum Standing {
    Good,
    /// Its name means another key now.
    Moved,
    Lost(Problem),
}

impl Watcher {
    fn new(app: Arc<App>, (who, caller): (Who, Caller), name: String, handle: TokenHandle, has: Option<u64>) -> Self {
        let (changes, tokens) = (app.changes(), handle.subscribe());
        let stage = Stage::Beginning;
        let mut watcher =
            Self { app, who, caller, name, handle, tokens, changes, asking: None, has, told: None, stage };
        watcher.ask();
        watcher
    }

    /// What it is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        match self.stage {
            Stage::Over => return None,
            Stage::Beginning => {
                self.stage = Stage::UnderWay;
                return Some(Ok(Event::default().retry(come_back_after())));
            }
            Stage::UnderWay => {}
        }
        let mut silence = pin!(tokio::time::sleep(HEARTBEAT));
        loop {
            let news = self.news(silence.as_mut()).await;
            match self.standing() {
                Standing::Good => {}
                Standing::Moved => return None,
                Standing::Lost(problem) => {
                    self.stage = Stage::Over;
                    audit::line(&self.app, &self.who, WATCH, Some(self.handle.key()), Outcome::Failed(problem.code()));
                    return Some(problem_event(&problem));
                }
            }
            match news {
                News::Stopping => return None,
                News::Changed => {}
                News::Published { generation } => {
                    if self.has != Some(generation) {
                        self.ask();
                    }
                }
                News::Asked(result) => {
                    if let Some(event) = self.event(&result) {
                        self.app.pushed(&self.who, WATCH, self.handle.key(), &result);
                        return Some(event);
                    }
                }
                News::Nothing => {
                    // Its token is over or was taken away. Nobody says so by himself where renewing it fails.
                    if self.asking.is_none() && self.handle.current().is_none() {
                        self.ask();
                    }
                    return Some(Ok(Event::default().comment("")));
                }
            }
        }
    }

    async fn news(&mut self, silence: Pin<&mut tokio::time::Sleep>) -> News {
        tokio::select! {
            biased;
            () = self.app.stopping.cancelled() => News::Stopping,
            // Fails only if the sender is gone, and `self.app` has it.
            _ = self.changes.changed() => News::Changed,
            outcome = outcome(&mut self.asking) => News::Asked(outcome),
            Some(token) = self.tokens.next() => News::Published { generation: token.generation() },
            () = silence => News::Nothing,
        }
    }

    /// Asks as any caller does, so that all who ask share one request and what holds it back.
    fn ask(&mut self) {
        let handle = self.handle.clone();
        self.asking = Some(Box::pin(async move { handle.get(Demand::default()).await.map_err(Problem::from) }));
    }

    /// Whether the same request would be answered now.
    fn standing(&self) -> Standing {
        let Some(caller) = self.app.access().callers.still(&self.caller) else {
            return Standing::Lost(Problem::unauthenticated());
        };
        match self.app.handle(&caller, Action::Get, &self.name) {
            Ok(handle) if handle.key() == self.handle.key() => Standing::Good,
            Ok(_) => Standing::Moved,
            Err(problem) => Standing::Lost(problem),
        }
    }

    /// What it is sent of what asking came to; `None` if it has or knows it.
    fn event(&mut self, result: &Result<Answer, Problem>) -> Option<Result<Event, axum::Error>> {
        match result {
            Ok(answer) => {
                let generation = answer.token.generation();
                self.told = None;
                let id = format!("{generation}-{:08x}", self.app.run);
                let event = || {
                    Event::default().event("token").id(id).json_data(answer::token_for(
                        &self.caller,
                        self.handle.key(),
                        answer,
                    ))
                };
                (self.has.replace(generation) != Some(generation)).then(event)
            }
            Err(problem) => {
                let code = problem.code();
                (self.told.replace(code) != Some(code)).then(|| problem_event(problem))
            }
        }
    }
}

fn problem_event(problem: &Problem) -> Result<Event, axum::Error> {
    Event::default().event("problem").json_data(problem.body())
}

/// What asking came to; waits for ever while nobody asks. Cancel safe.
async fn outcome<F: Future + Unpin>(asking: &mut Option<F>) -> F::Output {
    let Some(future) = asking else { return std::future::pending().await };
    let outcome = future.await;
    *asking = None;
    outcome
}

/// The generation that a watcher says it has. One that another process sent does not count: where tokens are kept in
/// memory only, or stand in the configuration, generations begin anew with each start.
fn last_event(headers: &HeaderMap, run: u32) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let parsed = id.to_str().ok().and_then(|id| match id.split_once('-') {
        None => Some((id.parse().ok()?, run)),
        Some((generation, run)) => Some((generation.parse().ok()?, u32::from_str_radix(run, 16).ok()?)),
    });
    let Some((generation, of_run)) = parsed else {
        return Err(Problem::invalid("Last-Event-ID is not the id of an event; send the last one, or leave it out"));
    };
    Ok((of_run == run).then_some(generation))
}

/// After how long somebody whose connection ended comes back: each another time, so that thousands do not come at once.
fn come_back_after() -> Duration {
    Duration::from_millis(fastrand::u64(1_000..=5_000))
}

/// The action in the audit line.
const WATCH: &str = "watch";
/// For nginx, which would keep events back.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");
const LAST_EVENT_ID: &str = "last-event-id";
/// After so long without an event a comment is sent: nothing on the way may take the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
