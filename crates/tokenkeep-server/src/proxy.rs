//! `ANY /proxy/{key}/{path}`: sends a request on to the API that a token is for, with the token.
//!
//! ```text
//! caller ─▶ headers ─▶ authorizer ─▶ upload ─▶ upstream ─▶ API
//!                          ▲                      │
//!                          └──── pauses ◀── is the token refused?
//! caller ◀─ headers ◀─ download ◀─────────────────┘
//! ```
//!
//! The hard problem is that a token can turn out to be refused when a part of the body is gone. So what of it was sent
//! is kept, up to [`upload::MAX_KEPT`]: as long as that is all, the request can be sent once more, and what the caller
//! has not sent yet follows. Otherwise nothing is held: bodies pass as they come, and neither side is read faster than
//! the other one is written to.
//!
//! What an API answered is passed on, whatever it is. What is answered in its place is a [`Problem`], which has a header
//! that no answer of an API has.

mod download;
mod headers;
mod patience;
mod pauses;
mod upload;
mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Uri, Version};
use hyper::body::Incoming;
use tokenkeep::config::Action;
use tokenkeep::provider::TokenHeader;
use tokenkeep::{Token, TokenHandle};
use tokenkeep_middleware::{Authorizer, Repeat, Verdict};
use tracing::info;

use self::download::Download;
use self::pauses::Pauses;
use self::upload::{Attempt, Room, Upload};
use self::upstream::Upstream;
use crate::activity::Exchange;
use crate::app::App;
use crate::audit::{self, ByCaller, Outcome};
use crate::caller::Caller;
use crate::front::Front;
use crate::key_in_path::decoded;
use crate::problem::Problem;
use crate::request_id::{REQUEST_ID, RequestId};
use crate::server::Limits;
use crate::stopwatch::now;
use crate::tasks::Tasks;

/// The way to all APIs. Its connections are tasks of the server and end when it is dropped.
pub(crate) struct Proxy {
    upstream: Upstream,
    /// Of those whom a new token did not help.
    in_vain: Pauses,
    /// Of those for whose refused requests it cannot be known.
    unproven: Pauses,
    room: Room,
}

/// The routes, for callers only and for bodies of any length.
pub(crate) fn routes<S>((app, proxy): (&Arc<App>, &Arc<Proxy>), front: Front) -> Router<S> {
    Router::new()
        .route("/proxy/{key}", any(forward))
        .route("/proxy/{key}/", any(forward))
        .route("/proxy/{key}/{*path}", any(forward))
        .layer(front)
        .with_state((Arc::clone(app), Arc::clone(proxy)))
}

async fn forward(
    State((app, proxy)): State<(Arc<App>, Arc<Proxy>)>,
    ByCaller(who, caller): ByCaller,
    request: Request,
) -> Result<Response, Problem> {
    let uri = request.uri().clone();
    let target = Target::of(&uri)?;
    let handle = app.audited_handle((&who, &caller), (Action::Proxy, "proxy"), &target.key)?;
    if let Some(exchange) = request.extensions().get::<Exchange>() {
        exchange.uploads();
    }
    let id = who.request_id();
    let mut call = audit::Call::new(&app, who, "proxy", Some(handle.key().clone()));
    let answer = proxy.forward((&app, &caller), handle, (target.path, &id), request).await;
    let answer = answer.map_err(|problem| app.explained(&caller, &target.key, problem));
    call.outcome = answer.as_ref().map_or_else(|problem| Outcome::Failed(problem.code()), |_| Outcome::Done);
    answer
}

impl Proxy {
    /// Connects to nothing yet.
    pub(crate) fn new(tasks: Tasks, limits: &Limits) -> Self {
        Self {
            upstream: Upstream::new(tasks, limits),
            in_vain: Pauses::default(),
            unproven: Pauses::default(),
            room: Room::default(),
        }
    }

