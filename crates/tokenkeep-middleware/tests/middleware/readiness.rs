//! The contract of a `tower` service: it is called only when it was found ready.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokenkeep_middleware::TokenLayer;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::world::World;

#[tokio::test]
async fn only_a_service_that_is_ready_is_called_also_for_the_second_time() {
    let world = World::start().await;
    let mut client = TokenLayer::new(world.graph()).unwrap().layer(Strict { is_ready: false, calls: 0 });
    for _ in 0..2 {
        let request = Request::get(world.sandbox.api_url()).body("a text").unwrap();
        let answer = client.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), *answer.body()), (200, "a text"));
    }
    assert_eq!(world.token_requests(), 3);
}

#[tokio::test]
async fn what_the_client_says_of_its_readiness_is_passed_on() {
    let world = World::start().await;
    let client = TokenLayer::new(world.graph()).unwrap().layer(Closed);
    let request = Request::get(world.sandbox.api_url()).body("").unwrap();
    assert_eq!(client.oneshot(request).await.unwrap_err().to_string(), "closed");
}

/// Is never ready.
#[derive(Clone)]
struct Closed;

impl Service<Request<&'static str>> for Closed {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Err("closed"))
    }

    fn call(&mut self, _: Request<&'static str>) -> Self::Future {
        panic!("called without being ready")
    }
}

/// Panics if it is called without having been asked, and refuses the first token of each of its clones.
struct Strict {
    is_ready: bool,
    calls: usize,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: 0 }
    }
}

impl Service<Request<&'static str>> for Strict {
    type Response = Response<&'static str>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<&'static str>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        self.calls += 1;
        let status = if self.calls == 1 { 401 } else { 200 };
        ready(Ok(Response::builder().status(status).body(*request.body()).unwrap()))
    }
}
