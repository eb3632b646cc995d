//! Promises 3, 7 and 10: what callers get, what rejecting does, and that nothing is mixed up.

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::expiry::Policy;
use tokenkeep::provider::{Grant, Provider, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::seal::SealKey;
use tokenkeep::source::{Fault, FetchError};
use tokenkeep::store::{MemoryStore, SaveOutcome, Store as _, StoreUrl};
use tokenkeep::token::{IssuedToken, TokenKind};
use tokenkeep::{
    Clock, Code, Demand, ManagerBuilder, Secret, SourceSettings, Subscriber, Token, TokenHandle, TokenManager, Warning,
};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_renewed_is_served_while_it_lives_with_a_warning() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    for _ in 0..59 {
        pass(MINUTE).await;
        assert_eq!(world.get().await.unwrap().generation(), 1);
    }
    let answer = world.graph().get(Demand::default()).await.unwrap();
    assert!(matches!(&answer.warnings[..], [Warning::RefreshFailing { .. }]), "{:?}", answer.warnings);
    pass(MINUTE).await;
    assert_eq!(world.get().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_rejections_of_one_generation_cause_one_refresh() {
    let world = world(HOUR).await;
    let rejected = world.get().await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let (graph, rejected) = (world.graph(), rejected.clone());
        callers.spawn(async move {
            graph.reject(&rejected);
            graph.token().await.unwrap().generation()
        });
    }
    assert!(callers.join_all().await.iter().all(|generation| *generation == 2));
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_causes_none() {
    let world = world(HOUR).await;
    let old = world.get().await.unwrap();
    world.graph().refresh().await.unwrap();
    world.graph().reject(&old);
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_never_handed_out_again_even_if_no_new_one_can_be_had() {
    let world = world(HOUR).await;
    let token = world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    world.graph().reject(&token);
    world.get().await.unwrap_err();
    pass(SECOND).await;
    world.get().await.unwrap_err();
    // Nor by the next start.
    world.another_process().await.token("graph").await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_resource_server_that_always_refuses_costs_one_request_a_second_at_most() {
    let world = world(HOUR).await;
    for _ in 0..30 {
        let token = world.get().await.unwrap();
        world.graph().reject(&token);
    }
    assert!(world.issuer.shortest_gap("graph").unwrap() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn refresh_obtains_a_new_token_and_passes_over_a_back_off() {
    let world = world(HOUR).await;
    assert_eq!(world.get().await.unwrap().generation(), 1);
    assert_eq!(world.graph().refresh().await.unwrap().generation(), 2);
    world.issuer.fail(Fault::Refused);
    assert_eq!(world.graph().refresh().await.unwrap_err().code(), Code::Refused);
    assert_eq!(world.get().await.unwrap().generation(), 2, "the good token stays");
    world.issuer.reply(Reply::Token);
    assert_eq!(world.graph().refresh().await.unwrap().generation(), 3);
    assert!(world.issuer.shortest_gap("graph").unwrap() >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn refresh_asks_the_issuer_even_if_the_store_has_a_good_token() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let one_shot = world.another_process().await;
    assert_eq!(one_shot.handle("graph").unwrap().refresh().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_needs_more_life_than_is_left_gets_a_new_token() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    pass(MINUTE * 40).await;
    let demand = Demand::default().with_min_valid(MINUTE * 30);
    let answer = world.graph().get(demand).await.unwrap();
    assert_eq!(answer.token.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_needs_more_life_than_the_issuer_gives_is_told_so_and_nothing_is_requested() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let demand = Demand::default().with_min_valid(HOUR * 2);
    let error = world.graph().get(demand).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.to_string().contains("min_valid is 7200 s, but the issuer's tokens live 3600 s"), "{error}");
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn clear_forgets_the_token_here_and_in_the_store_and_generations_go_on() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    world.graph().clear().await.unwrap();
    assert!(world.store.record("graph").await.unwrap().token.is_none());
    assert!(world.graph().current().is_none());
    assert_eq!(world.get().await.unwrap().generation(), 2);
    // Also for one who starts later.
    world.graph().clear().await.unwrap();
    pass(SECOND).await;
    assert_eq!(world.another_process().await.token("graph").await.unwrap().generation(), 3);
}

#[tokio::test(start_paused = true)]
async fn clear_keeps_the_login() {
    let world = rotating_world(HOUR).await;
    world.get().await.unwrap();
    world.graph().clear().await.unwrap();
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_never_gets_anothers_token() {
    let world = world(HOUR).await;
    for account in ["graph:1", "graph:2", "graph"] {
        let token = world.manager.token(account).await.unwrap();
        assert!(token.expose_secret().starts_with(&format!("{account}-token-")));
    }
}

#[tokio::test(start_paused = true)]
async fn with_another_secret_a_stored_token_does_not_count() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let changed = Issuer::with_secret(HOUR, "another");
    let manager = manager(&world.clock, &world.store, &changed, Policy::default()).await;
    let token = manager.token("graph").await.unwrap();
    assert_eq!((token.generation(), changed.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn with_another_secret_a_remembered_refusal_does_not_count() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Refused);
    world.get().await.unwrap_err();
    let changed = Issuer::with_secret(HOUR, "the right one");
    let manager = manager(&world.clock, &world.store, &changed, Policy::default()).await;
    manager.token("graph").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_configured_is_unknown_and_the_answer_names_what_is() {
    let world = world(HOUR).await;
    let error = world.manager.handle("grahp").unwrap_err();
    assert_eq!(error.to_string(), "grahp: there is no such provider; configured are: graph");
    assert_eq!(error.code(), Code::UnknownKey);
    assert_eq!(world.manager.handle("no such key/").unwrap_err().code(), Code::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn a_provider_with_one_account_knows_no_other() {
    let clock = Arc::new(TestClock::new());
    let issuer = Issuer::new(HOUR);
    issuer.set_clock(&clock);
    let manager = TokenManager::builder()
        .clock(clock as Arc<dyn Clock>)
        .source("graph", Arc::new(issuer), SourceSettings::default())
        .build()
        .await
        .unwrap();
    manager.token("graph:default").await.unwrap();
    assert_eq!(manager.handle("graph:other").unwrap_err().code(), Code::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn expires_in_is_what_is_left_when_the_token_is_handed_out() {
    let world = world(HOUR).await;
    assert_eq!(world.get().await.unwrap().expires_in(), Some(HOUR));
    pass(MINUTE * 20).await;
    assert_eq!(world.get().await.unwrap().expires_in(), Some(MINUTE * 40));
}

#[tokio::test(start_paused = true)]
async fn two_managers_in_one_process_share_nothing() {
    let (one, two) = (world(HOUR).await, world(HOUR).await);
    one.get().await.unwrap();
    assert!(two.graph().current().is_none());
    two.get().await.unwrap();
    assert_eq!((one.issuer.count(), two.issuer.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_outlives_the_slot_that_heard_it() {
    let policy = Policy { refresh: tokenkeep::expiry::Refresh::OnDemand, ..Policy::default() };
    let world = world_with(Issuer::new(HOUR * 24), policy).await;
    world.manager.start();
    let token = world.get().await.unwrap();
    world.graph().reject(&token);
    pass(HOUR * 2).await;
    assert_eq!(world.manager.keys_in_memory(), 0);
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_is_rejected_before_it_is_loaded_does_not_count() {
    let world = world(HOUR).await;
    let token = world.get().await.unwrap();
    let restarted = world.another_process().await.handle("graph").unwrap();
    restarted.reject(&token);
    assert_eq!(restarted.token().await.unwrap().generation(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_that_many_threads_use_all_the_time_is_one_token_and_gone_when_it_is_rejected() {
    let world = world(HOUR).await;
    let first = world.get().await.unwrap();
    let mut users = JoinSet::new();
    for _ in 0..8 {
        let graph = world.graph();
        users.spawn(async move {
            let mut last = graph.token().await.unwrap();
            for _ in 0..10_000 {
                last = graph.token().await.unwrap();
            }
            last
        });
    }
    for token in users.join_all().await {
        assert_eq!(token.expose_secret(), first.expose_secret());
        assert_eq!(token.authorization(), first.authorization());
        assert_eq!(token.generation(), first.generation());
    }
    world.graph().reject(&first);
    assert!(world.graph().current().is_none());
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_good_token_is_current_while_it_is_renewed_and_while_that_fails() {
    let world = world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    world.issuer.fail(Fault::Unavailable);
    let graph = world.graph();
    for minute in 1..59 {
        pass(MINUTE).await;
        assert_eq!(graph.current().map(|token| token.generation()), Some(1), "after {minute} minutes");
    }
    assert!(world.issuer.count() > 2, "nobody but `current` was asked, and renewal was tried");
    world.issuer.reply(Reply::Token);
    pass(MINUTE * 2).await;
    assert_eq!(graph.current().map(|token| token.generation()), Some(2));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_for_a_current_token_has_it_renewed() {
    let world = world(HOUR).await;
    world.manager.start();
    let graph = world.graph();
    graph.token().await.unwrap();
    // Idle for more than two lives when the third token is due.
    pass(MINUTE * 137).await;
    assert_eq!(world.issuer.count(), 3);
    assert_eq!(graph.current().map(|token| token.generation()), Some(3));
    pass(SECOND * 3).await;
    assert_eq!(graph.current().map(|token| token.generation()), Some(4));
}

#[tokio::test]
async fn a_login_that_each_use_replaces_wants_a_named_store() {
    let builder = || {
        let issuer = Arc::new(Issuer::rotating(HOUR));
        TokenManager::builder().source("graph", issuer, SourceSettings::default())
    };
    let error = builder().build().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.to_string().contains("no store is named"), "{error}");
    builder().store_url(StoreUrl::Memory).build().await.unwrap();

    let manager = TokenManager::builder().build().await.unwrap();
    let token_url = TokenUrl::parse("https://issuer.example/token", Transport::Secure).unwrap();
    let endpoint = TokenEndpointSettings::new(token_url, "calendar");
    let grant = Grant::RefreshToken { endpoint, seed: Secret::new("rt-0") };
    let error = manager.reload(&[Provider::new("calendar", grant).unwrap()]).unwrap_err();
    assert_eq!((error.code(), manager.providers().len()), (Code::InvalidRequest, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_that_no_header_can_carry_is_no_token() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    for (text, token_type) in [("a\nb", "Bearer"), ("", "Bearer"), ("good", "bad\r\nX: y")] {
        let before = world.issuer.count();
        let key = tokenkeep::Key::parse("graph").unwrap();
        let stored = world.store.load(&key).await.unwrap().unwrap();
        let mut record = stored.record;
        let token = record.token.as_ref().unwrap();
        let kind = Arc::new(TokenKind { token_type: token_type.into(), scope: None });
        let unfit = IssuedToken::new(Secret::new(text), kind, record.generation, token.sent_at(), token.expires_at());
        record.token = Some(Arc::new(unfit));
        assert!(matches!(world.store.save(&key, &record, Some(stored.version)).await, Ok(SaveOutcome::Saved(_))));
        pass(SECOND).await;
        let token = world.another_process().await.token("graph").await.unwrap();
        assert!(token.expose_secret().starts_with("graph-token-"), "{text:?} {token_type:?}");
        assert_eq!(world.issuer.count(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeout_is_no_less_than_any_other() {
    let policy = Policy { timeout: Duration::MAX, ..Policy::default() };
    world_with(Issuer::new(HOUR), policy).await.get().await.unwrap();
}

#[tokio::test]
async fn keys_that_would_seal_nothing_are_an_error() {
    let (key, _) = SealKey::generate().unwrap();
    let store = Arc::new(MemoryStore::new(Arc::new(TestClock::new())));
    let error = TokenManager::builder().store(store).seal_keys([key]).build().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
}

#[tokio::test]
async fn a_token_type_that_no_header_can_carry_is_no_token() {
    for token_type in ["", "Bearer\n", "bad\r\nX: y", "two words", "B\u{e9}arer"] {
        let world = world(HOUR).await;
        world.issuer.set_token_type(token_type);
        let error = world.get().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{token_type:?}");
        assert!(error.to_string().contains("token_type"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_nobody_can_have_had_is_not_rejected() {
    let world = world(HOUR).await;
    for generation in [u64::MAX, u64::MAX - 1, 1 << 49] {
        world.graph().reject_generation(generation);
    }
    let first = world.get().await.unwrap();
    assert_eq!(first.generation(), 1);
    world.graph().reject(&first);
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_source_says_reaches_callers_shortened() {
    let world = world(HOUR).await;
    world.issuer.reply(Reply::Fail(FetchError::new(Fault::Unavailable, "ä".repeat(1_000_000))));
    let error = world.get().await.unwrap_err();
    assert!(error.to_string().len() < 4000, "{} bytes", error.to_string().len());
}

#[test]
fn everything_that_a_program_holds_can_go_to_another_thread() {
    fn goes<T: Send + Sync + 'static>() {}
    fn goes_alone<T: Send>(_: T) {}
    fn of_a_handle(handle: &TokenHandle) {
        goes_alone(handle.token());
        goes_alone(handle.get(Demand::default()));
        goes_alone(handle.refresh());
        goes_alone(handle.clear());
        goes_alone(handle.status());
    }
    goes::<TokenManager>();
    goes::<TokenHandle>();
    goes::<Token>();
    goes::<tokenkeep::Error>();
    goes::<ManagerBuilder>();
    goes::<Subscriber>();
    goes::<tokenkeep::Event>();
    goes::<tokenkeep::Status>();
    goes::<tokenkeep::config::Config>();
    goes_alone(TokenManager::builder().build());
    let _ = of_a_handle;
}
