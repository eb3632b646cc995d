//! One manager and two: tokens, settings, the background service, and what is told of a token.

use std::time::{Duration, SystemTime};

use tokenkeep::TokenHandle;

use super::world::{LIFE, MOMENT, World, down};
use crate::support::in_time;

const MINUTE: Duration = Duration::from_mins(1);

/// R1: `get(force_refresh, use_fallback)` is `token()`, `refresh()` and `refresh_by_fallback()`.
#[tokio::test]
async fn a_token_is_had_as_it_is_or_by_force_and_either_way_to_authenticate() {
    let world = World::start().await;
    let (_manager, llm) = world.sales(&[]).await;
    for _ in 0..3 {
        assert_eq!(llm.token().await.unwrap().generation(), 1);
    }
    assert_eq!(world.requests(), (1, 0));
    world.pass(MOMENT);
    assert_eq!(llm.refresh().await.unwrap().generation(), 2);
    assert_eq!(world.requests(), (2, 0));
    let by_fallback = llm.refresh_by_fallback().await.unwrap();
    assert_eq!((by_fallback.generation(), world.requests()), (3, (2, 1)));
    assert_eq!(llm.token().await.unwrap().expose_secret(), by_fallback.expose_secret());
}

/// R1: the background service is started and stopped, says whether it runs, and refreshes at the interval.
#[tokio::test]
async fn the_background_service_refreshes_at_its_interval_while_it_runs() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[]).await;
    assert!(!manager.is_running());
    manager.start();
    assert!(manager.is_running());
    in_time(world.first.wait_for_requests("sales", 1)).await;
    assert_eq!(llm.token().await.unwrap().generation(), 1);
    for generation in 2..=3 {
        let mut tokens = llm.subscribe();
        assert_eq!(in_time(tokens.next()).await.unwrap().generation(), generation - 1);
        world.pass(45 * MINUTE);
        assert_eq!(in_time(tokens.next()).await.unwrap().generation(), generation);
    }
    manager.stop().await.unwrap();
    assert!(!manager.is_running());
    world.pass(45 * MINUTE);
    assert_eq!(llm.token().await.unwrap().generation(), 3);
    assert_eq!(world.requests(), (3, 0));
}

/// R2: without variables they are 45, 1, true and true.
#[tokio::test]
async fn settings_that_no_variable_sets_are_those_that_revos_had() {
    let world = World::start().await;
    let (_manager, llm) = world.sales(&[]).await;
    llm.token().await.unwrap();
    assert_eq!(minutes_to_renewal(&llm).await, Some(45));
    world.first.set_fault(down());
    llm.clear().await.unwrap();
    llm.token().await.unwrap();
    assert_eq!(world.requests(), (2, 1));
}

/// R2: `TOKEN_REFRESH_INTERVAL_MINUTES`, `TOKEN_ENABLE_PERIODIC_REFRESH`, each with a prefix of the application's own.
#[tokio::test]
async fn the_interval_and_whether_there_is_one_come_from_variables_with_a_prefix() {
    let world = World::start().await;
    for (variable, value, expected) in [
        ("SALES_TOKEN_REFRESH_INTERVAL_MINUTES", "30", Some(30)),
        ("TOKEN_REFRESH_INTERVAL_MINUTES", "30", Some(45)),
        ("SUPPORT_TOKEN_REFRESH_INTERVAL_MINUTES", "30", Some(45)),
        ("SALES_TOKEN_ENABLE_PERIODIC_REFRESH", "false", None),
        ("SALES_TOKEN_ENABLE_PERIODIC_REFRESH", "true", Some(45)),
    ] {
        let (_manager, llm) = world.sales(&[(variable, value)]).await;
        llm.token().await.unwrap();
        assert_eq!(minutes_to_renewal(&llm).await, expected, "{variable}={value}");
    }
}

