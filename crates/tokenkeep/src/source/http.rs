//! One HTTP client for all issuers: no redirects, no retries, bounded bodies, and errors without URLs.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use url::Url;
use zeroize::Zeroizing;

use super::token_response::MAX_BODY;
use super::turn::Turn;
use crate::clock::Clock;
use crate::provider::is_loopback;

/// Sends requests to issuers. Clones share their connections.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Clients>);

struct Clients {
    clock: Arc<dyn Clock>,
    /// For issuers on this machine: no proxy, and no CA certificates, which take longer to load than a token to find.
    loopback: OnceLock<Result<reqwest::Client, String>>,
    /// For all others: the system's CA certificates, and the proxy that the environment names.
    network: OnceLock<Result<reqwest::Client, String>>,
}

/// What came back, whole.
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    #[cfg_attr(not(feature = "config"), expect(dead_code, reason = "only logins look for something there"))]
    pub(super) headers: HeaderMap,
    /// The issuer's own time, if it said.
    pub(super) date: Option<SystemTime>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl HttpClient {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Clients { clock, loopback: OnceLock::new(), network: OnceLock::new() }))
    }

    /// The client for this address, made when it is needed first.
    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let client = if url.scheme() == "http" && url.host_str().is_some_and(is_loopback) {
            self.0.loopback.get_or_init(|| built(builder().no_proxy().tls_certs_only([])))
        } else {
            self.0.network.get_or_init(|| built(builder()))
        };
        client.as_ref().map_err(Clone::clone)
    }

    /// Posts a form. The error says in a lowercase fragment what happened, to be read after the host's name.
    pub(super) async fn post_form(
        &self,
        url: &Url,
        authorization: Option<HeaderValue>,
        form: &Zeroizing<String>,
        turn: Option<&Turn>,
    ) -> Result<HttpAnswer, String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        self.send(Method::POST, url, headers, form.as_bytes(), turn).await
    }

    /// The time that a host tells, if it does, whatever it thinks of the request, which holds no more than an address.
    pub(super) async fn date_at(&self, origin: &Url) -> Result<Option<SystemTime>, String> {
        let request = self.client_for(origin)?.head(origin.clone());
        let response = request.send().await.map_err(|error| describe(&error))?;
        Ok(date(response.headers()))
    }

    /// Sends a request, unless the turn is over when its first byte would be sent: connecting takes time, and nobody can
    /// take a request back. The error is that of [`Self::post_form`].
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: &[u8],
        turn: Option<&Turn>,
    ) -> Result<HttpAnswer, String> {
        let mut request = self.client_for(url)?.request(method.clone(), url.clone()).headers(headers);
        if method != Method::GET {
            let content = Bytes::copy_from_slice(body);
            request = request.body(match turn {
                Some(turn) => reqwest::Body::wrap(InTurn { content: Full::new(content), turn: turn.clone() }),
                None => content.into(),
            });
        }
        let mut response = request.send().await.map_err(|error| describe(&error))?;
        let status = response.status();
        let (date, retry_after) = (date(response.headers()), self.retry_after(response.headers()));
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let broken = match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BODY => {
                    body.extend_from_slice(&chunk);
                    continue;
                }
                Ok(Some(_)) => "answered with more than 1 MiB".to_owned(),
                Err(error) => describe(&error),
            };
            // These say all that matters in their head.
            if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
                body.clear();
                break;
            }
            return Err(broken);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(HttpAnswer { status, headers, date, retry_after, body })
    }

    /// RFC 9110 section 10.2.3: seconds, or a date, which is taken relative to the answer's own `Date` because the
    /// issuer's clock may differ from this one.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = text(headers, &RETRY_AFTER)?;
        if let Ok(seconds) = text.parse::<f64>() {
            return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        }
        let until = httpdate::parse_http_date(text).ok()?;
        let now = date(headers).or_else(|| self.0.clock.now().to_system_time()).unwrap_or(SystemTime::UNIX_EPOCH);
        Some(until.duration_since(now).unwrap_or_default())
    }
}

/// A body that breaks its request off if that would begin too late.
struct InTurn {
    content: Full<Bytes>,
    turn: Turn,
}

impl Body for InTurn {
    type Data = Bytes;
    type Error = io::Error;

    // Read for the first time when there is a connection; over HTTP/1.1 the head is sent together with what comes of it.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.content.is_end_stream() && !self.turn.may_begin() {
            return Poll::Ready(Some(Err(io::Error::other("its turn to ask was over"))));
        }
        let frame = ready!(Pin::new(&mut self.content).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})))
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, &DATE).and_then(|text| httpdate::parse_http_date(text).ok())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| format!("cannot be asked: {}; are CA certificates installed?", innermost(&error)))
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .user_agent(concat!("tokenkeep/", env!("CARGO_PKG_VERSION")))
}

/// In words for a person, without the URL, whose query could hold a secret.
fn describe(error: &reqwest::Error) -> String {
    let cause = innermost(error);
    if error.is_connect() {
        format!("cannot be reached: {cause}")
    } else if error.is_body() || error.is_decode() {
        format!("broke off its answer: {cause}")
    } else {
        format!("did not answer: {cause}")
    }
}

/// The first cause, which says most; the ones around it repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = "connection failed".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    if text == NO_TLS { "what listens there does not speak TLS".to_owned() } else { text }
}

/// What rustls says of an answer that is none of TLS.
const NO_TLS: &str = "received corrupt message of type InvalidContentType";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections are not kept as long as issuers' load balancers do, which close them without a word.
const POOL_IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_request_whose_turn_is_over_when_it_has_a_connection_is_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
        let clock = Arc::new(SystemClock::new());
        let turn = Turn::new(Arc::clone(&clock) as Arc<dyn Clock>, clock.now());
        let sending = async {
            let http = HttpClient::new(clock);
            let form = Zeroizing::new("refresh_token=planted".to_owned());
            http.post_form(&url, None, &form, Some(&turn)).await.err().unwrap()
        };
        let receiving = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            connection.read_to_end(&mut received).await.unwrap();
            received
        };
        let (error, received) = tokio::join!(sending, receiving);
        assert_eq!(String::from_utf8(received).unwrap(), "");
        assert!(turn.was_missed(), "{error}");
    }
}
