//! `GET /tokens/{key}/watch`: who may, and how it ends.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokenkeep_server::Limits;

use crate::secrets::API_KEY;
use crate::watcher::{Watcher, counting};
use crate::world::{Setup, World, client, settings};

/// A caller with the key [`API_KEY`].
fn caller(name: &str, tokens: &str, allow: &str) -> String {
    let hash = Sha256::digest(API_KEY).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("[[server.keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\ntokens = [{tokens}]\nallow = [\"{allow}\"]\n")
}

fn setup(callers: &str) -> Setup {
    let keyed = Setup::keyed();
    Setup { toml: format!("{}{callers}", Setup::open().toml), ..keyed }
}

async fn reload(world: &World, toml: &str) {
    world.control.reload(&settings(toml).await);
}

#[tokio::test]
async fn who_may_not_have_a_token_may_not_watch_it() {
    let world = setup(&caller("some", "\"vendor:1\"", "proxy")).start().await;
    assert_eq!(world.get("/tokens/vendor:1/watch").await.status(), 403);
    let (status, hidden) = world.json("/tokens/vendor:2/watch").await;
    let (_, absent) = world.json("/tokens/nothing/watch").await;
    assert_eq!((status, &hidden["code"], &hidden["detail"]), (404, &json!("unknown_key"), &absent["detail"]));
    let nobody = world.http.get(world.url("/tokens/vendor:1/watch")).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    world.end().await;
}

#[tokio::test]
async fn who_loses_the_right_to_watch_is_told_and_gets_nothing_more() {
    let other = "[[server.keys]]\nname = \"other\"\nuid = 4000000000\ntokens = [\"*\"]\n";
    let lost = [
        (caller("some", "\"vendor:1\"", "proxy"), "forbidden"),
        (caller("some", "\"vendor:2\"", "get"), "unknown_key"),
        (other.to_owned(), "unauthenticated"),
        (caller("another", "\"vendor:1\"", "get"), "unauthenticated"),
    ];
    for (after, code) in lost {
        let world = setup(&caller("some", "\"vendor:1\"", "get")).start().await;
        let mut watcher = Watcher::open(&world, "vendor:1").await;
        watcher.token().await;
        reload(&world, &after).await;
        assert_eq!(watcher.problem().await["code"], code, "{after}");
        assert_eq!(watcher.piece().await, None);
        world.end().await;
    }
}

#[tokio::test]
async fn who_was_nobody_in_particular_has_to_show_a_key_once_there_are_some() {
    let world = Setup::open().start().await;
    let mut watcher = Watcher::open(&world, "vendor:1").await;
    watcher.token().await;
    reload(&world, &caller("all", "\"*\"", "admin")).await;
    assert_eq!(watcher.problem().await["code"], "unauthenticated");
    assert_eq!(watcher.piece().await, None);
    world.end().await;
}

#[tokio::test]
async fn who_keeps_the_right_goes_on_watching() {
    let world = setup(&caller("some", "\"vendor:1\"", "get")).start().await;
    let mut watcher = Watcher::open(&world, "vendor:1").await;
    watcher.token().await;
    reload(&world, &caller("some", "\"vendor:*\"", "admin")).await;
    world.clock.advance(Duration::from_secs(2));
    world.manager.handle("vendor:1").unwrap().refresh().await.unwrap();
    assert_eq!(watcher.generation().await, 2);
    world.end().await;
}

#[tokio::test]
async fn the_watchers_of_a_provider_that_is_there_no_more_are_told() {
    let world = Setup::open().start().await;
    let mut watcher = Watcher::open(&world, "reports").await;
    watcher.token().await;
    world.manager.reload(&[]).unwrap();
    reload(&world, &Setup::open().toml).await;
    assert_eq!(watcher.problem().await["code"], "unknown_key");
    assert_eq!(watcher.piece().await, None);
    world.end().await;
}

#[tokio::test]
async fn who_watches_a_name_that_means_another_key_now_has_to_come_again() {
    let (setup, _) = counting(Setup::open(), 0);
    let world = setup.start().await;
    let mut settings = settings(&Setup::open().toml).await;
    settings.default_provider = Some("vendor".to_owned());
    world.control.reload(&settings);
    let mut watcher = Watcher::open(&world, "7").await;
    assert_eq!(watcher.token().await["key"], "vendor:7");
    settings.default_provider = Some("counting".to_owned());
    world.control.reload(&settings);
    assert_eq!(watcher.piece().await, None);
    assert_eq!(Watcher::open(&world, "7").await.token().await["key"], "counting:7");
    world.end().await;
}

#[tokio::test]
async fn watchers_do_not_hold_up_the_end_of_the_server() {
    for http in [client(), client().http2_prior_knowledge()] {
        let mut setup = Setup::open();
        setup.limits.drain_timeout = Duration::from_hours(1);
        let mut world = setup.start().await;
        world.http = http.build().unwrap();
        let mut watchers = [Watcher::open(&world, "vendor").await, Watcher::open(&world, "reports").await];
        for watcher in &mut watchers {
            watcher.token().await;
        }
        world.begin_to_stop();
        tokio::time::timeout(Limits::default().drain_timeout, world.stopped()).await.unwrap();
        for watcher in &mut watchers {
            assert_eq!(watcher.piece().await, None, "it ends as it should, with nothing cut off");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn who_goes_away_makes_room() {
    let mut setup = Setup::open();
    setup.limits.max_connections = 1;
    let world = setup.start().await;
    for _ in 0..3 {
        let mut watcher = Watcher::open(&world, "vendor").await;
        watcher.token().await;
        drop(watcher);
        assert_eq!(world.get("/livez").await.status(), 200);
    }
    world.end().await;
}
