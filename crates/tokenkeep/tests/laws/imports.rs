//! Tokens that another program has obtained.

use std::time::Duration;

use tokenkeep::expiry::Policy;
use tokenkeep::token::ForeignToken;
use tokenkeep::{Accounts, Code, Credentials, Imported, Secret, SourceSettings};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_imported_token_is_everybodys_and_is_renewed_like_any_other() {
    let world = world(HOUR).await;
    let other = world.another_process().await;
    other.start();
    let watched = other.handle("graph").unwrap();
    assert_eq!(world.manager.import("graph", foreign(&world, "imported", HOUR)).await.unwrap(), Imported::Token(1));
    let token = world.get().await.unwrap();
    assert_eq!((token.expose_secret(), token.generation(), token.token_type()), ("imported", 1, "Bearer"));
    pass(SECOND * 2).await;
    assert_eq!(watched.token().await.unwrap().expose_secret(), "imported");
    assert_eq!(world.issuer.count(), 0);
    pass(MINUTE * 50).await;
    assert_eq!(watched.token().await.unwrap().expose_secret(), "graph-token-1");
    assert_eq!(world.issuer.count(), 1);
    other.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_imported_token_belongs_to_what_is_configured() {
    let world = world(HOUR).await;
    world.manager.import("graph", foreign(&world, "imported", HOUR)).await.unwrap();
    let changed = Issuer::with_secret(HOUR, "another secret");
    let manager = manager(&world.clock, &world.store, &changed, Policy::default()).await;
    assert_eq!(manager.token("graph").await.unwrap().expose_secret(), "graph-token-1");
}

#[tokio::test(start_paused = true)]
async fn what_ends_later_counts_and_a_generation_is_never_repeated() {
    let world = world(MINUTE * 30).await;
    let import = async |text: &str, left| world.manager.import("graph", foreign(&world, text, left)).await.unwrap();
    assert_eq!(world.get().await.unwrap().generation(), 1);
    assert_eq!(import("older", MINUTE * 30).await, Imported::HasToken);
    assert_eq!(world.get().await.unwrap().expose_secret(), "graph-token-1");
    assert_eq!(import("newer", MINUTE * 31).await, Imported::Token(2));
    assert_eq!(import("newer", MINUTE * 31).await, Imported::HasToken, "as it is run again");
    assert_eq!(world.get().await.unwrap().expose_secret(), "newer");
    world.graph().clear().await.unwrap();
    assert_eq!(import("again", MINUTE).await, Imported::Token(3));
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_or_too_near_to_its_end_is_not_imported() {
    let world = world(HOUR).await;
    for (left, imported) in [(0, Imported::Over), (1, Imported::Over), (60, Imported::Token(1))] {
        let token = foreign(&world, "imported", SECOND * left);
        // Of the hour that it lived; half a minute before its end it is handed out no more.
        let token = issued_at(token, &world, HOUR);
        assert_eq!(world.manager.would_import("graph", &token).await.unwrap(), imported, "{left}");
        assert_eq!(world.manager.import("graph", token).await.unwrap(), imported, "{left}");
    }
    assert_eq!(world.get().await.unwrap().expose_secret(), "imported");
}

#[tokio::test(start_paused = true)]
async fn a_login_is_imported_with_its_token_or_without() {
    for left in [HOUR, Duration::ZERO] {
        let world = rotating_world(HOUR).await;
        world.get().await.unwrap();
        let login = world.store.record("graph").await.unwrap().refresh_token.unwrap();
        // The same issuer, and a store in which nothing is.
        let after = world_with(world.issuer.clone(), Policy::default()).await;
        let token = foreign(&after, "imported", left).with_refresh_token(login.clone());
        let expected = if left.is_zero() { Imported::Login } else { Imported::Token(1) };
        assert_eq!(after.manager.import("graph", token).await.unwrap(), expected);
        let requests = after.issuer.count();
        after.get().await.unwrap();
        assert_eq!(after.issuer.count(), requests + usize::from(left.is_zero()));
        after.graph().refresh().await.unwrap();
        let used = after.issuer.requests()[requests].refresh_token.clone();
        assert_eq!((used.as_deref(), after.issuer.reused()), (Some(login.expose_secret()), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_the_store_has_is_the_newer_one() {
    let world = rotating_world(HOUR).await;
    world.get().await.unwrap();
    let login = world.store.record("graph").await.unwrap().refresh_token.unwrap();
    let token = foreign(&world, "imported", HOUR * 2).with_refresh_token(Secret::new("a-spent-one"));
    assert_eq!(world.manager.import("graph", token).await.unwrap(), Imported::HasLogin);
    assert_eq!(world.get().await.unwrap().expose_secret(), "graph-token-1");
    assert_eq!(world.store.record("graph").await.unwrap().refresh_token, Some(login));
}

#[tokio::test(start_paused = true)]
async fn what_a_request_under_way_brings_is_not_lost_to_an_import() {
    for same_process in [true, false] {
        let world = rotating_world(HOUR).await;
        world.issuer.hold();
        let mut getting = JoinSet::new();
        let graph = world.graph();
        getting.spawn(async move { graph.token().await.unwrap().expose_secret().to_owned() });
        world.issuer.arrival(1).await;
        let importer = if same_process { world.manager.clone() } else { world.another_process().await };
        let token = foreign(&world, "imported", HOUR * 2);
        assert_eq!(importer.import("graph", token.clone()).await.unwrap(), Imported::Busy);
        world.issuer.let_go();
        assert_eq!(getting.join_all().await, ["graph-token-1"]);
        assert_eq!(importer.import("graph", token).await.unwrap(), Imported::HasLogin);
        world.graph().refresh().await.unwrap();
        assert_eq!(world.issuer.reused(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_has_its_imported_token_with_credentials_and_without() {
    let policy = Policy { lifetime: HOUR, expiry_buffer: Some(MINUTE * 5), ..Policy::default() };
    let settings = SourceSettings::default().with_policy(policy).with_accounts(Accounts::Stored);
    let world = world_of(Issuer::new(HOUR), settings).await;
    let credentials = Credentials::with_password("company", Secret::new("one")).unwrap();
    world.manager.set_credentials("graph:1", credentials).await.unwrap();
    for (key, generation) in [("graph:1", 1), ("graph:2", 1)] {
        let imported = world.manager.import(key, foreign(&world, key, MINUTE * 8)).await.unwrap();
        assert_eq!(imported, Imported::Token(generation), "{key}");
        let token = world.manager.token(key).await.unwrap();
        assert_eq!(token.expose_secret(), key);
        // It is known how long it lived, so that what is configured for such lives holds.
        let status = world.manager.handle(key).unwrap().status().await;
        assert!(status.warnings.is_empty(), "{status:?}");
    }
    assert_eq!(world.issuer.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_imported_is_said_and_nothing_is_written() {
    let world = world(HOUR).await;
    let import = async |key: &str, token| world.manager.import(key, token).await.unwrap_err();
    let good = || foreign(&world, "imported", HOUR);
    assert_eq!(import("grahp", good()).await.code(), Code::UnknownKey);
    assert_eq!(import("a b", good()).await.code(), Code::InvalidRequest);
    for unfit in [
        foreign(&world, "", HOUR),
        foreign(&world, "two\nlines", HOUR),
        good().with_refresh_token(Secret::new("")),
        foreign(&world, "for-ever", HOUR * 24 * 366 * 11),
    ] {
        let error = import("graph", unfit).await;
        assert_eq!(error.code(), Code::InvalidRequest, "{error}");
        assert!(!error.to_string().contains("lines"), "{error}");
    }
    for trouble in [Trouble::Full, Trouble::NoSaves, Trouble::Gone] {
        world.store.set(trouble);
        assert_eq!(import("graph", good()).await.code(), Code::Unavailable, "{trouble:?}");
    }
    world.store.set(Trouble::None);
    assert!(world.store.record("graph").await.is_none());
}

fn foreign(world: &World, text: &str, left: Duration) -> ForeignToken {
    let now = world.manager.now().to_system_time().unwrap();
    ForeignToken::new(Secret::new(text), now + left)
}

fn issued_at(mut token: ForeignToken, world: &World, before: Duration) -> ForeignToken {
    token.issued_at = Some(world.manager.now().to_system_time().unwrap() - before);
    token
}
