//! The tokens of a key over one connection.

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response};

use super::error::{ClientError, innermost};
use super::events::EventReader;
use super::transport::Transport;
use crate::TokenAnswer;

/// A connection over which the tokens of a key come; see [`super::Client::watch`].
pub struct Watch {
    transport: Transport,
    response: Response,
    events: EventReader,
    /// Whether anything has come, a sign of life included.
    pub(super) is_alive: bool,
}

impl Watch {
    pub(super) async fn open(transport: &Transport, key: &str, after: Option<u64>) -> Result<Self, ClientError> {
        let url = transport.url(&["tokens", key, "watch"])?;
        let mut request = transport.request(Method::GET, url).header(ACCEPT, EVENT_STREAM);
        if let Some(generation) = after {
            request = request.header("last-event-id", generation);
        }
        let response = transport.open(request).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with(EVENT_STREAM) {
            return Err(transport.unexpected(&response));
        }
        Ok(Self { transport: transport.clone(), response, events: EventReader::default(), is_alive: false })
    }

    /// The next token; `None` when the broker ends the connection. A connection over which nothing comes for three times
    /// as long as a broker is ever silent is taken for a dead one. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<TokenAnswer>, ClientError> {
        loop {
            while let Some(event) = self.events.next() {
                if event.kind == TOKEN {
                    let token = serde_json::from_str(&event.data);
                    return token.map(Some).map_err(|_| self.transport.unexpected(&self.response));
                }
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
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("transport", &self.transport).finish_non_exhaustive()
    }
}

const EVENT_STREAM: &str = "text/event-stream";
const TOKEN: &str = "token";
/// A broker gives a sign of life every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
