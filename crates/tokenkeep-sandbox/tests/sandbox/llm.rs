//! The language model: what clients of it read, and whose tokens it takes.

use crate::{World, header_of, json_of, status_of};
use serde_json::{Value, json};

const SAID: &str = "As a model of few words I am well and hope that you are too. As a";

#[tokio::test]
async fn an_answer_is_whole_or_comes_word_by_word_as_the_request_wants_it() {
    let world = World::start().await;
    let token = world.access_token("reports").await;
    let ask = |stream: bool| {
        let question = json!({ "model": "any", "messages": [], "max_tokens": 17, "stream": stream });
        let url = format!("{}/v1/chat/completions", world.sandbox.llm_url());
        world.http.post(url).bearer_auth(&token).json(&question)
    };
    let whole = json_of(ask(false)).await;
    assert_eq!((&whole["object"], &whole["model"]), (&json!("chat.completion"), &json!("any")));
    assert_eq!(whole["choices"][0]["message"]["content"], SAID);

    let streamed = ask(true).send().await.unwrap();
    assert_eq!(header_of(&streamed, "content-type"), "text/event-stream");
    let events = streamed.text().await.unwrap();
    let events: Vec<&str> =
        events.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    let (end, chunks) = events.split_last().unwrap();
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let words: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((words.len(), words.concat().as_str(), *end), (17, SAID, "[DONE]"));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert_eq!(world.sandbox.counters_of("reports").api_served, 2);
}

#[tokio::test]
async fn a_token_that_is_revoked_begins_no_answer() {
    let world = World::start().await;
    let token = world.access_token("reports").await;
    world.sandbox.revoke_all();
    let url = format!("{}/v1/chat/completions", world.sandbox.llm_url());
    let question = json!({ "model": "any", "stream": true });
    assert_eq!(status_of(world.http.post(&url).bearer_auth(&token).json(&question)).await, 401);
    assert_eq!(world.sandbox.counters_of("reports").api_refused, 1);
    assert_eq!(status_of(world.http.post(url).bearer_auth(token).body("hello")).await, 400);
}
