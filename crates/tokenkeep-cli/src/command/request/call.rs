//! What is sent, and to whom.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use reqwest::{Client, Method, Response, Url};
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
            .read_timeout(timeout)
            .user_agent(concat!("tokenkeep/", env!("CARGO_PKG_VERSION")));
        // On this machine there is no proxy, and CA certificates would only take time to load.
        let builder = if base.is_local() { builder.no_proxy().tls_certs_only([]) } else { builder };
        let client = builder.build().map_err(|error| Failure::internal("cannot send requests", &innermost(&error)))?;
        Ok(Self { client, host: base.host(), url, timeout })
    }

    /// Sends a request with this header that carries the token; comes back when the head of the answer is there.
    pub(super) async fn send(&self, call: &Call, token: (HeaderName, HeaderValue)) -> Result<Response, Failure> {
        let mut headers = call.headers.clone();
        headers.insert(token.0, token.1);
        let mut request = self.client.request(call.method.clone(), self.url.clone()).headers(headers);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let answer = request.send().await;
        answer.map_err(|error| {
            if error.is_timeout() {
                let what = format!("{} did not answer within {}", self.host, duration::short(self.timeout));
                let error = Error::new(Code::Unavailable, what);
                return Failure::Error(error.with_next("try again, or allow a longer --timeout"));
            }
            unavailable(&self.host, if error.is_connect() { "cannot be reached" } else { "did not answer" }, &error)
        })
    }
}

/// A method of HTTP, in capitals.
pub(super) fn method(text: &str) -> Result<Method, String> {
    match Method::from_bytes(text.to_ascii_uppercase().as_bytes()) {
        Ok(method) if method != Method::CONNECT => Ok(method),
        _ => Err("write e.g. GET or POST".to_owned()),
    }
}

/// The answer ended before its end.
pub(super) fn broken_off(error: &reqwest::Error, base: &ApiBase) -> Failure {
    unavailable(&base.host(), "broke off its answer", error)
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
