//! Grant `refresh_token`: each one works once.

use std::sync::Arc;

use tokenkeep::clock::SystemClock;
use tokenkeep::provider::{Grant, Provider};
use tokenkeep::store::MemoryStore;
use tokenkeep::{Code, Secret, TokenHandle, TokenManager};
use tokenkeep_sandbox::{Client, Fault, OddBody, Sandbox};

use crate::support::*;

async fn issuer() -> Sandbox {
    Sandbox::builder()
        .client(Client::new("sync", "sync-secret"))
        .client(Client::new("steady", "steady-secret").without_rotation())
        .start()
        .await
        .unwrap()
}

fn login(sandbox: &Sandbox, id: &str) -> Grant {
    let endpoint = client(&sandbox.token_url(), id, &format!("{id}-secret"));
    Grant::RefreshToken { endpoint, seed: Secret::new(sandbox.issue_refresh_token(id)) }
}

#[tokio::test]
async fn over_many_lives_of_many_logins_no_refresh_token_is_used_twice() {
    let sandbox = issuer().await;
    let manager = manager((0..8).map(|_| login(&sandbox, "sync"))).await;
    let handles: Vec<_> = (0..8).map(|number| manager.handle(&format!("p{number}")).unwrap()).collect();
    for generation in 1..=4 {
        let lives = handles.iter().map(TokenHandle::refresh);
        for token in futures_util::future::join_all(lives).await {
            assert_eq!(token.unwrap().generation(), generation);
        }
    }
    let counters = sandbox.counters_of("sync");
    assert_eq!((counters.issued, counters.refused, counters.reused_refresh_tokens), (32, 0, 0));
}

#[tokio::test]
async fn what_the_store_holds_is_newer_than_the_seed_and_wins() {
    let sandbox = issuer().await;
    let provider = Provider::new("p", login(&sandbox, "sync")).unwrap();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    for generation in 1..=3 {
        let manager = TokenManager::builder().provider(provider.clone()).store(Arc::<MemoryStore>::clone(&store));
        let manager = manager.build().await.unwrap();
        assert_eq!(manager.handle("p").unwrap().refresh().await.unwrap().generation(), generation);
    }
    assert_eq!(sandbox.counters_of("sync").reused_refresh_tokens, 0);
}

#[tokio::test]
async fn a_refresh_token_that_the_issuer_does_not_rotate_stays_in_use() {
    let sandbox = issuer().await;
    let handle = handle(login(&sandbox, "steady")).await;
    handle.token().await.unwrap();
    handle.refresh().await.unwrap();
    assert_eq!(sandbox.counters_of("steady").issued, 2);
}

#[tokio::test]
async fn a_spent_seed_demands_a_login_after_one_request_however_often_somebody_asks() {
    let sandbox = issuer().await;
    let spent = login(&sandbox, "sync");
    ask(spent.clone()).await.unwrap();
    let handle = handle(spent).await;
    for _ in 0..20 {
        let error = handle.token().await.unwrap_err();
        assert_eq!(error.code(), Code::LoginRequired);
        assert!(error.needs_login());
        assert_eq!(error.next(), Some("log in again and configure the new refresh_token"));
        assert!(error.what().contains("invalid_grant: this refresh token was used before"), "{error}");
    }
    assert_eq!(sandbox.counters_of("sync").token_requests, 2);
}

#[tokio::test]
async fn a_refresh_token_that_came_with_an_answer_of_no_use_is_the_next_one() {
    let sandbox = issuer().await;
    let handle = handle(login(&sandbox, "sync")).await;
    sandbox.set_fault(Fault::OddBody { body: OddBody::ExpiresInZero }.times(1));
    let error = handle.token().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.what().ends_with("answered 200 with an expires_in that is not above zero"), "{error}");
    handle.refresh().await.unwrap();
    assert_eq!(sandbox.counters_of("sync").reused_refresh_tokens, 0);
}

#[tokio::test]
async fn a_wrong_client_secret_is_refused_and_does_not_demand_a_login() {
    let sandbox = issuer().await;
    let endpoint = client(&sandbox.token_url(), "sync", "wrong");
    let seed = Secret::new(sandbox.issue_refresh_token("sync"));
    let error = ask(Grant::RefreshToken { endpoint, seed }).await.unwrap_err();
    assert_eq!(error.code(), Code::Refused);
}
