//! Accounts whose credentials are kept in the store: added, changed and removed while the program runs.

use std::time::Duration;

use tokenkeep::diagnosis::Prospect;
use tokenkeep::expiry::{Policy, Refresh};
use tokenkeep::source::{Expiry, Fault};
use tokenkeep::store::Store as _;
use tokenkeep::{Accounts, Code, Credentials, KeyState, Obstacle, Secret, SourceSettings, TokenManager};
use tokio::task::JoinSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_account_without_credentials_is_unknown_and_nobody_is_asked() {
    let world = stored_world().await;
    for key in ["graph", "graph:7"] {
        let error = world.manager.token(key).await.unwrap_err();
        assert_eq!(error.code(), Code::UnknownKey);
        assert!(error.to_string().contains(&format!("tokenkeep credentials set {key}")), "{error}");
    }
    assert_eq!(world.issuer.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_read_are_not_taken_for_none() {
    let world = stored_world().await;
    world.store.set(Trouble::Fails("credentials"));
    assert_eq!(world.manager.token("graph:8").await.unwrap_err().code(), Code::Unavailable);
    let diagnosis = world.manager.diagnose("graph:7").await.unwrap();
    assert!(matches!(&diagnosis.prospect, Prospect::Fail(error) if error.code() == Code::Unavailable), "{diagnosis:?}");
    assert_eq!(diagnosis.status.obstacle, Some(Obstacle::Unreadable));
    let status = world.manager.handle("graph:7").unwrap().status().await;
    assert_eq!(status.obstacle, Some(Obstacle::Unreadable), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn each_account_logs_in_with_its_own_credentials() {
    let world = stored_world().await;
    for (key, password) in [("graph:1", "one"), ("graph:2", "two")] {
        world.manager.set_credentials(key, credentials(password)).await.unwrap();
        assert_eq!(world.manager.token(key).await.unwrap().expose_secret().split('-').next(), Some(key));
    }
    assert_eq!(passwords(&world), ["one", "two"]);
    let accounts = world.manager.accounts(None, 10).await.unwrap();
    assert_eq!(accounts.iter().map(tokenkeep::Key::as_str).collect::<Vec<_>>(), ["graph:1", "graph:2"]);
}

#[tokio::test(start_paused = true)]
async fn another_process_uses_the_credentials_and_the_token() {
    let world = stored_world().await;
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
    other.token("graph:1").await.unwrap();
    assert_eq!(world.manager.token("graph:1").await.unwrap().generation(), 1);
    assert_eq!(passwords(&world), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn changed_credentials_end_the_token_everywhere_and_are_used_next() {
    let world = stored_world().await;
    let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
    other.start();
    world.manager.set_credentials("graph:1", credentials("old")).await.unwrap();
    let (ours, theirs) = (world.manager.handle("graph:1").unwrap(), other.handle("graph:1").unwrap());
    ours.token().await.unwrap();
    theirs.token().await.unwrap();
    world.manager.set_credentials("graph:1", credentials("new")).await.unwrap();
    assert!(ours.current().is_none());
    pass(SECOND * 2).await;
    assert!(theirs.current().is_none_or(|token| token.generation() > 1), "the old token is still handed out");
    assert_eq!(theirs.token().await.unwrap().generation(), 2);
    assert_eq!(passwords(&world), ["old", "new"]);
}

#[tokio::test(start_paused = true)]
async fn a_login_under_way_with_old_credentials_does_not_become_the_token() {
    for first in [true, false] {
        let world = stored_world().await;
        world.manager.set_credentials("graph:1", credentials("old")).await.unwrap();
        let handle = world.manager.handle("graph:1").unwrap();
        if !first {
            handle.token().await.unwrap();
        }
        let before = world.issuer.count();
        world.issuer.hold();
        let mut login = JoinSet::new();
        let own = handle.clone();
        login.spawn(async move { own.refresh().await });
        world.issuer.arrival(before + 1).await;
        world.manager.set_credentials("graph:1", credentials("new")).await.unwrap();
        world.issuer.let_go();
        let error = login.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("were changed"), "{error}");
        pass(SECOND * 2).await;
        handle.token().await.unwrap();
        assert_eq!(passwords(&world).last().unwrap(), "new");
        let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
        other.token("graph:1").await.unwrap();
        assert_eq!(world.issuer.count(), before + 2, "the stored token is not the new login's");
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_saved_is_given_up_when_another_process_has_other_credentials() {
    let world = stored_world().await;
    let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    world.manager.token("graph:1").await.unwrap();
    pass(SECOND * 2).await;
    world.store.set(Trouble::NoSaves);
    assert_eq!(world.manager.handle("graph:1").unwrap().refresh().await.unwrap().generation(), 2);
    world.store.set(Trouble::None);
    other.set_credentials("graph:1", credentials("two")).await.unwrap();
    pass(MINUTE).await;
    world.manager.token("graph:1").await.unwrap();
    assert_eq!(passwords(&world), ["one", "one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn new_credentials_overcome_a_refusal_at_once() {
    let world = stored_world().await;
    world.manager.set_credentials("graph:1", credentials("wrong")).await.unwrap();
    world.issuer.fail(Fault::Refused);
    assert_eq!(world.manager.token("graph:1").await.unwrap_err().code(), Code::Refused);
    world.issuer.reply(Reply::Token);
    assert_eq!(world.manager.token("graph:1").await.unwrap_err().code(), Code::Refused);
    world.manager.set_credentials("graph:1", credentials("right")).await.unwrap();
    pass(SECOND).await;
    world.manager.token("graph:1").await.unwrap();
    assert_eq!(passwords(&world), ["wrong", "right"]);
}

#[tokio::test(start_paused = true)]
async fn removed_credentials_take_the_token_with_them() {
    let world = stored_world().await;
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    world.manager.token("graph:1").await.unwrap();
    assert!(world.manager.remove_credentials("graph:1").await.unwrap());
    assert_eq!(world.manager.token("graph:1").await.unwrap_err().code(), Code::UnknownKey);
    assert!(!world.manager.remove_credentials("graph:1").await.unwrap());
    assert!(world.store.record("graph:1").await.unwrap().token.is_none());
    // Given again, the account goes on counting.
    world.manager.set_credentials("graph:1", credentials("two")).await.unwrap();
    pass(SECOND).await;
    assert_eq!(world.manager.token("graph:1").await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_account_has_a_life_of_its_own_where_the_issuer_states_none() {
    let world = stored_world().await;
    world.issuer.set_expiry(Expiry::Unstated);
    let short = credentials("one").with_lifetime(Some(MINUTE * 10)).unwrap();
    world.manager.set_credentials("graph:1", short).await.unwrap();
    world.manager.set_credentials("graph:2", credentials("two")).await.unwrap();
    assert_eq!(life(&world, "graph:1").await, MINUTE * 10);
    assert_eq!(life(&world, "graph:2").await, HOUR);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_read_are_a_trouble_and_not_unknown() {
    let world = stored_world().await;
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    world.store.set(Trouble::Gone);
    let error = world.manager.token("graph:1").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(world.issuer.count(), 0);
    let error = world.manager.set_credentials("graph:1", credentials("two")).await.unwrap_err();
    assert!(error.is_transient() && !error.to_string().contains("two"), "{error}");
    world.store.set(Trouble::None);
    pass(MINUTE).await;
    world.manager.token("graph:1").await.unwrap();
    assert_eq!(passwords(&world), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_with_configured_credentials_takes_no_others() {
    let world = world(HOUR).await;
    let error = world.manager.set_credentials("graph", credentials("one")).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.to_string().contains("accounts = \"stored\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_never_used_has_a_status() {
    let world = stored_world().await;
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
    let statuses = other.statuses(None, 10).await;
    let status = statuses.iter().find(|status| status.key.as_str() == "graph:1").unwrap();
    assert_eq!(status.state, KeyState::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_is_never_sent_with_other_credentials_than_those_that_brought_it() {
    for unsaved in [false, true] {
        let world = world_of(Issuer::rotating(HOUR), stored()).await;
        let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
        world.manager.set_credentials("graph:1", credentials("old")).await.unwrap();
        let handle = world.manager.handle("graph:1").unwrap();
        handle.token().await.unwrap();
        if unsaved {
            world.store.set(Trouble::NoSaves);
            handle.refresh().await.unwrap();
            world.store.set(Trouble::None);
        }
        // It waits for its second between two requests, the record read.
        let refresh = handle.refresh();
        tokio::pin!(refresh);
        tokio::select! {
            _ = &mut refresh => panic!("it did not wait"),
            () = pass(Duration::from_millis(300)) => {}
        }
        other.set_credentials("graph:1", credentials("new")).await.unwrap();
        refresh.await.ok();
        let mixed = world.issuer.requests().into_iter().filter(|request| request.password.as_deref() == Some("new"));
        assert_eq!(mixed.filter(|request| request.refresh_token.is_some()).count(), 0, "unsaved: {unsaved}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_old_credentials_is_not_held_against_new_ones() {
    for fault in [Fault::Refused, Fault::LoginRequired] {
        for by_another in [false, true] {
            let world = stored_world().await;
            let other = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
            world.manager.start();
            world.manager.set_credentials("graph:1", credentials("wrong")).await.unwrap();
            let handle = world.manager.handle("graph:1").unwrap();
            world.issuer.hold();
            let mut login = JoinSet::new();
            let own = handle.clone();
            login.spawn(async move { own.token().await });
            world.issuer.arrival(1).await;
            let who = if by_another { &other } else { &world.manager };
            who.set_credentials("graph:1", credentials("right")).await.unwrap();
            world.issuer.fail(fault);
            world.issuer.let_go();
            login.join_next().await.unwrap().unwrap().unwrap_err();
            world.issuer.reply(Reply::Token);
            pass(SECOND * 3).await;
            handle.token().await.unwrap_or_else(|error| panic!("{fault:?}, by another: {by_another}: {error}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_new_tokens_has_one_of_new_credentials_at_once() {
    for (by_another, always) in [(false, false), (true, false), (false, true), (true, true)] {
        let refresh = if always { Refresh::Always } else { Refresh::Ahead };
        let settings = stored().with_policy(Policy { refresh, ..Policy::default() });
        let world = world_of(Issuer::new(HOUR * 10), settings.clone()).await;
        let other = manager_with(&world.clock, &world.store, &world.issuer, settings).await;
        world.manager.start();
        world.manager.set_credentials("graph:1", credentials("old")).await.unwrap();
        let handle = world.manager.handle("graph:1").unwrap();
        handle.token().await.unwrap();
        let _subscriber = (!always).then(|| handle.subscribe());
        drop(handle);
        pass(MINUTE * 5).await;
        let who = if by_another { &other } else { &world.manager };
        who.set_credentials("graph:1", credentials("new")).await.unwrap();
        pass(SECOND * 4).await;
        assert_eq!(passwords(&world), ["old", "new"], "by another: {by_another}, always: {always}");
    }
}

#[tokio::test(start_paused = true)]
async fn accounts_that_are_added_to_tokens_that_are_always_kept_are_kept_too() {
    let settings = stored().with_policy(Policy { refresh: Refresh::Always, ..Policy::default() });
    let world = world_of(Issuer::new(HOUR), settings.clone()).await;
    let other = manager_with(&world.clock, &world.store, &world.issuer, settings).await;
    world.manager.start();
    pass(MINUTE).await;
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    other.set_credentials("graph:2", credentials("two")).await.unwrap();
    pass(SECOND * 5).await;
    assert_eq!(passwords(&world), ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_vanish_cause_no_work_for_ever() {
    let world = stored_world().await;
    world.manager.start();
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    let handle = world.manager.handle("graph:1").unwrap();
    handle.token().await.unwrap();
    let _subscriber = handle.subscribe();
    // By hand, or by a kill between the two writes: the record is not told.
    world.store.remove_credentials(handle.key()).await.unwrap();
    pass(HOUR * 2).await;
    let before = world.store.loads();
    pass(HOUR).await;
    let loads = world.store.loads() - before;
    assert!(loads <= 200, "the store was read {loads} times in an hour");
    assert_eq!(handle.token().await.unwrap_err().code(), Code::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn new_credentials_bring_the_first_way_back() {
    let second = Issuer::at("second.example", MINUTE);
    let settings = stored().with_fallback(std::sync::Arc::new(second.clone()));
    let world = world_of(Issuer::new(HOUR), settings).await;
    second.set_clock(&world.clock);
    world.manager.set_credentials("graph:1", credentials("wrong")).await.unwrap();
    world.issuer.fail(Fault::Refused);
    world.manager.token("graph:1").await.unwrap();
    world.issuer.reply(Reply::Token);
    world.manager.set_credentials("graph:1", credentials("right")).await.unwrap();
    pass(SECOND).await;
    world.manager.token("graph:1").await.unwrap();
    assert_eq!((world.issuer.count(), second.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn the_list_has_accounts_of_which_there_is_something_and_no_others() {
    let world = stored_world().await;
    assert!(!world.manager.remove_credentials("graph:0").await.unwrap());
    assert!(world.store.record("graph:0").await.is_none(), "nothing was there to be forgotten");
    for key in ["graph:1", "graph:2"] {
        world.manager.set_credentials(key, credentials("one")).await.unwrap();
    }
    world.manager.token("graph:2").await.unwrap();
    world.manager.token("graph:3").await.unwrap_err();
    for manager in [&world.manager, &manager_with(&world.clock, &world.store, &world.issuer, stored()).await] {
        assert_eq!(listed(manager).await, ["graph:1", "graph:2"], "neither graph nor graph:3 is an account");
    }
    world.manager.remove_credentials("graph:2").await.unwrap();
    assert_eq!(listed(&world.manager).await, ["graph:1"]);
    world.manager.set_credentials("graph", credentials("one")).await.unwrap();
    assert_eq!(listed(&world.manager).await, ["graph", "graph:1"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_credentials_has_a_status_that_says_how_to_give_them() {
    let world = stored_world().await;
    let status = world.manager.handle("graph:1").unwrap().status().await;
    assert_eq!((status.state, status.obstacle), (KeyState::Absent, Some(Obstacle::NoCredentials)));
    assert_eq!(status.reason, "no credentials; give them with tokenkeep credentials set graph:1");
    world.manager.set_credentials("graph:1", credentials("one")).await.unwrap();
    let status = world.manager.handle("graph:1").unwrap().status().await;
    assert_eq!((status.obstacle, &*status.reason), (None, "none; the next request obtains one"));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_read_in_parts_has_every_account_once() {
    let world = stored_world().await;
    let keys: Vec<_> = (0..1203).map(|account| format!("graph:{account:04}")).collect();
    for key in &keys {
        world.manager.set_credentials(key, credentials("one")).await.unwrap();
    }
    let restarted = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
    for manager in [&world.manager, &restarted] {
        let mut all: Vec<String> = Vec::new();
        loop {
            let after = all.last().map(|key| tokenkeep::Key::parse(key).unwrap());
            let part = manager.statuses(after.as_ref(), 700).await;
            all.extend(part.iter().map(|status| status.key.to_string()));
            if part.len() < 700 {
                break;
            }
        }
        assert_eq!(all, keys);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_gives_short_pages_hides_no_account() {
    let world = stored_world().await;
    let keys: Vec<_> = (0..35).map(|account| format!("graph:{account:04}")).collect();
    for key in &keys {
        world.manager.set_credentials(key, credentials("one")).await.unwrap();
    }
    for key in &keys[..25] {
        world.manager.token(key).await.unwrap();
    }
    world.store.set(Trouble::ShortPages);
    let restarted = manager_with(&world.clock, &world.store, &world.issuer, stored()).await;
    let statuses = restarted.statuses(None, 100).await;
    assert!(statuses.iter().map(|status| status.key.as_str()).eq(keys.iter().map(String::as_str)), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| status.expires_at.is_some()).count(), 25);
}

async fn listed(manager: &TokenManager) -> Vec<String> {
    manager.statuses(None, 10).await.into_iter().map(|status| status.key.to_string()).collect()
}

async fn stored_world() -> World {
    world_of(Issuer::new(HOUR), stored()).await
}

fn stored() -> SourceSettings {
    let policy = Policy { lifetime: HOUR, ..Policy::default() };
    SourceSettings::default().with_policy(policy).with_accounts(Accounts::Stored)
}

fn credentials(password: &str) -> Credentials {
    Credentials::with_password("company", Secret::new(password)).unwrap()
}

fn passwords(world: &World) -> Vec<String> {
    world.issuer.requests().into_iter().filter_map(|request| request.password).collect()
}

async fn life(world: &World, key: &str) -> Duration {
    let left = world.manager.token(key).await.unwrap().expires_in().unwrap();
    Duration::from_secs(left.as_secs_f64().round() as u64)
}
