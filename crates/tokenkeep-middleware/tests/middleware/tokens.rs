//! The token on a request, and that nothing is sent without one.

use tokenkeep_middleware::Authorizer;
use tokenkeep_sandbox::Fault;

use crate::api::{Api, status};
use crate::world::{Ask, Caller, World};

#[tokio::test]
async fn each_request_has_the_token_of_its_key() {
    let world = World::start().await;
    for client in world.clients() {
        for _ in 0..3 {
            let answer = client.send(Ask::get(format!("{}/users?top=1", world.sandbox.api_url()))).await.unwrap();
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains(r#""path":"/users","query":"top=1""#), "{answer:?}");
        }
    }
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test]
async fn the_token_goes_into_the_header_that_configuration_names() {
    let api = Api::start(|_, _| status(200)).await;
    let lines =
        format!("api_base = \"{}\"\nheader = {{ name = \"X-Api-Key\", format = \"Key {{token}}\" }}", api.base());
    let world = World::with_lines(&lines).await;
    for client in world.clients() {
        client.send(Ask::get(api.base()).header("authorization", "Basic of-a-gateway")).await.unwrap();
    }
    let expected = format!("Key {}", world.graph().token().await.unwrap().expose_secret());
    for seen in api.seen() {
        assert_eq!(seen.header("x-api-key"), Some(&*expected));
        assert_eq!(seen.authorization(), Some("Basic of-a-gateway"));
    }
    assert_eq!(api.count(), 2);
}

#[tokio::test]
async fn what_the_caller_put_in_place_of_the_token_is_not_sent() {
    let api = Api::start(|_, _| status(200)).await;
    let world = World::with_api(&api.base()).await;
    for client in world.clients() {
        let ask = Ask::get(api.base()).header("authorization", "Bearer one").header("authorization", "Bearer two");
        client.send(ask).await.unwrap();
    }
    let expected = world.graph().token().await.unwrap().authorization();
    for seen in api.seen() {
        assert_eq!(seen.headers.get_all("authorization").iter().collect::<Vec<_>>(), [&expected]);
    }
    assert_eq!(api.count(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_error_says_why() {
    let api = Api::start(|_, _| status(200)).await;
    let world = World::with_api(&api.base()).await;
    world.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    for client in world.clients() {
        let error = client.send(Ask::post(api.base(), "a text")).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().starts_with("graph: "), "{error}");
    }
    assert_eq!(api.count(), 0);
}

#[tokio::test]
async fn each_client_has_the_tokens_of_its_own_key() {
    let api = Api::start(|_, _| status(200)).await;
    let world = World::with_api(&api.base()).await;
    let fixed = Authorizer::new(world.manager.handle("fixed").unwrap()).unwrap();
    for client in world.clients().into_iter().chain(Caller::both(&fixed)) {
        client.send(Ask::get(api.base())).await.unwrap();
    }
    let sent: Vec<_> = api.seen().iter().map(|seen| seen.authorization().unwrap().to_owned()).collect();
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[2..], ["Bearer planted-secret", "Bearer planted-secret"]);
    assert_ne!(sent[0], sent[2]);
}
