//! `POST /llm/v1/chat/completions`: a language model in the form that `OpenAI`'s clients speak, whole or streamed.
//!
//! It says the same whatever it is asked, as many words as `max_tokens` allows, over and over. A token is looked at when
//! a request comes, as APIs do: an answer that has begun is told to its end, whatever becomes of the token meanwhile.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer::{Good, TEXT, answer, respond},
    api,
};
use crate::{arrivals::Outcome, traffic::Shared};

/// What it looks at of a request; clients send much more.
#[derive(Deserialize)]
struct Question {
    model: String,
    #[serde(default)]
    stream: bool,
    max_tokens: Option<usize>,
}

pub(crate) async fn chat(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let condition = shared.arrive_at_api();
    let question: Question = match serde_json::from_slice(&body) {
        Ok(question) => question,
        Err(error) => return respond(StatusCode::BAD_REQUEST, TEXT, format!("no chat completion: {error}\n")),
    };
    let words = question.max_tokens.unwrap_or(USUAL_WORDS).min(MOST_WORDS);
    let work = || {
        api::admit(&shared, &headers)?;
        Ok(Good { object: whole(&question.model, words), token_member: None })
    };
    let (mut response, outcome) = answer(condition, work).await;
    if question.stream && outcome == Outcome::Issued {
        *response.body_mut() = streamed(question.model, words);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    }
    response
}

fn whole(model: &str, words: usize) -> Map<String, Value> {
    let said: Vec<_> = said(words).collect();
    let choice =
        json!({ "index": 0, "message": { "role": "assistant", "content": said.concat() }, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 0, "completion_tokens": words, "total_tokens": words });
    Map::from_iter([
        ("id".to_owned(), ID.into()),
        ("object".to_owned(), "chat.completion".into()),
        ("created".to_owned(), 0.into()),
        ("model".to_owned(), model.into()),
        ("choices".to_owned(), json!([choice])),
        ("usage".to_owned(), usage),
    ])
}

/// Server-sent events, one for each word and one for the end.
fn streamed(model: String, words: usize) -> Body {
    let said = said(words).map(|word| json!({ "index": 0, "delta": { "content": word }, "finish_reason": null }));
    let end = json!({ "index": 0, "delta": {}, "finish_reason": "stop" });
    let events = said.chain([end]).map(move |choice| {
        json!({
            "id": ID, "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice],
        })
        .to_string()
    });
    let events = events.chain(["[DONE]".to_owned()]).map(|event| format!("data: {event}\n\n"));
    Body::from_stream(stream::unfold(events, async |mut events| {
        let event = events.next()?;
        tokio::time::sleep(PAUSE).await;
        Some((Ok::<_, Infallible>(event), events))
    }))
}

/// So many words, each but the first with the space before it.
fn said(words: usize) -> impl Iterator<Item = String> + Send {
    let all = ANSWER.split_whitespace().cycle().take(words);
    all.enumerate().map(|(at, word)| if at == 0 { word.to_owned() } else { format!(" {word}") })
}

const ID: &str = "chatcmpl-sandbox";
const ANSWER: &str = "As a model of few words I am well and hope that you are too.";
const USUAL_WORDS: usize = 15;
const MOST_WORDS: usize = 10_000;
/// Before each event of a stream.
const PAUSE: Duration = Duration::from_millis(50);
