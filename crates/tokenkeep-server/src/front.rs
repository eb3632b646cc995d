//! What a request passes on its way to a route: one layer that does all of it.
//!
//! A layer costs: for each request axum copies the route with all layers around it, and keeps a future of each in a box.
//! What is checked here takes no waiting, so it is done before the route is called at all.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either};
use tower::{Layer, Service};

use crate::app::App;
use crate::body;
use crate::browser::{self, Reach};
use crate::caller;
use crate::observe::Observed;
use crate::problem::Problem;

/// Stands before a group of routes, for a listener of one reach.
#[derive(Clone)]
pub(crate) struct Front(Arc<Settings>);

struct Settings {
    app: Arc<App>,
    reach: Reach,
    gate: Gate,
}

/// What a group of routes asks of a request, and how it words what is answered in the place of a route.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    /// Whether only callers may pass.
    pub(crate) is_for_callers: bool,
    /// Within which time a body must have come; `None`: bodies pass as they come, of any length.
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) wording: fn(Response) -> Response,
}

impl Front {
    pub(crate) fn new(app: &Arc<App>, reach: Reach, gate: Gate) -> Self {
        Self(Arc::new(Settings { app: Arc::clone(app), reach, gate }))
    }
}

impl<S> Layer<S> for Front {
    type Service = Fronted<S>;

    fn layer(&self, inner: S) -> Fronted<S> {
        Fronted { front: Arc::clone(&self.0), inner }
    }
}

/// A route behind its front.
#[derive(Clone)]
pub(crate) struct Fronted<S> {
    front: Arc<Settings>,
    inner: S,
}

impl<S> Service<Request> for Fronted<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Settings { app, gate, .. } = &*self.front;
        let (app, wording) = (Arc::clone(app), gate.wording);
        let observed = Observed::begin(&request);
        let answer = match self.front.admit(request) {
            Ok(request) => Either::Left(self.inner.call(request)),
            Err(problem) => Either::Right(ready(Ok(problem.into_response()))),
        };
        let worded = answer.map(move |answer| {
            let Ok(answer) = answer;
            wording(answer)
        });
        Box::pin(async move { Ok(observed.answer(&app, worded).await) })
    }
}

impl Settings {
    fn admit(&self, mut request: Request) -> Result<Request, Problem> {
        browser::refuse_foreign(&request, self.reach)?;
        if let Some(timeout) = self.gate.body_timeout {
            request = body::bound(request, timeout)?;
        }
        if self.gate.is_for_callers { caller::admit(&self.app, request) } else { Ok(request) }
    }
}
