//! `subscribe`: each token once, over as many connections as are needed.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokenkeep_api::ProblemCode;
use tokenkeep_api::client::{Client, WatchEvent};

use super::client;
use super::scripted::{Scripted, answer, events, problem};
use crate::secrets::API_KEY;
use crate::world::{Setup, caller, settings};

/// A token with this id.
fn token(id: &str, generation: u64, text: &str) -> String {
    let token = json!({
        "key": "graph", "access_token": text, "token_type": "Bearer", "expires_in": null, "expires_at": null,
        "scope": null, "generation": generation, "warnings": [],
    });
    format!("id: {id}\nevent: token\ndata: {token}\n\n")
}

#[tokio::test]
async fn each_token_comes_once_however_often_the_connection_breaks() {
    let broker = Scripted::start([
        events(&format!("retry: 0\n\n{}: \n\n{}", token("1-a", 1, "one"), token("2-a", 2, "two"))),
        // It was cut off in the middle of a token.
        events(&format!("retry: 0\n\n{}", &token("3-a", 3, "three")[..40])),
        // It was started anew: the ids are others, the token is the same, and generations may be counted anew.
        events(&format!("retry: 0\n\n{}{}", token("2-b", 2, "two"), token("1-b", 1, "another one"))),
    ])
    .await;
    let mut tokens = Client::new(&broker.url).unwrap().subscribe("graph");
    for expected in ["one", "two", "another one"] {
        assert_eq!(tokens.next().await.unwrap().unwrap().access_token, expected);
    }
    let last_ids: Vec<_> = broker
        .heads()
        .iter()
        .map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: ").map(ToOwned::to_owned)))
        .collect();
    assert_eq!(last_ids, [None, Some("2-a".to_owned()), Some("2-a".to_owned())]);
}

#[tokio::test]
async fn trouble_that_mends_is_sat_out() {
    let broker = Scripted::start([
        answer("503 Service Unavailable", "application/problem+json", &problem("unavailable", Some(0))),
        events(&format!("retry: 0\n\nevent: problem\ndata: {}\n\n", problem("refused", None))),
        events(&format!("event: news\ndata: of a newer broker\n\n{}", token("1", 1, "one"))),
    ])
    .await;
    let mut tokens = Client::new(&broker.url).unwrap().subscribe("graph");
    assert_eq!(StreamExt::next(&mut tokens).await.unwrap().unwrap().access_token, "one");
    assert_eq!(broker.heads().len(), 3);
}

#[tokio::test]
async fn a_subscription_ends_at_what_does_not_mend() {
    for (code, status) in
        [("unauthenticated", "401 Unauthorized"), ("forbidden", "403 Forbidden"), ("unknown_key", "404 Not Found")]
    {
        let problem = problem(code, None);
        for answer in [
            answer(status, "application/problem+json", &problem),
            events(&format!("event: problem\ndata: {problem}\n\n")),
        ] {
            let broker = Scripted::start([answer]).await;
            let mut tokens = Client::new(&broker.url).unwrap().subscribe("graph");
            assert_eq!(tokens.next().await.unwrap().unwrap_err().code().as_str(), code);
            assert!(tokens.next().await.is_none());
            assert!(StreamExt::next(&mut tokens).await.is_none());
        }
    }
}

#[tokio::test]
async fn a_subscriber_of_a_running_server_has_the_present_token_each_new_one_and_the_end_of_its_permission() {
    let world = Setup::keyed().start().await;
    let client = client(&world);
    let mut tokens = client.subscribe("reports");
    for generation in 1..=3 {
        let token = tokens.next().await.unwrap().unwrap();
        assert_eq!((&*token.key, token.generation), ("reports", generation));
        world.clock.advance(Duration::from_secs(2));
        client.refresh("reports").await.unwrap();
    }
    assert_eq!(tokens.next().await.unwrap().unwrap().generation, 4);
    let few = format!("[server]\n{}", caller("all", API_KEY, "\"fixed\"", "\"get\""));
    world.control.reload(&settings(&few).await);
    assert_eq!(tokens.next().await.unwrap().unwrap_err().code(), ProblemCode::UnknownKey);
    assert!(tokens.next().await.is_none());
    assert_eq!(world.sandbox.counters_of("reports").token_requests, 4);
    world.end().await;
}

#[tokio::test]
async fn whoever_watches_one_connection_hears_of_problems_and_where_it_ended() {
    let problem = format!("event: problem\ndata: {}\n\n", problem("refused", None));
    let broker = Scripted::start([events(&format!("{problem}{}", token("1-a", 1, "one")))]).await;
    let mut watch = Client::new(&broker.url).unwrap().watch("graph", Some("0-a")).await.unwrap();
    assert_eq!(watch.last_event_id(), Some("0-a"));
    let told = watch.next().await.unwrap();
    assert!(matches!(told, Some(WatchEvent::Problem(problem)) if problem.code == ProblemCode::Refused));
    assert!(matches!(watch.next().await.unwrap(), Some(WatchEvent::Token(token)) if token.generation == 1));
    assert_eq!(watch.last_event_id(), Some("1-a"));
    assert_eq!(watch.next().await.unwrap(), None);
}
