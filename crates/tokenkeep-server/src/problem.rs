//! The one form of every answer that is no success.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use tokenkeep::{Code, Error, Key};
use tokenkeep_api::{ProblemCode, headers};

use crate::activity::Exchange;
use crate::answer::seconds_up;

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Problem {
    /// That of the code, except where HTTP has a word of its own for the same thing: no such route, wrong method,
    /// too many requests.
    status: StatusCode,
    /// In a box: a problem is on its way through many functions that mostly have none.
    body: Box<tokenkeep_api::Problem>,
    /// The methods of a route that was asked with another one.
    allow: Option<&'static str>,
    /// Whether nothing else can come of its connection.
    ends_connection: bool,
}

impl Problem {
    /// The call must be changed; `detail` says how.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, detail.into())
    }

    /// Nothing tells who asks, or something wrong does: which of the two is not said.
    pub(crate) fn unauthenticated() -> Self {
        let detail = "no caller has this API key, user or certificate; \
                      send the key as X-API-Key or Authorization: Bearer";
        Self::new(Code::Unauthenticated, detail.to_owned())
    }

    /// Whoever is at the other end of this connection came while there were callers, and now there are none.
    pub(crate) fn outlasted(request: &Parts) -> Self {
        if let Some(exchange) = request.extensions.get::<Exchange>() {
            exchange.ends_connection();
        }
        let detail = "connect anew: the callers changed, and who is served is judged when a connection begins";
        Self { ends_connection: true, ..Self::new(Code::Unauthenticated, detail.to_owned()) }
    }

    /// Not from there.
    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::new(Code::Forbidden, detail.to_owned())
    }

    /// What stands in the place of a key.
    pub(crate) fn undecodable_key() -> Self {
        Self::invalid("the key in the path is not UTF-8, percent-encoded")
    }

    /// Nothing is at this path.
    pub(crate) fn no_route() -> Self {
        Self::invalid("there is no such route; /docs shows those that there are, /dashboard how the tokens are")
            .with_status(StatusCode::NOT_FOUND)
    }

    /// The route has other methods.
    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let problem = Self::invalid(format!("this route answers {allow} only"));
        Self { allow: Some(allow), ..problem }.with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// No route expects a body of this length.
    pub(crate) fn body_too_large() -> Self {
        Self::invalid("a body here has at most 64 KiB; send a smaller one").with_status(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The caller has made as many requests as it may; one more can be made after so long.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        let mut problem = Self::new(Code::Unavailable, "this caller makes more requests than it may".to_owned());
        problem.body.retry_after = Some(seconds_up(wait));
        // RFC 6585 section 4.
        problem.with_status(StatusCode::TOO_MANY_REQUESTS)
    }

    /// There is no such key, or the caller may not see it: which of the two is not said.
    pub(crate) fn unknown(key: &str) -> Self {
        Self::unknown_default().with_key(key)
    }

    /// The same of the default provider, which nobody has named.
    pub(crate) fn unknown_default() -> Self {
        Self::new(Code::UnknownKey, "there is no such key, or it is not for this caller".to_owned())
    }

    /// The caller may see the key, and not do this with it.
    pub(crate) fn not_allowed(key: &Key) -> Self {
        Self::forbidden("this caller may not do this; `allow` in its [[server.keys]] says what it may")
            .with_key(key.as_str())
    }

    /// The server does not do its work.
    pub(crate) fn not_ready(detail: &str) -> Self {
        Self::new(Code::Unavailable, detail.to_owned())
    }

    /// An API did not answer, or not in a way that could be passed on.
    pub(crate) fn bad_gateway(detail: String) -> Self {
        Self::new(Code::Unavailable, detail).with_status(StatusCode::BAD_GATEWAY)
    }

    /// An API did not answer in time.
    pub(crate) fn gateway_timeout(detail: String) -> Self {
        Self::new(Code::Unavailable, detail).with_status(StatusCode::GATEWAY_TIMEOUT)
    }

    /// The same without a time for another try, since what was asked may have been done.
    pub(crate) fn not_to_be_repeated(mut self) -> Self {
        self.body.retry_after = None;
        self
    }

    /// The caller did not send its request in time.
    pub(crate) fn request_timeout(detail: String) -> Self {
        Self::invalid(detail).with_status(StatusCode::REQUEST_TIMEOUT)
    }

    /// A handler panicked.
    pub(crate) fn broken() -> Self {
        Self::new(Code::Internal, "a fault of the server; its log says more".to_owned())
    }

    /// What the caller will do about it.
    pub(crate) fn code(&self) -> ProblemCode {
        self.body.code
    }

    /// Whether nothing else can come of its connection.
    pub(crate) fn ends_connection(&self) -> bool {
        self.ends_connection
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What travels of it.
    pub(crate) fn body(&self) -> &tokenkeep_api::Problem {
        &self.body
    }

    /// The same, for itself.
    pub(crate) fn into_body(self) -> tokenkeep_api::Problem {
        *self.body
    }

    fn new(code: Code, detail: String) -> Self {
        let retry_after = (code == Code::Unavailable).then(|| seconds_up(SOON));
        let body = tokenkeep_api::Problem {
            code: problem_code(code),
            title: title(code).to_owned(),
            detail,
            next: None,
            key: None,
            retry_after,
        };
        let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body: Box::new(body), allow: None, ends_connection: false }
    }

    fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same, after what happened before.
    pub(crate) fn after(mut self, what: &str) -> Self {
        self.body.detail = format!("{what}; {}", self.body.detail);
        self
    }

    /// The same, about the token of this key.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.body.key = Some(key.to_owned());
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = match error.next() {
            Some(next) => format!("{}; {next}", error.what()),
            None => error.what().to_owned(),
        };
        let mut problem = Self::new(error.code(), detail);
        problem.body.next = error.next().map(ToOwned::to_owned);
        problem.body.key = error.key().map(ToString::to_string);
        problem.body.retry_after = error.retry_after().map(seconds_up).or(problem.body.retry_after);
        problem
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::body_too_large(),
            _ => Self::invalid("the body of the request broke off, or came too slowly"),
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::undecodable_key()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (retry_after, allow, ends_connection) = (self.body.retry_after, self.allow, self.ends_connection);
        let code = HeaderValue::from_static(self.body.code.as_str());
        let mut response = (self.status, Json(&*self.body)).into_response();
        // The code for the logs, all of it for a protocol that has words of its own; else they would have to read the body.
        response.extensions_mut().insert(self.body.code);
        response.extensions_mut().insert(*self.body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(TOKENKEEP_PROBLEM, code);
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if ends_connection {
            // On HTTP/2, which has no such header, hyper leaves it out.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The part of a caller's own text that an answer repeats.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn problem_code(code: Code) -> ProblemCode {
    match code {
        Code::InvalidRequest => ProblemCode::InvalidRequest,
        Code::Unauthenticated => ProblemCode::Unauthenticated,
        Code::Forbidden => ProblemCode::Forbidden,
        Code::UnknownKey => ProblemCode::UnknownKey,
        Code::LoginRequired => ProblemCode::LoginRequired,
        Code::Refused => ProblemCode::Refused,
        Code::Unavailable => ProblemCode::Unavailable,
        // A code that this page does not know is our fault too.
        _ => ProblemCode::Internal,
    }
}

fn title(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "Invalid request",
        Code::Unauthenticated => "Unknown caller",
        Code::Forbidden => "Not allowed",
        Code::UnknownKey => "Unknown key",
        Code::LoginRequired => "Login required",
        Code::Refused => "Refused by the issuer",
        Code::Unavailable => "Unavailable for now",
        _ => "Internal error",
    }
}

/// What travels of a problem that says this.
#[cfg(test)]
pub(crate) fn example(code: Code, detail: &str, key: Option<String>) -> tokenkeep_api::Problem {
    let problem = Problem::new(code, detail.to_owned());
    tokenkeep_api::Problem { key, ..problem.into_body() }
}

pub(crate) const TOKENKEEP_PROBLEM: HeaderName = HeaderName::from_static(headers::PROBLEM);
/// When to try again if nobody said it.
const SOON: Duration = Duration::from_secs(1);
const MAX_REPEATED: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_engine_keeps_its_name_and_status() {
        for (code, name, status, _) in Code::TABLE {
            let problem = Problem::from(Error::new(code, "it happened"));
            assert_eq!(problem.status.as_u16(), status);
            assert_eq!(serde_json::to_value(&problem.body).unwrap()["code"], name);
        }
    }

    #[test]
    fn when_to_try_again_is_rounded_up() {
        let error = Error::new(Code::Unavailable, "down").with_retry_after(Duration::from_millis(1001));
        let response = Problem::from(error).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }
}
