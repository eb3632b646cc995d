//! Another configuration while the program runs.

use tokenkeep::budget::Budget;
use tokenkeep::expiry::Policy;
use tokenkeep::provider::{ClientAuth, Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::{Code, Secret, SourceSettings, TokenManager};
use tokenkeep_sandbox::{Client, Fault, Sandbox};

use crate::support::*;

#[tokio::test]
async fn a_provider_that_did_not_change_keeps_its_token_and_one_that_did_loses_it() {
    let sandbox = sandbox().await;
    let (same, other) = (provider("same", &sandbox, "a"), provider("other", &sandbox, "a"));
    let manager = manager_of(vec![same.clone(), other]).await;
    let (same_handle, other_handle) = (manager.handle("same").unwrap(), manager.handle("other").unwrap());
    let (before, old) = (same_handle.token().await.unwrap(), other_handle.token().await.unwrap());

    let reloaded = manager.reload(&[same, provider("other", &sandbox, "b")]).unwrap();
    assert_eq!((&*reloaded.changed, reloaded.added.len(), reloaded.removed.len()), (&["other".to_owned()][..], 0, 0));
    assert_eq!(same_handle.current().unwrap().expose_secret(), before.expose_secret());
    assert!(other_handle.current().is_none(), "the old scope's token is still handed out");
    let new = other_handle.token().await.unwrap();
    assert_ne!(new.expose_secret(), old.expose_secret());
    assert_eq!(new.generation(), 2, "the generations go on");
    assert_eq!(sandbox.counters().total.issued, 3);
}

#[tokio::test]
async fn another_policy_takes_hold_and_keeps_the_token() {
    let sandbox = sandbox().await;
    let plain = provider("graph", &sandbox, "a");
    let manager = manager_of(vec![plain.clone()]).await;
    let handle = manager.handle("graph").unwrap();
    let before = handle.token().await.unwrap();
    let life = before.expires_in().unwrap();
    let policy = Policy { refresh_before: Some(life / 2), ..Policy::default() };
    manager.reload(&[plain.with_policy(policy)]).unwrap();
    assert_eq!(handle.current().unwrap().expose_secret(), before.expose_secret());
    let renewed_in = handle.status().await.refresh_in.unwrap();
    assert!(renewed_in <= life / 2, "{renewed_in:?} of {life:?}");
}

#[tokio::test]
async fn a_refusal_is_overcome_by_another_configuration() {
    let sandbox = sandbox().await;
    let manager = manager_of(vec![with_secret("graph", &sandbox, "wrong")]).await;
    let handle = manager.handle("graph").unwrap();
    assert_eq!(handle.token().await.unwrap_err().code(), Code::Refused);
    assert_eq!(handle.token().await.unwrap_err().code(), Code::Refused);
    manager.reload(&[with_secret("graph", &sandbox, "reports-secret")]).unwrap();
    handle.token().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_is_gone_is_unknown_until_it_is_back() {
    let sandbox = sandbox().await;
    let graph = provider("graph", &sandbox, "a");
    let manager = manager_of(vec![graph.clone()]).await;
    let handle = manager.handle("graph").unwrap();
    handle.token().await.unwrap();
    assert_eq!(manager.reload(&[]).unwrap().removed, ["graph"]);
    assert!(handle.current().is_none());
    assert_eq!(handle.token().await.unwrap_err().code(), Code::UnknownKey);
    assert_eq!(handle.refresh().await.unwrap_err().code(), Code::UnknownKey);
    assert_eq!(manager.handle("graph").unwrap_err().code(), Code::UnknownKey);
    assert!(manager.statuses(None, 10).await.is_empty());
    assert_eq!(manager.reload(&[graph]).unwrap().added, ["graph"]);
    // The store still has its token.
    assert_eq!(handle.token().await.unwrap().generation(), 1);
    assert_eq!(sandbox.counters().total.issued, 1);
}

#[tokio::test]
async fn a_flight_under_the_old_configuration_publishes_nothing() {
    let sandbox = sandbox().await;
    let manager = manager_of(vec![provider("graph", &sandbox, "a")]).await;
    let handle = manager.handle("graph").unwrap();
    sandbox.set_fault(Fault::Hang);
    let asking = handle.token();
    tokio::pin!(asking);
    // The request is under way when the configuration changes; it is answered afterwards.
    tokio::select! {
        _ = &mut asking => panic!("the issuer did not hold the request"),
        () = sandbox.wait_for_requests("reports", 1) => {}
    }
    manager.reload(&[provider("graph", &sandbox, "b")]).unwrap();
    sandbox.clear_faults();
    sandbox.release();
    asking.await.unwrap_err();
    assert!(handle.current().is_none());
}

#[tokio::test]
async fn a_configuration_with_a_name_twice_changes_nothing() {
    let sandbox = sandbox().await;
    let graph = provider("graph", &sandbox, "a");
    let manager = manager_of(vec![graph.clone()]).await;
    let handle = manager.handle("graph").unwrap();
    handle.token().await.unwrap();
    let error = manager.reload(&[graph.clone(), graph]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(handle.current().is_some());
}

#[tokio::test(start_paused = true)]
async fn sources_of_the_programs_own_stay() {
    let settings = SourceSettings { budget: Budget::parse("5/1m").ok(), ..SourceSettings::default() };
    let world = world_of(Issuer::new(HOUR), settings).await;
    let token = world.get().await.unwrap();
    let fixed = Grant::Static { token: Secret::new("fixed") };
    world.manager.reload(&[Provider::new("billing", fixed).unwrap()]).unwrap();
    assert_eq!(world.get().await.unwrap().generation(), token.generation());
    assert_eq!(world.manager.token("billing").await.unwrap().expose_secret(), "fixed");
    assert_eq!(world.manager.providers(), ["billing", "graph"]);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_always_renewed_from_now_on_are_found() {
    let world = world(HOUR).await;
    world.manager.start();
    let policy = Policy { refresh: tokenkeep::expiry::Refresh::Always, ..Policy::default() };
    let fixed = Grant::Static { token: Secret::new("fixed") };
    world.manager.reload(&[Provider::new("billing", fixed).unwrap().with_policy(policy)]).unwrap();
    pass(SECOND * 3).await;
    assert!(world.manager.handle("billing").unwrap().current().is_some(), "nobody obtained it");
}

async fn sandbox() -> Sandbox {
    Sandbox::builder().client(Client::new("reports", "reports-secret")).start().await.unwrap()
}

async fn manager_of(providers: Vec<Provider>) -> TokenManager {
    TokenManager::builder().providers(providers).build().await.unwrap()
}

fn provider(name: &str, sandbox: &Sandbox, scope: &str) -> Provider {
    let endpoint = TokenEndpointSettings { scope: vec![scope.to_owned()], ..endpoint(sandbox, "reports-secret") };
    Provider::new(name, Grant::ClientCredentials(endpoint)).unwrap()
}

fn with_secret(name: &str, sandbox: &Sandbox, secret: &str) -> Provider {
    Provider::new(name, Grant::ClientCredentials(endpoint(sandbox, secret))).unwrap()
}

fn endpoint(sandbox: &Sandbox, secret: &str) -> TokenEndpointSettings {
    TokenEndpointSettings {
        token_url: TokenUrl::parse(&sandbox.token_url(), Transport::Secure).unwrap(),
        client_id: "reports".to_owned(),
        client_secret: Some(Secret::new(secret)),
        client_auth: ClientAuth::ClientSecretBasic,
        scope: Vec::new(),
        extra: std::iter::empty().collect(),
    }
}
