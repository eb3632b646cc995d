//! What is sent, and to whom.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::de::IgnoredAny;
use tokenkeep::provider::ApiBase;
use tokenkeep::{Code, Error};

use crate::duration;
use crate::exit::Failure;

/// A request but for its token. It can be sent several times.
pub(super) struct Call {
    method: Method,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Reads headers and body; `@PATH` and `@-` are read whole.
    pub(super) fn new(
        method: Method,
        headers: &[String],
        data: Option<&str>,
        json: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut sent = HeaderMap::new();
        for text in headers {
            let (name, value) = header(text)?;
            sent.append(name, value);
        }
        let body = data.or(json).map(read).transpose()?;
        if let (Some(body), true) = (&body, json.is_some()) {
            if serde_json::from_slice::<IgnoredAny>(body).is_err() {
                return Err(Failure::usage("what --json gives is no JSON", "send it with --data, or mend it"));
            }
            for name in [CONTENT_TYPE, ACCEPT] {
                sent.entry(name).or_insert(HeaderValue::from_static("application/json"));
            }
        }
        Ok(Self { method, headers: sent, body })
    }

    pub(super) fn method(&self) -> Method {
        self.method.clone()
    }

    /// Whether it has a header of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// Puts its headers and its body into a request.
    pub(super) fn fill(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.headers(self.headers.clone());
        match &self.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }
}

/// An address of an API, and the way there.
pub(super) struct Api {
    client: Client,
    host: String,
    url: Url,
    timeout: Duration,
}

impl Api {
    /// Connects to nothing yet. `timeout` is for the beginning of an answer, and for each pause in it.
    pub(super) fn new(base: &ApiBase, url: Url, timeout: Duration) -> Result<Self, Failure> {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // The body is printed as it comes.
            .no_gzip()
            .connect_timeout(timeout)
            .user_agent(concat!("tokenkeep/", env!("CARGO_PKG_VERSION")));
        // On this machine there is no proxy, and CA certificates would only take time to load.
        let builder = if base.is_local() { builder.no_proxy().tls_certs_only([]) } else { builder };
        let client = builder.build().map_err(|error| Failure::internal("cannot send requests", &innermost(&error)))?;
        Ok(Self { client, host: base.host(), url, timeout })
    }

    /// Sends a request with this header that carries the token; comes back when the head of the answer is there.
    pub(super) async fn send(
        &self,
        call: &Call,
        (name, value): (HeaderName, HeaderValue),
    ) -> Result<Response, Failure> {
        let request = call.fill(self.client.request(call.method(), self.url.clone())).header(name, value);
        head(request, &self.host, self.timeout).await
    }
}

/// Sends a request; comes back when the head of the answer is there.
pub(super) async fn head(request: RequestBuilder, host: &str, timeout: Duration) -> Result<Response, Failure> {
    match tokio::time::timeout(timeout, request.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) if !error.is_timeout() => {
            Err(unavailable(host, if error.is_connect() { "cannot be reached" } else { "did not answer" }, &error))
        }
        _ => {
            let error =
                Error::new(Code::Unavailable, format!("{host} did not answer within {}", duration::short(timeout)));
            Err(Failure::Error(error.with_next("try again, or allow a longer --timeout")))
        }
    }
}

/// The next piece of a body; `None` at its end.
pub(super) async fn piece(
    response: &mut Response,
    host: &str,
    timeout: Duration,
) -> Result<Option<impl Deref<Target = [u8]> + use<>>, Failure> {
    let piece = tokio::time::timeout(timeout, response.chunk()).await;
    let piece = piece.map_err(|_| {
        let what = format!("{host} broke off its answer: nothing came for {}", duration::short(timeout));
        Failure::Error(Error::new(Code::Unavailable, what).with_next("try again, or allow a longer --timeout"))
    });
    piece?.map_err(|error| unavailable(host, "broke off its answer", &error))
}

/// A method of HTTP, in capitals.
pub(super) fn method(text: &str) -> Result<Method, String> {
    match Method::from_bytes(text.to_ascii_uppercase().as_bytes()) {
        Ok(method) if method != Method::CONNECT => Ok(method),
        _ => Err("write e.g. GET or POST".to_owned()),
    }
}

fn unavailable(host: &str, what: &str, error: &reqwest::Error) -> Failure {
    let error = Error::new(Code::Unavailable, format!("{host} {what}: {}", innermost(error)));
    Failure::Error(error.with_next("look whether api_base is right and the API is up, then try again"))
}

/// The first cause, which says most; the ones around it repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = "connection failed".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

/// Its value is not repeated in errors: it may be a secret.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let (name, value) = text.split_once(':').unwrap_or_default();
    let Ok(name) = HeaderName::from_bytes(name.trim().as_bytes()) else {
        return Err(Failure::usage("a --header has no name", "write e.g. --header 'Accept: text/csv'"));
    };
    if RESERVED.contains(&name) {
        return Err(Failure::usage(format!("the header {name} is set by tokenkeep"), "leave it out"));
    }
    let Ok(mut value) = HeaderValue::from_str(value.trim()) else {
        return Err(Failure::usage(format!("the header {name} holds control characters"), "leave them out"));
    };
    value.set_sensitive(true);
    Ok((name, value))
}

fn read(body: &str) -> Result<Vec<u8>, Failure> {
    let Some(name) = body.strip_prefix('@') else { return Ok(body.as_bytes().to_vec()) };
    let read = if name == "-" { read_whole(io::stdin().lock()) } else { File::open(name).and_then(read_whole) };
    let shown = if name == "-" { "stdin" } else { name };
    let bytes = read.map_err(|error| {
        Failure::usage(format!("cannot read the body from {shown}: {error}"), "name a file after @, or - for stdin")
    })?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(Failure::usage(
            format!("the body is longer than {} MiB", MAX_BODY / 1024 / 1024),
            "send less at once; it is kept in memory to be sent again",
        ));
    }
    Ok(bytes)
}

fn read_whole(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BODY + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What decides to whom a request goes, for whom, and where it ends.
const RESERVED: [HeaderName; 5] = [AUTHORIZATION, HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];

/// The longest body that is sent, in bytes.
const MAX_BODY: u64 = 64 * 1024 * 1024;
