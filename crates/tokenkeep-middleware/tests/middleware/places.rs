//! Where a token goes, and where it never does.

use tokenkeep::Code;
use tokenkeep::provider::{ApiBase, Transport};
use tokenkeep_middleware::{Authorizer, TokenLayer, TokenMiddleware};
use tokenkeep_sandbox::Fault;
use tokio::task::JoinSet;

use crate::api::{Api, status};
use crate::world::{Ask, Caller, World};

#[tokio::test]
async fn nothing_goes_to_another_place() {
    let (api, elsewhere) = (Api::start(|_, _| status(200)).await, Api::start(|_, _| status(200)).await);
    let world = World::with_api(&api.base()).await;
    let address = api.url().replace("http://", "");
    for client in world.clients() {
        for url in [
            elsewhere.base(),
            format!("{}/api/users?q=planted-query", elsewhere.url()),
            format!("http://{address}@{}/api", elsewhere.url().replace("http://", "")),
            format!("https://{address}/api"),
            format!("http://localhost:{}/api", address.split_once(':').unwrap().1),
            api.url(),
            format!("{}/apis", api.url()),
            format!("{}/../admin", api.base()),
            format!("{}/%2e%2e/admin", api.base()),
            format!("{}/..%2fadmin", api.base()),
        ] {
            let error = client.send(Ask::post(&url, "a text")).await.unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{url}");
            let said = error.to_string();
            assert!(said.contains(&format!(" is outside of {}; it was not sent; ", api.base())), "{said}");
            assert!(!said.contains("planted"), "{said}");
        }
    }
    assert_eq!((api.count(), elsewhere.count(), world.token_requests()), (0, 0, 0));
}

#[tokio::test]
async fn no_host_header_leads_to_another_place() {
    let api = Api::start(|_, _| status(200)).await;
    let world = World::with_api(&api.base()).await;
    let own = api.url().replace("http://", "");
    for client in world.clients() {
        for host in ["b.example", "127.0.0.1", &format!("me@{own}"), ""] {
            let error = client.send(Ask::get(api.base()).header("host", host)).await.unwrap_err();
            assert!(error.to_string().contains("a Host header for another host"), "{host}: {error}");
        }
        assert_eq!(client.status(Ask::get(api.base()).header("host", &own)).await, 200);
    }
    assert_eq!(api.count(), 2);
}

#[tokio::test]
async fn a_program_can_name_more_places() {
    let (api, more) = (Api::start(|_, _| status(200)).await, Api::start(|_, _| status(200)).await);
    for lines in [format!("api_base = \"{}\"", api.base()), String::new()] {
        let world = World::with_lines(&lines).await;
        let place = ApiBase::parse(&more.base(), Transport::Secure).unwrap();
        for client in Caller::both(&Authorizer::with_places(world.graph(), [place]).unwrap()) {
            assert_eq!(client.status(Ask::get(format!("{}/users", more.base()))).await, 200);
            client.send(Ask::get(more.url())).await.unwrap_err();
            assert_eq!(client.send(Ask::get(api.base())).await.is_ok(), !lines.is_empty());
        }
    }
    assert_eq!((api.count(), more.count()), (2, 4));
}

#[tokio::test]
async fn without_any_place_there_is_no_client() {
    let world = World::with_lines("").await;
    for error in [
        Authorizer::new(world.graph()).unwrap_err(),
        TokenMiddleware::new(world.graph()).unwrap_err(),
        TokenLayer::<String>::new(world.graph()).unwrap_err(),
    ] {
        assert_eq!(error.code(), Code::InvalidRequest);
        assert_eq!(
            error.to_string(),
            "graph: it is not configured where its API is; write api_base = \"https://…\" in [providers.graph], \
             or name the places where this client is made"
        );
    }
}

#[tokio::test]
async fn a_token_goes_where_the_configuration_in_force_says() {
    let (before, after) = (Api::start(|_, _| status(200)).await, Api::start(|_, _| status(200)).await);
    let world = World::with_api(&before.base()).await;
    let clients = world.clients();
    for client in &clients {
        assert_eq!(client.status(Ask::get(before.base())).await, 200);
    }
    world.reload(&format!("api_base = \"{}\"", after.base())).await;
    for client in &clients {
        client.send(Ask::get(before.base())).await.unwrap_err();
        assert_eq!(client.status(Ask::get(after.base())).await, 200);
    }
    world.reload("").await;
    for client in &clients {
        let error = client.send(Ask::get(after.base())).await.unwrap_err();
        assert!(error.to_string().contains("it is not configured where its API is"), "{error}");
    }
    assert_eq!((before.count(), after.count()), (2, 2));
}

#[tokio::test]
async fn a_request_that_waited_for_its_token_is_judged_by_what_holds_then() {
    for kind in [0, 1] {
        let (before, after) = (Api::start(|_, _| status(200)).await, Api::start(|_, _| status(200)).await);
        let world = World::with_api(&before.base()).await;
        world.sandbox.set_fault(Fault::HoldAnswer);
        let (client, ask) = (world.clients()[kind].clone(), Ask::get(before.base()));
        let mut waiting = JoinSet::new();
        waiting.spawn(async move { client.send(ask).await });
        world.sandbox.wait_for_requests("reports", 1).await;
        world.reload(&format!("api_base = \"{}\"", after.base())).await;
        world.sandbox.clear_faults();
        world.sandbox.release();
        let error = waiting.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(error.to_string().contains(" is outside of "), "{error}");
        assert_eq!((before.count(), after.count()), (0, 0));
    }
}
