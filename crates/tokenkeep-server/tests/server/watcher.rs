//! A client of `GET /tokens/{key}/watch` that reads what comes, event by event.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokenkeep::{Accounts, SourceSettings};

use crate::fakes::Counting;
use crate::world::{Setup, World};

/// Reads one answer.
pub(crate) struct Watcher {
    response: Response,
    buffer: String,
}

/// What comes in one piece.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Token { id: String, token: Value },
    Problem(Value),
    Retry(u64),
    Comment,
}

impl Watcher {
    pub(crate) async fn open(world: &World, key: &str) -> Self {
        Self::of(world.ask(&format!("/tokens/{key}/watch"))).await
    }

    /// One that has seen an event already.
    pub(crate) async fn resume(world: &World, key: &str, id: &str) -> Self {
        Self::of(world.ask(&format!("/tokens/{key}/watch")).header("last-event-id", id)).await
    }

    pub(crate) async fn of(request: RequestBuilder) -> Self {
        // Longer than a test takes, on its own clock.
        let response = request.timeout(Duration::from_hours(24)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut watcher = Self { response, buffer: String::new() };
        let Some(Event::Retry(millis)) = watcher.piece().await else { panic!("no `retry` comes first") };
        assert!((1_000..=5_000).contains(&millis));
        watcher
    }

    pub(crate) fn header(&self, name: HeaderName) -> &str {
        let headers: &HeaderMap = self.response.headers();
        headers[name].to_str().unwrap()
    }

    /// Whatever comes next; `None` at the end.
    pub(crate) async fn piece(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.buffer.split_once("\n\n") {
                let event = parse(text);
                self.buffer = String::from(rest);
                return Some(event);
            }
            // Four times as long as a server is silent.
            let chunk = tokio::time::timeout(Duration::from_mins(1), self.response.chunk()).await;
            let Some(bytes) = chunk.unwrap().unwrap() else {
                assert_eq!(self.buffer, "", "the last event is whole");
                return None;
            };
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            match self.piece().await {
                Some(Event::Comment) => {}
                event => return event,
            }
        }
    }

    /// The next event, which is a token.
    pub(crate) async fn token(&mut self) -> Value {
        match self.event().await {
            Some(Event::Token { token, .. }) => token,
            other => panic!("no token but {other:?}"),
        }
    }

    /// The next event, which is a problem.
    pub(crate) async fn problem(&mut self) -> Value {
        match self.event().await {
            Some(Event::Problem(problem)) => problem,
            other => panic!("no problem but {other:?}"),
        }
    }

    /// The generation of the next token.
    pub(crate) async fn generation(&mut self) -> u64 {
        self.token().await["generation"].as_u64().unwrap()
    }
}

/// A server whose provider `counting` has any account and is renewed ahead.
pub(crate) fn counting(setup: Setup, padding: usize) -> (Setup, Arc<Counting>) {
    let source = Arc::new(Counting { padding, ..Counting::default() });
    let settings = SourceSettings::default().with_accounts(Accounts::Any);
    let manager = setup.manager.source("counting", Arc::<Counting>::clone(&source), settings);
    (Setup { manager, ..setup }, source)
}

fn parse(text: &str) -> Event {
    let fields: Vec<(&str, &str)> = text
        .lines()
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name, value.trim_start()))
        .collect();
    let json = |text: &str| serde_json::from_str(text).unwrap();
    match fields[..] {
        [("event", "token"), ("id", id), ("data", data)] => Event::Token { id: id.to_owned(), token: json(data) },
        [("event", "problem"), ("data", data)] => Event::Problem(json(data)),
        [("retry", millis)] => Event::Retry(millis.parse().unwrap()),
        [("", _)] => Event::Comment,
        _ => panic!("no event: {text:?}"),
    }
}
