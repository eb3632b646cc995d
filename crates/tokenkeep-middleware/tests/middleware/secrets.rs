//! No token where it can be read.

use http::Request;
use reqwest_middleware::Middleware;
use tokenkeep_middleware::{Authorizer, TokenLayer, TokenMiddleware};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::api::{Api, status};
use crate::world::{Ask, SECRET, World};

#[tokio::test]
async fn debug_and_errors_show_no_secret() {
    let api = Api::start(|_, _| status(200)).await;
    let world = World::with_api(&api.base()).await;
    let token = world.graph().token().await.unwrap();
    let layer = TokenLayer::<String>::new(world.graph()).unwrap();
    let mut shown = vec![
        format!("{:?}", Authorizer::new(world.graph()).unwrap()),
        format!("{:?}", TokenMiddleware::new(world.graph()).unwrap()),
        format!("{:?} {layer:?}", layer.layer(())),
    ];
    for client in world.clients() {
        let url = format!("{}?q={}", api.url(), token.expose_secret());
        let error = client.send(Ask::get(url).header("authorization", SECRET)).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    for text in shown {
        assert!(text.contains("graph"), "{text}");
        assert!(!text.contains(token.expose_secret()) && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn the_header_is_marked_as_sensitive_for_whoever_looks_at_requests() {
    let world = World::start().await;
    let url = world.sandbox.api_url();
    let look = service_fn(async |request: Request<String>| {
        assert!(request.headers()["authorization"].is_sensitive());
        Ok::<_, std::io::Error>(http::Response::new(()))
    });
    let client = TokenLayer::new(world.graph()).unwrap().layer(look);
    client.oneshot(Request::get(&url).body(String::new()).unwrap()).await.unwrap();

    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::builder().build().unwrap())
        .with(TokenMiddleware::new(world.graph()).unwrap())
        .with(Look)
        .build();
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
}

struct Look;

#[async_trait::async_trait]
impl Middleware for Look {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        assert!(request.headers()["authorization"].is_sensitive());
        next.run(request, extensions).await
    }
}