    /// Sends a request to a path of the API, and once more with another token if the first is refused; if the other one
    /// was asked for before that, once more. Cancel safe: whoever is asked notices.
    async fn forward(
        &self,
        (app, caller): (&App, &Caller),
        handle: TokenHandle,
        (path, id): (&str, &RequestId),
        request: Request,
    ) -> Result<Response, Problem> {
        let call = Call::new(handle, (path, id), request, &self.room)?;
        let handle = call.authorizer.handle().clone();
        let (mut parts, upload) = (call.parts, call.upload);

        let token = app.counted(handle.key(), call.authorizer.authorize(&parts.uri, &mut parts.headers)).await?;
        let answer = self.upstream.ask(handle.key(), request_of(&parts, upload.first()), &upload).await?;
        let verdict = call.authorizer.judge(answer.status(), upload.repeat());
        let is_paused = |pauses: &Pauses| pauses.has(handle.key(), caller.name(), now());
        if verdict == Verdict::PassOn || is_paused(&self.in_vain) {
            return Ok(self.pass_on(answer, &upload));
        }
        if verdict == Verdict::RejectAndPassOn {
            if !is_paused(&self.unproven) && handle.reject_generation(token.generation()) {
                self.unproven.begin(handle.key(), caller.name(), now());
                log(&handle, &answer, &token, "a token was refused; the request could not be sent again");
            }
            return Ok(self.pass_on(answer, &upload));
        }
        let (mut token, mut answer) = (token, answer);
        for _ in 0..MOST_REPEATS {
            let known = handle.newest_generation();
            let other = call.authorizer.authorize_again(&token, &parts.uri, &mut parts.headers).await?;
            // Whatever of the body was too much to keep was sent while the token was waited for. Unless it is sent again,
            // the attempt before is not cut off from it: its answer is passed on.
            let Some((other, body)) = other.and_then(|other| Some((other, upload.again()?))) else { break };
            log(&handle, &answer, &token, "a token was refused; the request is sent once more");
            drop(answer);
            answer = self.upstream.ask(handle.key(), request_of(&parts, body), &upload).await?;
            if call.authorizer.judge(answer.status(), Repeat::Impossible) == Verdict::PassOn {
                self.in_vain.clear(handle.key(), caller.name());
                self.unproven.clear(handle.key(), caller.name());
                return Ok(self.pass_on(answer, &upload));
            }
            if other.generation() > known {
                log(&handle, &answer, &other, "a new token was refused too; it is kept");
                break;
            }
            if is_paused(&self.in_vain) {
                return Ok(self.pass_on(answer, &upload));
            }
            // It was asked for before the refusal, and may have been withdrawn with the one that was refused.
            token = other;
        }
        self.in_vain.begin(handle.key(), caller.name(), now());
        Ok(self.pass_on(answer, &upload))
    }

    fn pass_on(&self, answer: http::Response<Incoming>, upload: &Upload) -> Response {
        upload.forget();
        let (mut parts, body) = answer.into_parts();
        headers::to_caller(&mut parts.headers, parts.version);
        // That of the caller's connection is not decided here.
        parts.version = Version::default();
        Response::from_parts(parts, Body::new(Download::new(body, self.upstream.silence())))
    }
}

/// A request as it will be sent, but for its token.
struct Call {
    authorizer: Authorizer,
    parts: Parts,
    upload: Upload,
}

impl Call {
    fn new(
        handle: TokenHandle,
        (path, id): (&str, &RequestId),
        request: Request,
        room: &Room,
    ) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let is_method = NOT_SENT_ON.iter().any(|method| parts.method.as_str().eq_ignore_ascii_case(method));
        if is_method || headers::overrides_method(&parts.headers, &NOT_SENT_ON) {
            return Err(Problem::invalid(format!("{} are not sent on; use another method", NOT_SENT_ON.join(", "))));
        }
        if !headers::is_encoding_known(&parts.headers) {
            return Err(Problem::invalid("Transfer-Encoding can be chunked and nothing else"));
        }
        let base = handle.api_base()?;
        let token = match &handle.api().header {
            TokenHeader::Own(header) => header.name().clone(),
            _ => AUTHORIZATION,
        };
        let url = base.join(path).map_err(|error| Problem::invalid(format!("the path after the key {error}")))?;
        parts.uri = url.as_str().parse().map_err(|_| Problem::invalid("the path is too long"))?;
        headers::to_api(&mut parts, !body.is_end_stream(), &token);
        parts.headers.insert(REQUEST_ID, id.header());
        parts.version = Version::default();
        // Those of the caller's connection are of no use on another one.
        parts.extensions.clear();
        Ok(Self { authorizer: Authorizer::new(handle)?, upload: Upload::new(body, room, token), parts })
    }
}

/// What a path names: `/proxy/{key}{path}`.
struct Target<'u> {
    key: String,
    /// With its query; the percent-encoding is the caller's.
    path: &'u str,
}

impl<'u> Target<'u> {
    fn of(uri: &'u Uri) -> Result<Self, Problem> {
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let path = path.strip_prefix(PREFIX).unwrap_or_default();
        let (key, path) = path.split_at(path.find(['/', '?']).unwrap_or(path.len()));
        Ok(Self { key: decoded(key)?, path })
    }
}

fn request_of(parts: &Parts, body: Attempt) -> http::Request<Attempt> {
    let mut request = http::Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request
}

fn log(handle: &TokenHandle, answer: &http::Response<Incoming>, token: &Token, what: &str) {
    info!(key = %handle.key(), status = answer.status().as_u16(), generation = token.generation(), "{what}");
}

const PREFIX: &str = "/proxy/";
/// The first makes a tunnel, and the answer of the others repeats the request, with the token.
/// How often a request is sent again whose tokens are refused. Three tokens that all were there already are none.
const MOST_REPEATS: usize = 2;
const NOT_SENT_ON: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];
