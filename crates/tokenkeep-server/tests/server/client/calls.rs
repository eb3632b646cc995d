//! Each call does what its route does.

use std::time::Duration;

use tokenkeep_api::client::{Client, Demand, StatusQuery};
use tokenkeep_api::{CredentialsRequest, HealthState, ProblemCode, State};

use super::client;
use crate::secrets::{PASSWORD, VENDOR_TOKEN};
use crate::world::{Setup, World};

fn ann() -> CredentialsRequest {
    CredentialsRequest::with_password("ann", PASSWORD)
}

#[tokio::test]
async fn a_token_comes_as_the_engine_has_it() {
    let world = Setup::keyed().start().await;
    let token = client(&world).token("vendor:7").await.unwrap();
    assert_eq!((&*token.key, &*token.access_token, token.generation), ("vendor:7", VENDOR_TOKEN, 1));
    assert_eq!((token.expires_in, token.scope.as_deref()), (Some(3600), Some("read write")));
    world.end().await;
}

#[tokio::test]
async fn the_header_for_a_token_is_the_one_that_its_api_takes() {
    let mut setup = Setup::keyed();
    setup.providers = "[providers.own]\ngrant = \"static\"\ntoken = \"own-token-7\"\n\
                       header = { name = \"X-Auth-Token\", format = \"v1 {token}\" }\n";
    let world = setup.start().await;
    let client = client(&world);
    for (key, name, value) in [
        ("own", "x-auth-token", "v1 own-token-7".to_owned()),
        ("vendor", "authorization", format!("Bearer {VENDOR_TOKEN}")),
    ] {
        let token = client.token(key).await.unwrap();
        let (found, header) = client.header(&token).await.unwrap();
        assert_eq!((found.as_str(), header.to_str().unwrap()), (name, &*value));
        assert!(header.is_sensitive());
    }
    let token = client.token("reports").await.unwrap();
    world.clock.advance(Duration::from_secs(2));
    client.refresh("reports").await.unwrap();
    assert!(client.header(&token).await.unwrap_err().to_string().contains("it has another token by now"));
    world.end().await;
}

#[tokio::test]
async fn what_is_demanded_reaches_the_engine() {
    let world = Setup::keyed().start().await;
    let client = client(&world);
    let long = Demand::default().with_min_valid(Duration::from_mins(90));
    let error = client.get("vendor", long).await.unwrap_err();
    assert_eq!(error.code(), ProblemCode::InvalidRequest, "{error}");
    world.sandbox.set_fault(tokenkeep_sandbox::Fault::Hang);
    let error = client.get("reports", Demand::default().with_max_wait(Duration::ZERO)).await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (ProblemCode::Unavailable, Some(Duration::from_secs(1))));
    world.sandbox.release();
    world.end().await;
}

#[tokio::test]
async fn pages_lead_to_every_key_once() {
    let world = Setup::keyed().start().await;
    let client = client(&world);
    for account in 1..=5 {
        client.token(&format!("vendor:{account}")).await.unwrap();
    }
    let mut query = StatusQuery::default().with_provider("vendor").with_limit(2);
    let mut keys = Vec::new();
    loop {
        let page = client.statuses(&query).await.unwrap();
        keys.extend(page.tokens.into_iter().map(|status| status.key));
        let Some(next) = page.next else { break };
        query = query.with_after(next);
    }
    assert_eq!(keys, ["vendor", "vendor:1", "vendor:2", "vendor:3", "vendor:4", "vendor:5"]);
    let fresh = client.statuses(&StatusQuery::default().with_state(State::Fresh)).await.unwrap();
    assert!(fresh.tokens.iter().all(|status| status.state == State::Fresh), "{fresh:?}");
    world.end().await;
}

#[tokio::test]
async fn what_operators_do_is_done() {
    let world = Setup::keyed().start().await;
    let client = client(&world);
    assert_eq!(client.token("reports").await.unwrap().generation, 1);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(client.refresh("reports").await.unwrap().generation, 2);
    let late = client.reject("reports", 1).await.unwrap();
    assert_eq!((&*late.key, late.generation, late.rejected), ("reports", 1, false));
    assert!(client.reject("reports", 2).await.unwrap().rejected);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(client.token("reports").await.unwrap().generation, 3);
    let stats = client.stats(Some("reports")).await.unwrap();
    assert_eq!((stats.total_cached, stats.valid_tokens), (1, 1));
    client.clear("reports").await.unwrap();
    assert_eq!(client.status("reports").await.unwrap().state, State::Absent);
    assert_eq!(client.stats(Some("reports")).await.unwrap().total_cached, 0);
    assert_eq!(client.cleanup().await.unwrap().removed, 0);
    world.end().await;
}

#[tokio::test]
async fn credentials_are_tried_kept_used_and_forgotten() {
    let world = Setup::keyed().with_accounts().start().await;
    let client = client(&world);
    let tried = client.test_credentials("bluestakes:7", Some(&ann())).await.unwrap();
    assert!(tried.ok && tried.problem.is_none() && tried.steps.len() == 1, "{tried:?}");
    assert_eq!(client.token("bluestakes:7").await.unwrap_err().code(), ProblemCode::UnknownKey);
    let wrong = CredentialsRequest::with_password("ann", "wrong");
    let tried = client.test_credentials("bluestakes:7", Some(&wrong)).await.unwrap();
    assert_eq!((tried.ok, tried.problem.map(|problem| problem.code)), (false, Some(ProblemCode::Refused)));

    client.set_credentials("bluestakes:7", &ann().with_lifetime(Duration::from_mins(20))).await.unwrap();
    assert_eq!(client.token("bluestakes:7").await.unwrap().expires_in, Some(1200));
    assert!(client.test_credentials("bluestakes:7", None).await.unwrap().ok);
    client.remove_credentials("bluestakes:7").await.unwrap();
    assert_eq!(client.remove_credentials("bluestakes:7").await.unwrap_err().code(), ProblemCode::UnknownKey);
    world.end().await;
}

#[tokio::test]
async fn health_is_an_answer_also_when_it_is_bad() {
    let world = Setup::keyed().start().await;
    let client = client(&world);
    assert!(client.ready().await.unwrap().ready);
    assert_eq!(client.health(None).await.unwrap().status, HealthState::Healthy);
    fail_six_times(&world, &client).await;
    let health = client.health(Some("reports")).await.unwrap();
    assert_eq!((health.status, health.consecutive_failures), (HealthState::Unhealthy, 6));
    assert_eq!(client.health(Some("nobody")).await.unwrap_err().code(), ProblemCode::UnknownKey);
    world.end().await;
}

async fn fail_six_times(world: &World, client: &Client) {
    world.sandbox.set_fault(tokenkeep_sandbox::Fault::Status { status: 503, body: String::new() });
    for _ in 0..6 {
        client.refresh("reports").await.unwrap_err();
        world.clock.advance(Duration::from_mins(2));
    }
}

#[tokio::test]
async fn a_socket_is_as_good_as_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("broker.sock").display());
    let mut setup = Setup::open();
    setup.toml = format!("[server]\nlisten = [\"127.0.0.1:0\", \"{socket}\"]\n");
    let world = setup.start().await;
    let client = Client::new(&socket).unwrap();
    assert_eq!(client.token("fixed").await.unwrap().generation, 1);
    assert_eq!(client.server().to_string(), socket);
    world.end().await;
}
