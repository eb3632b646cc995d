//! Sends a request and reads its answer: bounded, in time, and with errors that show no URL.

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::{ClientError, innermost};
use super::server_url::ServerUrl;
use crate::{Problem, headers};

/// The way to a broker.
#[derive(Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    server: ServerUrl,
    timeout: Duration,
}

impl Transport {
    pub(super) fn new(http: reqwest::Client, server: ServerUrl, timeout: Duration) -> Self {
        Self { http, server, timeout }
    }

    pub(super) fn server(&self) -> &ServerUrl {
        &self.server
    }

    /// The URL of a path of these segments.
    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, ClientError> {
        // A URL has no segments of these names, however they are encoded: it would be another route.
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(ClientError::Invalid("that is no key; write NAME or NAME:ACCOUNT".to_owned()));
        }
        let mut url = self.server.base().clone();
        match url.path_segments_mut() {
            Ok(mut path) => _ = path.pop_if_empty().extend(segments),
            Err(()) => return Err(ClientError::Invalid("the server has no paths".to_owned())),
        }
        Ok(url)
    }

    /// The URL of a path with its query, taken as it is, below these segments.
    pub(super) fn url_below(&self, segments: &[&str], path: &str) -> Result<Url, ClientError> {
        let below = self.url(segments)?;
        let root = format!("{}/", below.path());
        let path = path.strip_prefix('/').unwrap_or(path);
        let url = Url::parse(&format!("{below}/{path}")).ok();
        let url = url.filter(|url| url.path().starts_with(&root) && url.fragment().is_none());
        url.ok_or_else(|| ClientError::Invalid("the path leads away from where it begins".to_owned()))
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request and reads what was asked for. `patience` is how long the broker may wait for an
    /// issuer meanwhile.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let response = self.send(self.in_time(request, patience)).await?;
        self.read(response).await
    }

    /// The same where the answer with one status that is no success has the same form.
    pub(super) async fn json_also_with<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        status: u16,
    ) -> Result<T, ClientError> {
        let response = self.exchange(self.in_time(request, NOBODY)).await?;
        let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
        if response.status().is_success() || (response.status() == status && !is_problem) {
            self.read(response).await
        } else {
            Err(self.refusal(response).await)
        }
    }

    /// Sends a request that is answered by nothing but success.
    pub(super) async fn done(&self, request: RequestBuilder) -> Result<(), ClientError> {
        self.send(self.in_time(request, NOBODY)).await.map(drop)
    }

    /// Sends a request whose answer is its head.
    pub(super) async fn headers(&self, request: RequestBuilder) -> Result<HeaderMap, ClientError> {
        let mut response = self.send(self.in_time(request, ISSUER)).await?;
        Ok(std::mem::take(response.headers_mut()))
    }

    /// Sends a request whose answer goes on; only its beginning must come in time.
    pub(super) async fn open(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let opened = tokio::time::timeout(self.timeout, self.send(request)).await;
        opened.unwrap_or_else(|_| Err(self.interrupted("the time was over")))
    }

    pub(super) fn unexpected(&self, response: &Response) -> ClientError {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        ClientError::Unexpected { server: self.server.to_string(), status: response.status().as_u16(), retry_after }
    }

    fn in_time(&self, request: RequestBuilder, patience: Duration) -> RequestBuilder {
        let whole = self.timeout.saturating_add(patience);
        request.header(ACCEPT, "application/json").timeout(whole)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = self.exchange(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request.send().await.map_err(|error| {
            let cause = innermost(&error);
            if error.is_builder() {
                ClientError::Invalid(format!("that cannot be asked: {cause}"))
            } else if error.is_connect() {
                ClientError::Unreachable { server: self.server.to_string(), cause }
            } else {
                self.interrupted(&cause)
            }
        })
    }

    async fn read<T: DeserializeOwned>(&self, mut response: Response) -> Result<T, ClientError> {
        let body = self.body(&mut response).await?;
        serde_json::from_slice(&body).map_err(|_| self.unexpected(&response))
    }

    /// What an answer that is no success says.
    async fn refusal(&self, mut response: Response) -> ClientError {
        let status = response.status().as_u16();
        match self.body(&mut response).await {
            Err(error) => error,
            Ok(body) => match serde_json::from_slice::<Problem>(&body) {
                Ok(problem) => ClientError::Answered { status, problem },
                Err(_) => problem_in_head(&response)
                    .map_or_else(|| self.unexpected(&response), |problem| ClientError::Answered { status, problem }),
            },
        }
    }

    async fn body(&self, response: &mut Response) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.interrupted(&innermost(&error)))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(self.unexpected(response));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn interrupted(&self, cause: &str) -> ClientError {
        ClientError::Interrupted { server: self.server.to_string(), cause: cause.to_owned() }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("server", &self.server.to_string())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What an answer without a body says in one word.
fn problem_in_head(response: &Response) -> Option<Problem> {
    let word = response.headers().get(headers::PROBLEM)?.to_str().ok()?;
    let code = serde_json::from_value(word.into()).ok()?;
    let (title, detail) = (word.to_owned(), format!("the broker says {word}"));
    Some(Problem { code, title, detail, key: None, retry_after: None })
}

/// Adds a body. A body of this crate's types is always JSON.
pub(super) fn with_json(request: RequestBuilder, body: &impl Serialize) -> RequestBuilder {
    request.header(CONTENT_TYPE, "application/json").body(serde_json::to_vec(body).unwrap_or_default())
}

/// For what is answered at once.
pub(super) const NOBODY: Duration = Duration::ZERO;
/// So long a broker may talk to an issuer: longer than any flight is configured to take.
pub(super) const ISSUER: Duration = Duration::from_mins(5);
/// In bytes; more than the longest page.
const MAX_BODY: usize = 16 * 1024 * 1024;
const PROBLEM: &str = "application/problem+json";

#[cfg(test)]
mod tests {
    use super::super::Client;
    use super::*;

    fn transport(server: &str) -> Transport {
        Client::new(server).unwrap().transport
    }

    #[test]
    fn a_key_is_one_segment_whatever_it_holds_and_never_another_route() {
        let transport = transport("http://127.0.0.1:1/below/");
        for (key, path) in [
            ("graph", "/below/tokens/graph/status"),
            ("a:b/c", "/below/tokens/a:b%2Fc/status"),
            ("a?b#c%2e", "/below/tokens/a%3Fb%23c%252e/status"),
        ] {
            assert_eq!(transport.url(&["tokens", key, "status"]).unwrap().path(), path);
        }
        for key in ["", ".", ".."] {
            assert!(matches!(transport.url(&["tokens", key]), Err(ClientError::Invalid(_))), "{key:?}");
        }
    }

    #[test]
    fn a_path_below_a_key_stays_there() {
        let transport = transport("unix:/run/x.sock");
        let below = |path: &str| transport.url_below(&["proxy", "graph"], path).map(|url| url.to_string());
        assert_eq!(below("/users?top=1&q=%2F").unwrap(), "http://localhost/proxy/graph/users?top=1&q=%2F");
        assert_eq!(below("a/../b").unwrap(), "http://localhost/proxy/graph/b");
        assert_eq!(below("").unwrap(), "http://localhost/proxy/graph/");
        for path in ["/..", "../other/users", "/../../tokens/graph", "\\..\\..\\tokens", "%2e%2e/other", "a#b"] {
            assert!(matches!(below(path), Err(ClientError::Invalid(_))), "{path}");
        }
    }

    #[test]
    fn debug_of_a_client_shows_where_and_not_as_whom() {
        let client = Client::builder("https://broker.example").api_key(super::super::ApiKey::new("s3cret"));
        let shown = format!("{client:?} {:?}", client.clone().build().unwrap());
        assert!(shown.contains("https://broker.example") && !shown.contains("s3cret"), "{shown}");
    }
}
