//! One line in the log for every token handed out and every call that manages one: who, what, outcome. Never a secret.
//!
//! The lines have a target of their own, so that `RUST_LOG` can send them elsewhere or leave them out.

mod strangers;

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use tokenkeep::Key;
use tokenkeep_api::ProblemCode;
use tracing::info;

use crate::app::App;
use crate::caller::Caller;
use crate::peer::Peer;
use crate::problem::Problem;
use crate::request_id::RequestId;

pub(crate) use self::strangers::Strangers;

/// Who makes a request, as far as it is known; an extension of each. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    caller: Option<Caller>,
    peer: Arc<Peer>,
    request_id: RequestId,
}

impl Who {
    /// Somebody at the other end of a connection, who makes a request with these headers.
    pub(crate) fn at(peer: &Arc<Peer>, headers: &HeaderMap) -> Self {
        Self { caller: None, peer: Arc::clone(peer), request_id: RequestId::of(headers) }
    }

    /// It is this caller.
    pub(crate) fn is(&mut self, caller: Caller) {
        self.caller = Some(caller);
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn request_id(&self) -> RequestId {
        self.request_id.clone()
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// Who makes a request, and which caller that is. Takes them from the request, so that nothing is copied.
pub(crate) struct ByCaller(pub(crate) Who, pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for ByCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let who = parts.extensions.remove::<Who>().ok_or_else(Problem::unauthenticated)?;
        let caller = who.caller.clone().ok_or_else(Problem::unauthenticated)?;
        Ok(Self(who, caller))
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done.
    Done,
    /// This generation was handed out.
    HandedOut(u64),
    /// It was not done.
    Failed(ProblemCode),
    /// Nobody waited for its end, and it may be done or not.
    CallerLeft,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done | Self::HandedOut(_) => "ok",
            Self::Failed(code) => code.as_str(),
            Self::CallerLeft => "caller_left",
        }
    }
}

/// Around the handler of a call that manages something: writes the line of this action once it has answered.
pub(crate) async fn audited(
    State((app, action)): State<(Arc<App>, &'static str)>,
    caller: Caller,
    who: Who,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let name = path.as_ref().ok().and_then(|path| path.iter().next()).map(|(_, name)| name);
    let key = name.and_then(|name| app.key(&caller, name).ok());
    answered(Call::new(&app, who, action, key), next.run(request)).await
}

/// The same for a call that is about the default provider and names none.
pub(crate) async fn audited_at_default(
    State((app, action)): State<(Arc<App>, &'static str)>,
    caller: Caller,
    who: Who,
    request: Request,
    next: Next,
) -> Response {
    let name = app.access().default_provider.clone();
    let key = name.and_then(|name| app.key(&caller, &name).ok());
    answered(Call::new(&app, who, action, key), next.run(request)).await
}

async fn answered(mut call: Call, answer: impl Future<Output = Response>) -> Response {
    let answer = answer.await;
    let code = answer.extensions().get::<ProblemCode>();
    call.outcome = code.map_or(Outcome::Done, |code| Outcome::Failed(*code));
    answer
}

/// A call that leaves its line when it ends, also when the caller has gone away.
pub(crate) struct Call {
    app: Arc<App>,
    who: Who,
    action: &'static str,
    key: Option<Key>,
    pub(crate) outcome: Outcome,
}

impl Call {
    /// One that has no outcome yet.
    pub(crate) fn new(app: &Arc<App>, who: Who, action: &'static str, key: Option<Key>) -> Self {
        Self { app: Arc::clone(app), who, action, key, outcome: Outcome::CallerLeft }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        line(&self.app, &self.who, self.action, self.key.as_ref(), self.outcome);
    }
}

/// Writes the line. `action` is a verb; `key` is one that the caller may see. It stands there if it is known to be there,
/// for what it names else may be anything, such as a token that somebody pasted.
pub(crate) fn line(app: &App, who: &Who, action: &'static str, key: Option<&Key>, outcome: Outcome) {
    let Who { caller, peer, request_id } = who;
    let key = key.filter(|key| match outcome {
        // Nothing is looked up for a token that is handed out.
        Outcome::HandedOut(_) | Outcome::Failed(ProblemCode::LoginRequired | ProblemCode::Refused) => true,
        Outcome::Done => !OF_NOTHING_TOO.contains(&action) || app.knows(key),
        Outcome::Failed(ProblemCode::UnknownKey) => false,
        Outcome::Failed(_) | Outcome::CallerLeft => app.knows(key),
    });
    let generation = match outcome {
        Outcome::HandedOut(generation) => Some(generation),
        Outcome::Done | Outcome::Failed(_) | Outcome::CallerLeft => None,
    };
    let asked = |key| Some(app.metrics.token_requests(key)).filter(|asked| *asked > 0);
    info!(
        target: "tokenkeep::audit",
        caller = caller.as_ref().map(Caller::name),
        peer = &*peer.shown,
        action,
        key = key.map(Key::as_str),
        outcome = outcome.as_str(),
        generation,
        requests = generation.and(key).and_then(asked),
        request_id = request_id.as_str(),
        "audit"
    );
}

/// What is also done where there is nothing that it could be done to.
const OF_NOTHING_TOO: [&str; 2] = ["clear", "reject"];
