//! What a broker tells of a key over one connection.

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response};

use super::error::{ClientError, innermost};
use super::events::EventReader;
use super::transport::Transport;
use crate::{Problem, TokenAnswer};

/// What a broker tells of a key that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// The token to use from now on.
    Token(TokenAnswer),
    /// Why there is none at present.
    Problem(Problem),
}

/// A connection over which a broker tells of a key; see [`super::Client::watch`].
pub struct Watch {
    transport: Transport,
    response: Response,
    events: EventReader,
    last_event_id: Option<String>,
    is_alive: bool,
}

impl Watch {
    pub(super) async fn open(transport: &Transport, key: &str, after: Option<&str>) -> Result<Self, ClientError> {
        let url = transport.url(&["tokens", key, "watch"])?;
        let mut request = transport.request(Method::GET, url).header(ACCEPT, EVENT_STREAM);
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = transport.open(request).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with(EVENT_STREAM) {
            return Err(transport.unexpected(&response));
        }
        let (transport, last_event_id) = (transport.clone(), after.map(ToOwned::to_owned));
        Ok(Self { transport, response, events: EventReader::default(), last_event_id, is_alive: false })
    }

    /// What comes next; `None` when the broker ends the connection. A connection over which nothing comes for three times
    /// as long as a broker is ever silent is taken for a dead one. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<WatchEvent>, ClientError> {
        loop {
            while let Some(event) = self.events.next() {
                let told = match &*event.kind {
                    TOKEN => serde_json::from_str(&event.data).map(WatchEvent::Token),
                    PROBLEM => serde_json::from_str(&event.data).map(WatchEvent::Problem),
                    // A newer broker may tell more.
                    _ => continue,
                };
                self.last_event_id = event.id.or(self.last_event_id.take());
                return told.map(Some).map_err(|_| self.transport.unexpected(&self.response));
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| self.transport.interrupted("it has been silent for too long"))?;
            match chunk.map_err(|error| self.transport.interrupted(&innermost(&error)))? {
                None => return Ok(None),
                Some(bytes) => {
                    self.is_alive = true;
                    self.events.push(&bytes).map_err(|_| self.transport.unexpected(&self.response))?;
                }
            }
        }
    }

    /// What [`super::Client::watch`] takes to go on after the last event.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// Whether anything has come, a sign of life included.
    pub(super) fn is_alive(&self) -> bool {
        self.is_alive
    }

    /// After how long the broker wants to be asked again when the connection ends.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.events.retry()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("transport", &self.transport).finish_non_exhaustive()
    }
}

const EVENT_STREAM: &str = "text/event-stream";
const TOKEN: &str = "token";
const PROBLEM: &str = "problem";
/// A broker gives a sign of life every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
