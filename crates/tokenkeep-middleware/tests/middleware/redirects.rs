//! Redirects, which a client of `reqwest` follows by itself.

use http::Method;
use reqwest::redirect::Policy;
use tokenkeep::Code;
use tokenkeep_middleware::TokenMiddleware;

use crate::api::{Api, redirect, status};
use crate::world::{Answered, Ask, Caller, World};

#[tokio::test]
async fn redirects_are_followed_where_the_token_may_go_and_shown_otherwise() {
    let elsewhere = Api::start(|_, _| status(200)).await;
    let away = elsewhere.base();
    let api = Api::start(move |seen, _| match &*seen.path {
        "/api/within" => redirect(307, "/api/end"),
        "/api/out" => redirect(307, "/login"),
        "/api/away" => redirect(307, &away),
        "/api/around" => redirect(307, "/api/around"),
        _ => status(200),
    })
    .await;
    let world = World::with_api(&api.base()).await;
    let [client, _] = world.clients();

    assert_eq!(client.status(Ask::post(format!("{}/within", api.base()), "a text")).await, 200);
    let [asked, followed] = &api.seen()[..] else { panic!("{:?}", api.seen()) };
    assert_eq!((&*followed.path, &*followed.body), ("/api/end", &b"a text"[..]));
    assert_eq!(asked.authorization(), followed.authorization());

    for (path, location) in [("/out", "/login".to_owned()), ("/away", elsewhere.base())] {
        let shown = client.send(Ask::get(format!("{}{path}", api.base()))).await.unwrap();
        assert_eq!(shown, Answered { status: 307, location: Some(location), body: String::new() });
    }
    assert_eq!((api.count(), elsewhere.count()), (4, 0));

    let Caller::Reqwest(client) = client else { panic!("the first is of reqwest") };
    let error = client.get(format!("{}/around", api.base())).send().await.unwrap_err();
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(api.count(), 4 + 11);
}

#[tokio::test]
async fn an_answer_from_where_no_token_went_rejects_none() {
    // As an API does that keeps its files at another host, behind addresses of their own.
    let files = Api::start(|_, _| status(401)).await;
    let away = files.base();
    let api = Api::start(move |_, _| redirect(302, &away)).await;
    let world = World::with_api(&api.base()).await;
    assert_eq!(world.follower().status(Ask::get(api.base())).await, 401);
    assert_eq!((api.count(), files.count(), world.token_requests()), (1, 1, 1));
    assert_eq!(files.seen()[0].authorization(), None);
    assert!(world.graph().current().is_some());
}

#[tokio::test]
async fn a_client_that_takes_the_token_to_another_place_is_noticed() {
    let elsewhere = Api::start(|_, _| status(200)).await;
    let away = elsewhere.base();
    let api = Api::start(move |_, _| redirect(302, &away)).await;
    let lines = format!("api_base = \"{}\"\nheader = {{ name = \"X-Api-Key\" }}", api.base());
    let world = World::with_lines(&lines).await;
    let error = world.follower().send(Ask::get(api.base())).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    let place = elsewhere.url().replace("http://", "");
    assert!(error.to_string().contains(&format!("a redirect to {place}, with the token")), "{error}");
    // The reason for redirect_policy, which prevents it.
    assert!(elsewhere.seen()[0].header("x-api-key").is_some());
    let [client, _] = world.clients();
    assert_eq!((client.status(Ask::get(api.base())).await, elsewhere.count()), (302, 1));

    let api = Api::start(|seen, _| if seen.path == "/api" { redirect(302, "/login") } else { status(200) }).await;
    let world = World::with_api(&api.base()).await;
    let error = world.follower().send(Ask::get(api.base())).await.unwrap_err();
    assert!(error.to_string().contains("with the token"), "{error}");
}

#[tokio::test]
async fn what_a_redirect_may_have_done_is_not_done_twice() {
    let api = Api::start(|seen, _| match (&seen.method, &*seen.path) {
        (_, "/api/done") => status(401),
        _ => redirect(303, "/api/done"),
    })
    .await;
    let world = World::with_api(&api.base()).await;
    let [client, _] = world.clients();
    assert_eq!(client.status(Ask::post(format!("{}/orders", api.base()), "one")).await, 401);
    let seen: Vec<_> = api.seen().into_iter().map(|seen| (seen.method, seen.path)).collect();
    assert_eq!(seen, [(Method::POST, "/api/orders".to_owned()), (Method::GET, "/api/done".to_owned())]);
    assert!(world.graph().current().is_none());

    assert_eq!(client.status(Ask::get(format!("{}/orders", api.base()))).await, 401);
    assert_eq!((api.count(), world.token_requests()), (6, 3));
}

impl World {
    /// A client that follows redirects as `reqwest` does unless told otherwise.
    fn follower(&self) -> Caller {
        Caller::reqwest(TokenMiddleware::new(self.graph()).unwrap(), Policy::default())
    }
}
