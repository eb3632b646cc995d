//! Settings that come from variables, with whatever prefix the program chose.

use std::collections::HashMap;
use std::sync::Arc;

use tokenkeep::expiry::{Policy, Refresh};
use tokenkeep::provider::{Grant, Provider};
use tokenkeep::source::Fault;
use tokenkeep::{Clock, Code, ManagerBuilder, Secret, SourceSettings, TokenManager};

use crate::support::*;

#[tokio::test]
async fn two_managers_with_two_prefixes_live_side_by_side_on_one_configuration() {
    let built = |prefix: &'static str| {
        let all = environment(&[("ONE_KEY", "first"), ("TWO_KEY", "second"), ("KEY", "nobody's")]);
        TokenManager::builder().config_text(CONFIG).environment(all).env_prefix(prefix).build()
    };
    let (one, two) = (built("ONE_").await.unwrap(), built("TWO_").await.unwrap());
    assert_eq!(one.token("vendor").await.unwrap().expose_secret(), "first");
    assert_eq!(two.token("vendor").await.unwrap().expose_secret(), "second");
    let error = built("THREE_").await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.to_string().contains("the environment variable `THREE_KEY` is not set"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_interval_holds_for_all_providers_whatever_is_configured_for_each() {
    let world = World::with(&[("APP_TOKEN_REFRESH_INTERVAL_MINUTES", "45")], Policy::default()).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(HOUR * 3 + MINUTE).await;
    assert_eq!(world.issuer.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_periodic_refresh_nothing_is_renewed_ahead_whatever_the_interval() {
    let variables = [("APP_TOKEN_ENABLE_PERIODIC_REFRESH", "False"), ("APP_TOKEN_REFRESH_INTERVAL_MINUTES", "45")];
    let policy = Policy { refresh: Refresh::Always, ..Policy::default() };
    let world = World::with(&variables, policy).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(HOUR * 23).await;
    assert_eq!(world.issuer.count(), 1);
    pass(HOUR * 2).await;
    assert_eq!(world.issuer.count(), 1, "nobody asked");
    world.get().await.unwrap();
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_failures_before_a_fallback_can_be_set() {
    let (world, second) = with_fallback(&[("APP_TOKEN_MAX_FAILURES_BEFORE_FALLBACK", "2")]).await;
    world.issuer.fail(Fault::Unavailable);
    let error = world.get().await.unwrap_err();
    assert_eq!(second.count(), 0);
    pass(error.retry_after().unwrap()).await;
    world.get().await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_can_be_switched_off() {
    let (world, second) = with_fallback(&[("APP_TOKEN_ENABLE_FALLBACK", "false")]).await;
    world.issuer.fail(Fault::Unavailable);
    world.get().await.unwrap_err();
    assert_eq!(second.count(), 0);
    assert_eq!(world.graph().refresh_by_fallback().await.unwrap_err().code(), Code::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn variables_that_are_not_set_or_empty_or_of_another_prefix_change_nothing() {
    let variables = [
        ("APP_TOKEN_REFRESH_INTERVAL_MINUTES", ""),
        ("APP_TOKEN_ENABLE_PERIODIC_REFRESH", "true"),
        ("TOKEN_ENABLE_PERIODIC_REFRESH", "false"),
        ("OTHER_TOKEN_MAX_FAILURES_BEFORE_FALLBACK", "0"),
    ];
    let policy = Policy { refresh: Refresh::Every(MINUTE * 30), ..Policy::default() };
    let world = World::with(&variables, policy).await;
    world.manager.start();
    world.get().await.unwrap();
    pass(HOUR + MINUTE).await;
    assert_eq!(world.issuer.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn periodic_refresh_can_be_switched_on_where_it_is_configured_to_be_off() {
    let policy = Policy { refresh: Refresh::OnDemand, ..Policy::default() };
    let world = World::with(&[("APP_TOKEN_ENABLE_PERIODIC_REFRESH", "on")], policy).await;
    world.manager.start();
    let _subscriber = world.graph().subscribe();
    world.get().await.unwrap();
    pass(HOUR * 24).await;
    assert_eq!(world.issuer.count(), 2);
}

#[tokio::test]
async fn the_prefix_stands_before_the_whole_name_whatever_it_is() {
    let builder =
        |name: &str| TokenManager::builder().environment(environment(&[(name, "sesame")])).env_prefix("TOKEN_").build();
    builder("TOKEN_ENABLE_FALLBACK").await.unwrap();
    builder("TOKEN_TOKEN_ENABLE_FALLBACK").await.unwrap_err();
}

#[tokio::test]
async fn everything_that_is_wrong_in_the_environment_is_said_at_once_and_no_value_shown() {
    let wrong = [
        ("APP_TOKEN_REFRESH_INTERVAL_MINUTES", "sesame"),
        ("APP_TOKEN_ENABLE_PERIODIC_REFRESH", "sesame"),
        ("APP_TOKEN_MAX_FAILURES_BEFORE_FALLBACK", "0"),
        ("APP_TOKEN_ENABLE_FALLBACK", "sesame"),
    ];
    let build = |variables: &[(&str, &str)]| builder(variables).build();
    let error = build(&wrong).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    for (name, _) in wrong {
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
    for minutes in ["0", "-1", "0.1", "inf", "NaN", "1e300"] {
        build(&[("APP_TOKEN_REFRESH_INTERVAL_MINUTES", minutes)]).await.unwrap_err();
    }
    for minutes in ["45", "0.5", " 45 "] {
        build(&[("APP_TOKEN_REFRESH_INTERVAL_MINUTES", minutes)]).await.unwrap();
    }
    let error = TokenManager::builder().env_prefix("MY APP").build().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn what_the_environment_says_outlives_a_change_of_the_configuration() {
    let variables = environment(&[("APP_TOKEN_ENABLE_FALLBACK", "false")]);
    let provider = |token: &str| {
        let mut provider = Provider::new("vendor", Grant::Static { token: Secret::new(token) }).unwrap();
        provider.fallbacks = vec![Grant::Static { token: Secret::new("spare") }];
        provider
    };
    let builder = TokenManager::builder().environment(variables).env_prefix("APP_").provider(provider("first"));
    let manager = builder.build().await.unwrap();
    manager.reload(&[provider("second")]).unwrap();
    let vendor = manager.handle("vendor").unwrap();
    assert_eq!(vendor.token().await.unwrap().expose_secret(), "second");
    assert_eq!(vendor.refresh_by_fallback().await.unwrap_err().code(), Code::InvalidRequest);
}

#[tokio::test]
async fn a_configuration_file_is_read_when_the_manager_is_built_and_the_programs_own_store_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenkeep.toml");
    let build = || {
        let builder = TokenManager::builder().config_file(&path).environment(environment(&[("KEY", "sesame")]));
        builder.store(Arc::new(tokenkeep::store::MemoryStore::new(Arc::new(TestClock::new()))) as Arc<_>).build()
    };
    let error = build().await.unwrap_err();
    assert!(error.to_string().contains("tokenkeep.toml"), "{error}");
    std::fs::write(&path, format!("store = \"file:tokens\"\n{CONFIG}")).unwrap();
    let manager = build().await.unwrap();
    assert_eq!(manager.token("vendor").await.unwrap().expose_secret(), "sesame");
    assert!(!folder.path().join("tokens").exists());
    std::fs::write(&path, "[providers.vendor]\ngrant = \"statik\"\ncolour = 1\n").unwrap();
    let error = build().await.unwrap_err();
    assert_eq!(error.to_string().matches("`insecure`").count(), 1, "{error}");
    assert!(error.to_string().contains("unknown grant") && error.to_string().contains("`colour`"), "{error}");
}

const CONFIG: &str = "[providers.vendor]\ngrant = \"static\"\ntoken = { env = \"KEY\" }\n";

fn environment(variables: &[(&str, &str)]) -> HashMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn builder(variables: &[(&str, &str)]) -> ManagerBuilder {
    TokenManager::builder().environment(environment(variables)).env_prefix("APP_")
}

impl World {
    /// A world whose manager finds these variables with the prefix `APP_`, with tokens of a day.
    async fn with(variables: &[(&str, &str)], policy: Policy) -> Self {
        Self::with_settings(variables, SourceSettings::default().with_policy(policy)).await
    }

    async fn with_settings(variables: &[(&str, &str)], settings: SourceSettings) -> Self {
        let world = world(HOUR * 24).await;
        let builder = builder(variables).clock(Arc::clone(&world.clock) as Arc<dyn Clock>);
        let manager = builder.source("graph", Arc::new(world.issuer.clone()), settings).build().await.unwrap();
        Self { manager, ..world }
    }
}

async fn with_fallback(variables: &[(&str, &str)]) -> (World, Issuer) {
    let second = Issuer::with_secret(HOUR, "another secret");
    let settings = SourceSettings::default().with_fallback(Arc::new(second.clone()));
    let world = World::with_settings(variables, settings).await;
    second.set_clock(&world.clock);
    (world, second)
}
