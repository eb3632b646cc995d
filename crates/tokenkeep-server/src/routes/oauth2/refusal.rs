//! Every answer of the token endpoint that is no token, in the words of RFC 6749 section 5.2.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use tokenkeep_api::{OAuthError, ProblemCode};

use crate::problem::Problem;

/// Why there is no token.
#[derive(Debug)]
pub(super) struct Refusal {
    word: Word,
    /// What logs call it.
    code: ProblemCode,
    status: StatusCode,
    description: Cow<'static, str>,
    /// In seconds.
    retry_after: Option<u64>,
    /// Whether nothing else can come of its connection.
    ends_connection: bool,
}

/// What a client's code looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    InvalidRequest,
    InvalidClient,
    /// A person must log in again: asking again is in vain.
    InvalidGrant,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedGrantType,
    /// This and the next are of section 4.1.2.1: the endpoint's own list has no words for its own trouble.
    TemporarilyUnavailable,
    ServerError,
}

impl Word {
    pub(super) fn because(self, description: &'static str) -> Refusal {
        let (code, status) = (self.code(), self.status());
        let description = description.into();
        Refusal { word: self, code, status, description, retry_after: None, ends_connection: false }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    fn code(self) -> ProblemCode {
        match self {
            Self::InvalidRequest | Self::InvalidScope | Self::UnsupportedGrantType => ProblemCode::InvalidRequest,
            Self::InvalidClient => ProblemCode::Unauthenticated,
            Self::InvalidGrant => ProblemCode::LoginRequired,
            Self::UnauthorizedClient => ProblemCode::Forbidden,
            Self::TemporarilyUnavailable => ProblemCode::Unavailable,
            Self::ServerError => ProblemCode::Internal,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::InvalidScope
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType => StatusCode::BAD_REQUEST,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Refusal {
    /// Whether nobody knows who asks.
    pub(super) fn is_of_a_stranger(&self) -> bool {
        self.word == Word::InvalidClient
    }

    fn new(status: StatusCode, problem: tokenkeep_api::Problem) -> Self {
        let (word, status) = match problem.code {
            ProblemCode::InvalidRequest => (Word::InvalidRequest, status),
            ProblemCode::Unauthenticated => (Word::InvalidClient, StatusCode::UNAUTHORIZED),
            ProblemCode::Forbidden => (Word::UnauthorizedClient, StatusCode::BAD_REQUEST),
            ProblemCode::UnknownKey => (Word::InvalidScope, StatusCode::BAD_REQUEST),
            ProblemCode::LoginRequired => (Word::InvalidGrant, StatusCode::BAD_REQUEST),
            ProblemCode::Unavailable => (Word::TemporarilyUnavailable, status),
            ProblemCode::Refused | ProblemCode::Internal | ProblemCode::Unknown => (Word::ServerError, status),
        };
        let (code, description, retry_after) = (problem.code, problem.detail.into(), problem.retry_after);
        Self { word, code, status, description, retry_after, ends_connection: false }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let ends_connection = problem.ends_connection();
        Self { ends_connection, ..Self::new(problem.status(), problem.into_body()) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = OAuthError {
            error: self.word.as_str().to_owned(),
            error_description: Some(self.description.chars().map(allowed).collect()),
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.ends_connection {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tokenkeep\""));
        }
        response
    }
}

/// Puts what was answered on the way to the endpoint into the same words.
pub(super) fn in_words_of_oauth(mut answer: Response) -> Response {
    let Some(problem) = answer.extensions_mut().remove::<tokenkeep_api::Problem>() else { return answer };
    let mut refused = Refusal::new(answer.status(), problem).into_response();
    if let Some(methods) = answer.headers_mut().remove(ALLOW) {
        refused.headers_mut().insert(ALLOW, methods);
    }
    refused
}

/// The characters that a description may have (RFC 6749 section 5.2).
fn allowed(c: char) -> char {
    match c {
        '"' => '\'',
        ' '..='~' if c != '\\' => c,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use tokenkeep::{Code, Error};

    use super::*;

    #[test]
    fn every_code_of_the_engine_has_a_word_and_a_status() {
        let found = Code::TABLE.map(|(code, ..)| {
            let refusal = Refusal::from(Problem::from(Error::new(code, "it happened")));
            (refusal.word.as_str(), refusal.status.as_u16())
        });
        assert_eq!(
            found,
            [
                ("invalid_request", 400),
                ("invalid_client", 401),
                ("unauthorized_client", 400),
                ("invalid_scope", 400),
                ("invalid_grant", 400),
                ("server_error", 502),
                ("temporarily_unavailable", 503),
                ("server_error", 500),
            ]
        );
    }
}
