//! Another configuration while the program runs.

use std::sync::Arc;

use tokenkeep::budget::Budget;
use tokenkeep::clock::SystemClock;
use tokenkeep::expiry::Policy;
use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::store::{Holder, LeaseOutcome, MemoryStore, Store};
use tokenkeep::{Clock, Code, Secret, SourceSettings, TokenManager};
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
async fn what_was_measured_of_a_provider_goes_on_counting() {
    let sandbox = sandbox().await;
    let manager = manager_of(vec![provider("graph", &sandbox, "a")]).await;
    let handle = manager.handle("graph").unwrap();
    handle.token().await.unwrap();
    manager.reload(&[provider("graph", &sandbox, "b")]).unwrap();
    handle.token().await.unwrap();
    assert_eq!(manager.measurements().providers[0].tokens, 2);
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
async fn a_token_that_another_process_brings_for_the_old_configuration_is_not_taken_over() {
    let sandbox = sandbox().await;
    let old = provider("graph", &sandbox, "a");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let build = async || {
        let builder = TokenManager::builder().clock(Arc::clone(&clock)).store(Arc::clone(&store));
        builder.provider(old.clone()).build().await.unwrap()
    };
    let (ours, theirs) = (build().await, build().await);
    let (ours_handle, theirs_handle) = (ours.handle("graph").unwrap(), theirs.handle("graph").unwrap());
    sandbox.set_fault(Fault::Hang);
    let (their_token, our_token) = (theirs_handle.token(), ours_handle.token());
    tokio::pin!(their_token, our_token);
    tokio::select! {
        _ = &mut their_token => panic!("the issuer did not hold the request"),
        () = sandbox.wait_for_requests("reports", 1) => {}
    }
    // Ours waits for the lease that theirs has.
    assert!(futures_util::poll!(&mut our_token).is_pending());
    ours.reload(&[provider("graph", &sandbox, "b")]).unwrap();
    sandbox.clear_faults();
    sandbox.release();
    their_token.await.unwrap();
    our_token.await.unwrap_err();
    assert!(ours_handle.current().is_none(), "a token of the old scope is handed out");
}

#[tokio::test]
async fn a_caller_who_waits_gets_its_token_when_only_the_times_of_renewal_change() {
    let sandbox = sandbox().await;
    let graph = provider("graph", &sandbox, "a");
    let manager = manager_of(vec![graph.clone()]).await;
    let handle = manager.handle("graph").unwrap();
    sandbox.set_fault(Fault::Hang);
    let asking = handle.token();
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("the issuer did not hold the request"),
        () = sandbox.wait_for_requests("reports", 1) => {}
    }
    let policy = Policy { expiry_buffer: Some(SECOND * 5), ..Policy::default() };
    manager.reload(&[graph.with_policy(policy)]).unwrap();
    sandbox.clear_faults();
    sandbox.release();
    asking.await.unwrap();
}

#[tokio::test]
async fn a_login_outlives_a_wrong_configuration() {
    let sandbox = sandbox().await;
    let right = login(&sandbox, "reports-secret", "a");
    let (store, manager) = logins(vec![right.clone()]).await;
    let handle = manager.handle("calendar").unwrap();
    handle.token().await.unwrap();
    let known = refresh_token(&store).await;
    manager.reload(&[other_client(&sandbox)]).unwrap();
    handle.token().await.unwrap_err();
    assert_eq!(refresh_token(&store).await, known, "the login was given up for a mistyped one");
    manager.reload(&[right]).unwrap();
    handle.refresh().await.unwrap();
    assert_eq!(sandbox.counters().total.reused_refresh_tokens, 0);
}

#[tokio::test]
async fn a_login_outlives_the_removal_of_its_provider_while_a_flight_waits_for_its_turn() {
    let sandbox = sandbox().await;
    let right = login(&sandbox, "reports-secret", "a");
    let (store, manager) = logins(vec![right.clone()]).await;
    let handle = manager.handle("calendar").unwrap();
    handle.token().await.unwrap();
    let other = Holder::unique();
    assert_eq!(store.acquire_lease(handle.key(), &other, MINUTE).await, Ok(LeaseOutcome::Acquired));
    let refresh = handle.refresh();
    tokio::pin!(refresh);
    assert!(futures_util::poll!(&mut refresh).is_pending());
    manager.reload(&[]).unwrap();
    store.release_lease(handle.key(), &other).await.unwrap();
    refresh.await.unwrap_err();
    assert_eq!(handle.clear().await.unwrap_err().code(), Code::UnknownKey);
    manager.reload(&[right]).unwrap();
    handle.refresh().await.unwrap();
    assert_eq!(sandbox.counters().total.reused_refresh_tokens, 0);
}