/// R2: `TOKEN_MAX_FAILURES_BEFORE_FALLBACK`, `TOKEN_ENABLE_FALLBACK`.
#[tokio::test]
async fn the_fallback_is_steered_by_variables_with_a_prefix() {
    for (variable, value, attempts, is_used) in [
        ("SALES_TOKEN_MAX_FAILURES_BEFORE_FALLBACK", "3", 3, true),
        ("SUPPORT_TOKEN_MAX_FAILURES_BEFORE_FALLBACK", "3", 1, true),
        ("SALES_TOKEN_ENABLE_FALLBACK", "false", 4, false),
        ("SALES_TOKEN_ENABLE_FALLBACK", "true", 1, true),
    ] {
        let world = World::start().await;
        let (_manager, llm) = world.sales(&[(variable, value)]).await;
        world.first.set_fault(down());
        for attempt in 1..=attempts {
            assert_eq!(llm.token().await.is_ok(), is_used && attempt == attempts, "{variable}={value}: {attempt}");
            world.pass(MINUTE);
        }
        assert_eq!(world.requests(), (attempts, u64::from(is_used)), "{variable}={value}");
    }
}

/// R2: two managers with different prefixes live side by side in one process.
#[tokio::test]
async fn two_managers_with_two_prefixes_share_nothing() {
    let world = World::start().await;
    let interval = [("SUPPORT_TOKEN_REFRESH_INTERVAL_MINUTES", "20")];
    let (sales, support) = (world.manager("SALES_", &interval).await, world.manager("SUPPORT_", &interval).await);
    sales.start();
    assert!(sales.is_running() && !support.is_running());
    let (sales, support) = (sales.handle("llm").unwrap(), support.handle("llm").unwrap());
    let tokens = (sales.token().await.unwrap(), support.token().await.unwrap());
    assert_ne!(tokens.0.expose_secret(), tokens.1.expose_secret());
    assert_eq!((minutes_to_renewal(&sales).await, minutes_to_renewal(&support).await), (Some(45), Some(20)));
    sales.clear().await.unwrap();
    assert!(support.current().is_some());
    let issued = ["sales", "support"].map(|client| world.first.counters_of(client).issued);
    assert!(issued[0] >= 1 && issued[1] == 1, "{issued:?}");
}

/// R5: has a token, expires at, seconds until expiry, consecutive failures; invalidate; reset.
#[tokio::test]
async fn info_tells_of_the_token_and_of_failures_and_both_can_be_forgotten() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[]).await;
    let info = llm.status().await;
    assert_eq!((info.has_token, info.expires_at, info.expires_in, info.consecutive_failures), (false, None, None, 0));

    llm.token().await.unwrap();
    let info = llm.status().await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(manager.now().wall_ms).unwrap());
    let (at, left) = (info.expires_at.unwrap(), info.expires_in.unwrap());
    assert!(info.has_token && left <= LIFE && left.abs_diff(LIFE) < MINUTE, "{left:?}");
    assert!(at.duration_since(now).unwrap().abs_diff(left) < MINUTE, "{at:?}");

    world.break_issuers();
    for failures in 1..=3 {
        world.pass(MOMENT);
        llm.refresh().await.unwrap_err();
        let info = llm.status().await;
        assert_eq!((info.has_token, info.consecutive_failures), (true, failures));
    }
    llm.clear().await.unwrap();
    let info = llm.status().await;
    assert_eq!((info.has_token, info.expires_at, info.expires_in, info.consecutive_failures), (false, None, None, 0));
    assert!(llm.current().is_none());

    world.mend_issuers();
    world.pass(MOMENT);
    let before = world.requests();
    assert_eq!(llm.token().await.unwrap().generation(), 2);
    assert_eq!(world.requests(), (before.0 + 1, before.1), "after a reset it is the first way again");
}

/// When the token is renewed if the background service runs, in minutes, rounded up.
async fn minutes_to_renewal(llm: &TokenHandle) -> Option<u64> {
    llm.status().await.refresh_in.map(|left| left.as_secs().div_ceil(60))
}
