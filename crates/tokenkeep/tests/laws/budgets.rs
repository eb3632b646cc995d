//! How many requests an issuer allows: of all keys, processes and restarts together.

use std::time::Duration;

use tokenkeep::budget::Budget;
use tokenkeep::expiry::Policy;
use tokenkeep::{Accounts, Code, SourceSettings};

use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn no_window_has_more_requests_than_the_budget_over_keys_processes_and_restarts() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    let mut managers = vec![world.manager.clone()];
    for round in 0..60 {
        if round % 7 == 0 {
            managers.push(manager_with(&world.clock, &world.store, &world.issuer, limited()).await);
        }
        for (at, manager) in managers.iter().enumerate() {
            manager.token(&format!("graph:{round}-{at}")).await.ok();
        }
        pass(SECOND * 3).await;
    }
    let times: Vec<_> = world.issuer.requests().iter().map(|request| request.at).collect();
    assert!(times.len() >= 25, "only {} requests in three minutes", times.len());
    let most = times.windows(11).map(|window| window[10].saturating_sub(window[0])).min().unwrap();
    assert!(most >= MINUTE, "11 requests within {most:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_take_time_to_arrive_keep_the_budget_where_they_arrive() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    // What was counted first is under way for almost a second longer than what comes after it.
    world.store.set(Trouble::LateRenewals);
    let first = world.manager.clone();
    let mut late = JoinSet::new();
    late.spawn(async move { first.token("graph:late").await.is_ok() });
    pass(SECOND * 9 / 10).await;
    world.store.set(Trouble::None);
    world.store.notify();
    assert_eq!(late.join_all().await, [true]);
    let mut account = 0;
    while world.issuer.count() < 11 {
        world.manager.token(&format!("graph:{account}")).await.ok();
        account += 1;
        pass(Duration::from_millis(100)).await;
    }
    let times: Vec<_> = world.issuer.requests().iter().map(|request| request.at).collect();
    assert!(times[10].saturating_sub(times[0]) >= MINUTE, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_beyond_the_budget_is_told_when_there_is_room() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    for account in 0..10 {
        world.manager.token(&format!("graph:{account}")).await.unwrap();
    }
    pass(SECOND * 20).await;
    let error = world.manager.token("graph:10").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("the budget of 10 requests in 60 s"), "{error}");
    let wait = error.retry_after().unwrap();
    assert!(wait <= SECOND * 41 && wait > SECOND * 30, "{wait:?}");
    // Waiting in vain is no failure of the account's.
    pass(wait).await;
    world.manager.token("graph:10").await.unwrap();
    assert_eq!(world.issuer.count(), 11);
}

#[tokio::test(start_paused = true)]
async fn callers_with_a_good_token_notice_nothing_of_a_spent_budget() {
    let settings = limited().with_budget(Budget::parse("1/10m").unwrap());
    let world = world_of(Issuer::new(HOUR), settings).await;
    let good = world.get().await.unwrap();
    world.manager.token("graph:other").await.unwrap_err();
    pass(MINUTE).await;
    assert_eq!(world.get().await.unwrap().generation(), good.generation());
    assert!(world.graph().get(tokenkeep::Demand::default()).await.unwrap().warnings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_started_process_that_may_ask_nobody_hands_out_what_others_have_obtained() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    let other = manager_with(&world.clock, &world.store, &world.issuer, limited()).await;
    other.start();
    for account in 0..10 {
        world.manager.token(&format!("graph:{account}")).await.unwrap();
    }
    let told = other.token("graph:10").await.unwrap_err();
    assert!(told.to_string().contains("budget"), "{told}");
    for account in 0..10 {
        assert_eq!(other.token(&format!("graph:{account}")).await.unwrap().generation(), 1);
    }
    assert_eq!(world.issuer.count(), 10);
    other.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_asks_gets_a_token_when_the_budget_has_room_again_by_the_time_that_the_store_was_looked_at() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    let other = manager_with(&world.clock, &world.store, &world.issuer, limited()).await;
    other.start();
    for account in 0..10 {
        world.manager.token(&format!("graph:{account}")).await.unwrap();
    }
    other.token("graph:10").await.unwrap_err();
    pass(SECOND * 58).await;
    world.store.set(Trouble::SlowLoads(SECOND * 4));
    assert_eq!(other.token("graph:11").await.unwrap().generation(), 1);
    other.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refresh_by_hand_does_not_pass_over_the_budget() {
    let settings = limited().with_budget(Budget::parse("2/1m").unwrap());
    let world = world_of(Issuer::new(HOUR), settings).await;
    world.get().await.unwrap();
    world.graph().refresh().await.unwrap();
    let error = world.graph().refresh().await.unwrap_err();
    assert!(error.to_string().contains("budget"), "{error}");
    assert_eq!(world.get().await.unwrap().generation(), 2, "the good token stays");
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_each_process_keeps_the_budget_by_itself() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    world.store.set(Trouble::Gone);
    for account in 0..20 {
        world.manager.token(&format!("graph:{account}")).await.ok();
    }
    assert_eq!(world.issuer.count(), 10);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_callers_at_the_same_moment_keep_the_budget_too() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    world.store.set(Trouble::Gone);
    let mut callers = JoinSet::new();
    for account in 0..40 {
        let manager = world.manager.clone();
        callers.spawn(async move { manager.token(&format!("graph:{account}")).await.is_ok() });
    }
    let served = callers.join_all().await.into_iter().filter(|served| *served).count();
    assert_eq!((served, world.issuer.count()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_without_the_store_counts_when_it_is_back() {
    let world = world_of(Issuer::new(HOUR), limited()).await;
    world.store.set(Trouble::Gone);
    for account in 0..20 {
        world.manager.token(&format!("graph:{account}")).await.ok();
    }
    world.store.set(Trouble::None);
    pass(SECOND * 2).await;
    for account in 20..40 {
        world.manager.handle(&format!("graph:{account}")).unwrap().refresh().await.ok();
    }
    assert_eq!(world.issuer.count(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_turns_to_a_fallback_at_another_issuer() {
    let second = Issuer::at("second.example", HOUR);
    let settings = limited().with_fallback(std::sync::Arc::new(second.clone()));
    let world = world_of(Issuer::new(HOUR), settings).await;
    second.set_clock(&world.clock);
    for account in 0..15 {
        world.manager.token(&format!("graph:{account}")).await.unwrap();
    }
    assert_eq!((world.issuer.count(), second.count()), (10, 5));
}

fn limited() -> SourceSettings {
    let policy = Policy { timeout: Duration::from_secs(5), ..Policy::default() };
    let budget = Budget::parse("10/1m").unwrap();
    SourceSettings::default().with_budget(budget).with_policy(policy).with_accounts(Accounts::Any)
}