#[tokio::test]
async fn a_refresh_token_that_could_not_be_saved_is_not_sent_to_another_issuer() {
    let (sandbox, another) = (sandbox().await, sandbox().await);
    let (store, manager) = logins(vec![login(&sandbox, "reports-secret", "a")]).await;
    let handle = manager.handle("calendar").unwrap();
    handle.token().await.unwrap();
    store.set(Trouble::NoSaves);
    handle.refresh().await.unwrap();
    manager.reload(&[login(&another, "reports-secret", "a")]).unwrap();
    // Its own first refresh token is good; one of another issuer would not be.
    handle.token().await.unwrap();
    assert_eq!(another.counters().total.refused, 0);
}

#[tokio::test]
async fn a_login_outlives_a_change_of_scope_while_its_refresh_token_is_being_spent() {
    let sandbox = sandbox().await;
    let first = login(&sandbox, "reports-secret", "a");
    let (_store, manager) = logins(vec![first.clone()]).await;
    let handle = manager.handle("calendar").unwrap();
    handle.token().await.unwrap();
    sandbox.set_fault(Fault::HoldAnswer);
    let refresh = handle.refresh();
    tokio::pin!(refresh);
    tokio::select! {
        _ = &mut refresh => panic!("the issuer did not keep its answer"),
        () = sandbox.wait_until(|counters| counters.total.issued == 2) => {}
    }
    handle.clear().await.unwrap();
    manager.reload(&[with_scope(first, "b")]).unwrap();
    sandbox.clear_faults();
    sandbox.release();
    refresh.await.unwrap_err();
    handle.token().await.unwrap();
    assert_eq!(sandbox.counters().total.reused_refresh_tokens, 0);
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
    let settings = SourceSettings::default().with_budget(Budget::parse("5/1m").unwrap());
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
    let reports = Client::new("reports", "reports-secret").scope("a b");
    Sandbox::builder().client(reports).start().await.unwrap()
}

/// A manager whose store can be made to fail, on the system's clock.
async fn logins(providers: Vec<Provider>) -> (Arc<UnreliableStore>, TokenManager) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let memory = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let store = Arc::new(UnreliableStore::new(memory));
    let builder = TokenManager::builder().clock(clock).store(Arc::clone(&store) as Arc<dyn Store>);
    (store, builder.providers(providers).build().await.unwrap())
}

/// A login whose refresh token is good once.
fn login(sandbox: &Sandbox, secret: &str, scope: &str) -> Provider {
    let endpoint = endpoint(sandbox, secret).with_scope([scope]);
    let seed = Secret::new(sandbox.issue_refresh_token("reports"));
    Provider::new("calendar", Grant::RefreshToken { endpoint, seed }).unwrap()
}

/// The same of a client that nobody has registered.
fn other_client(sandbox: &Sandbox) -> Provider {
    let mut provider = login(sandbox, "reports-secret", "a");
    if let Grant::RefreshToken { endpoint, .. } = &mut provider.grant {
        "mistyped".clone_into(&mut endpoint.client_id);
    }
    provider
}

fn with_scope(mut provider: Provider, scope: &str) -> Provider {
    if let Grant::RefreshToken { endpoint, .. } = &mut provider.grant {
        endpoint.scope = vec![scope.to_owned()];
    }
    provider
}

async fn refresh_token(store: &UnreliableStore) -> Option<Secret> {
    store.record("calendar").await.unwrap().refresh_token
}

async fn manager_of(providers: Vec<Provider>) -> TokenManager {
    TokenManager::builder().providers(providers).build().await.unwrap()
}

fn provider(name: &str, sandbox: &Sandbox, scope: &str) -> Provider {
    let endpoint = endpoint(sandbox, "reports-secret").with_scope([scope]);
    Provider::new(name, Grant::ClientCredentials(endpoint)).unwrap()
}

fn with_secret(name: &str, sandbox: &Sandbox, secret: &str) -> Provider {
    Provider::new(name, Grant::ClientCredentials(endpoint(sandbox, secret))).unwrap()
}

fn endpoint(sandbox: &Sandbox, secret: &str) -> TokenEndpointSettings {
    TokenEndpointSettings::new(TokenUrl::parse(&sandbox.token_url(), Transport::Secure).unwrap(), "reports")
        .with_client_secret(Secret::new(secret))
}
