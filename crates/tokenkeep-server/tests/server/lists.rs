//! `GET /tokens`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Setup, World};

/// The keys of a page, and where the next one begins.
async fn page(world: &World, query: &str) -> (Vec<String>, Value) {
    let (status, page) = world.json(&format!("/tokens{query}")).await;
    assert_eq!(status, 200, "{page}");
    let keys = page["tokens"].as_array().unwrap().iter().map(|status| status["key"].as_str().unwrap().to_owned());
    (keys.collect(), page["next"].clone())
}

async fn obtain_300(world: &World) {
    for account in 0..300 {
        world.manager.token(&format!("vendor:{account:03}")).await.unwrap();
    }
}

#[tokio::test]
async fn all_providers_are_listed_before_anybody_asked_for_a_token() {
    let world = Setup::open().start().await;
    assert_eq!(page(&world, "").await, (vec!["fixed".into(), "reports".into(), "vendor".into()], Value::Null));
    let (_, list) = world.json("/tokens?provider=vendor").await;
    let (_, status) = world.json("/tokens/vendor/status").await;
    assert_eq!(list, json!({"tokens": [status], "next": null}));
    world.end().await;
}

#[tokio::test]
async fn pages_follow_each_other_and_hold_every_key_once() {
    let world = Setup::open().start().await;
    for account in 1..=5 {
        world.get(&format!("/tokens/vendor:{account}")).await;
    }
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (keys, next) = page(&world, &format!("?limit=3{after}")).await;
        assert!(keys.len() == 3 || next.is_null());
        all.extend(keys);
        let Some(next) = next.as_str() else { break };
        after = format!("&after={next}");
    }
    let expected =
        ["fixed", "reports", "vendor", "vendor:1", "vendor:2", "vendor:3", "vendor:4", "vendor:5"].map(String::from);
    assert_eq!(all, expected);
    assert_eq!(page(&world, "?limit=8").await.1, Value::Null, "a full last page has no next one");
    world.end().await;
}

#[tokio::test]
async fn a_filter_does_not_make_a_page_shorter() {
    let world = Setup::open().start().await;
    obtain_300(&world).await;
    world.clock.advance(Duration::from_hours(2));
    for account in [100, 250, 299] {
        world.get(&format!("/tokens/vendor:{account}")).await;
    }
    assert_eq!(page(&world, "?state=fresh&limit=3").await.0, ["fixed", "vendor:100", "vendor:250"]);
    assert_eq!(page(&world, "?state=fresh&limit=3").await.1, "vendor:250");
    assert_eq!(page(&world, "?state=fresh&limit=3&after=vendor:250").await, (vec!["vendor:299".into()], Value::Null));
    assert_eq!(page(&world, "?provider=vendor&limit=1000").await.0.len(), 301);
    assert_eq!(page(&world, "?provider=reports").await, (vec!["reports".into()], Value::Null));
    assert_eq!(page(&world, "?provider=reports&after=reports").await, (vec![], Value::Null));
    assert_eq!(page(&world, "?provider=fixed&state=expired").await, (vec![], Value::Null));
    world.end().await;
}

#[tokio::test]
async fn a_page_has_a_hundred_keys_unless_asked_otherwise() {
    let world = Setup::open().start().await;
    obtain_300(&world).await;
    assert_eq!(page(&world, "").await.0.len(), 100);
    assert_eq!(page(&world, "?limit=1000").await.0.len(), 303);
    world.end().await;
}
