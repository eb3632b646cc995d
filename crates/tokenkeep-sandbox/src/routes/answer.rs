//! Puts a fault, if one is set, between a request and the work it asks for.
//!
//! What matters is on which side of the work a fault acts: a request that fails before it can be
//! repeated safely, one whose answer is lost after it has spent a refresh token. Each arm below
//! therefore shows whether and when `work` is called; it is called at most once.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::odd_body;
use crate::{
    arrivals::Outcome,
    clock,
    fault::{Fault, RetryAfter},
    refusal::{Refusal, Refused},
    serve::Cut,
    traffic::Condition,
};

/// A good answer: a JSON object, and which of its members is the token, if any.
pub(super) struct Good {
    pub(super) object: Map<String, Value>,
    pub(super) token_member: Option<&'static str>,
}

/// What the work comes to.
pub(super) type Worked = Result<Good, Refused>;

/// Answers a request under the condition it arrived in.
pub(super) async fn answer(mut condition: Condition, work: impl FnOnce() -> Worked) -> (Response, Outcome) {
    let Some(fault) = condition.fault.take() else { return plain(work()) };
    match fault {
        Fault::Latency { millis } => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            plain(work())
        }
        Fault::Hang => {
            condition.released().await;
            plain(work())
        }
        Fault::Status { status, body } => {
            let content_type = if body.starts_with('{') { JSON } else { TEXT };
            (respond(status_or_500(status), content_type, body), Outcome::Faulted)
        }
        Fault::TooManyRequests { retry_after } => (too_many_requests(retry_after), Outcome::Faulted),
        Fault::OddBody { body } => odd_body::answer(body, work),
        Fault::ConnectionReset => (cut(), Outcome::Faulted),
        Fault::AnswerLost => {
            drop(work());
            (cut(), Outcome::Lost)
        }
        Fault::HoldAnswer => {
            let worked = work();
            condition.released().await;
            plain(worked)
        }
        Fault::InvalidClient => plain(Err(Refusal::InvalidClient.because("refused by a fault"))),
        Fault::InvalidGrant => plain(Err(Refusal::InvalidGrant.because("refused by a fault"))),
        Fault::SkewedDate { seconds } => {
            let (mut response, outcome) = plain(work());
            insert(&mut response, header::DATE, &clock::http_date(seconds));
            (response, outcome)
        }
    }
}

/// A response that must not be stored (RFC 6749 section 5.1), with this body.
pub(super) fn respond(status: StatusCode, content_type: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_TYPE, content_type);
    insert(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// A status that hyper can send: 1xx is no answer.
pub(super) fn status_or_500(status: u16) -> StatusCode {
    let status = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The response to a good answer or a refusal, as it is.
pub(super) fn plain(worked: Worked) -> (Response, Outcome) {
    match worked {
        Ok(good) => {
            let body = Value::Object(good.object).to_string();
            (respond(StatusCode::OK, JSON, body), Outcome::Issued)
        }
        Err(Refused { refusal, description }) => {
            let body = json!({ "error": refusal.code(), "error_description": description });
            let mut response = respond(status_or_500(refusal.status()), JSON, body.to_string());
            if let Some(challenge) = refusal.challenge() {
                insert(&mut response, header::WWW_AUTHENTICATE, challenge);
            }
            (response, Outcome::Refused(refusal))
        }
    }
}

fn too_many_requests(retry_after: Option<RetryAfter>) -> Response {
    let mut response = respond(StatusCode::TOO_MANY_REQUESTS, TEXT, "too many requests\n");
    let value = retry_after.map(|after| match after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::HttpDate(seconds) => clock::http_date(i64::try_from(seconds).unwrap_or(i64::MAX)),
    });
    if let Some(value) = value {
        insert(&mut response, header::RETRY_AFTER, &value);
    }
    response
}

fn cut() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Cut);
    response
}

/// Sets a header, unless the value cannot stand in one.
fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
