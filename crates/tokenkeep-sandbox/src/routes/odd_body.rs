//! The bodies that clients do not expect: some stand alone, some are a good answer deformed.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::answer::{FORM, Good, HTML, JSON, Worked, plain, respond, status_or_500};
use crate::{arrivals::Outcome, fault::OddBody};

/// Answers with an odd body. Only one that is made from a good answer calls `work`.
pub(super) fn answer(body: OddBody, work: impl FnOnce() -> Worked) -> (Response, Outcome) {
    match body {
        OddBody::Html => alone(HTML, "<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>\n"),
        OddBody::Empty => alone(JSON, ""),
        OddBody::NoToken => alone(JSON, r#"{"token_type":"Bearer","expires_in":60}"#),
        OddBody::NotJson => alone(JSON, "access granted"),
        OddBody::ErrorIn200 => {
            alone(JSON, r#"{"error":"invalid_grant","error_description":"refused under status 200"}"#)
        }
        OddBody::Raw { status, content_type, body } => {
            (respond(status_or_500(status), &content_type, body), Outcome::Faulted)
        }
        OddBody::Truncated => made(work(), |good| {
            let mut text = Value::Object(good.object).to_string().into_bytes();
            text.truncate(text.len() / 2);
            respond(StatusCode::OK, JSON, text)
        }),
        OddBody::FormEncoded => made(work(), |good| respond(StatusCode::OK, FORM, form(&good))),
        OddBody::Huge => edited(work(), |good| {
            good.object.insert("padding".to_owned(), json!("x".repeat(HUGE)));
        }),
        OddBody::TokenWithNewline => edited(work(), |good| {
            let token = good.token_member.and_then(|name| good.object.get_mut(name));
            if let Some(Value::String(token)) = token {
                token.push('\n');
            }
        }),
        OddBody::ExpiresInString => expiry(work(), |seconds| json!(seconds.to_string())),
        OddBody::ExpiresInFloat => {
            // A life beyond 32 bits of seconds is cut: it is longer than anybody's patience.
            expiry(work(), |seconds| json!(f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)) + 0.5))
        }
        OddBody::ExpiresInZero => expiry(work(), |_| json!(0)),
        OddBody::ExpiresInNegative => expiry(work(), |_| json!(-1)),
        OddBody::ExpiresInAbsent => edited(work(), |good| drop(good.object.remove("expires_in"))),
    }
}

fn alone(content_type: &str, body: &'static str) -> (Response, Outcome) {
    (respond(StatusCode::OK, content_type, body), Outcome::Faulted)
}

/// Makes a response from a good answer; a refusal goes out as it is.
fn made(worked: Worked, make: impl FnOnce(Good) -> Response) -> (Response, Outcome) {
    match worked {
        Ok(good) => (make(good), Outcome::Issued),
        Err(refused) => plain(Err(refused)),
    }
}

fn edited(worked: Worked, edit: impl FnOnce(&mut Good)) -> (Response, Outcome) {
    plain(worked.map(|mut good| {
        edit(&mut good);
        good
    }))
}

/// Deforms `expires_in`; an answer without it, as that of the vendor's login, stays as it is.
fn expiry(worked: Worked, deform: impl FnOnce(u64) -> Value) -> (Response, Outcome) {
    edited(worked, |good| {
        if let Some(expires_in) = good.object.get_mut("expires_in") {
            *expires_in = deform(expires_in.as_u64().unwrap_or_default());
        }
    })
}

fn form(good: &Good) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &good.object {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

/// Longer than the 1 MiB at which careful clients stop reading.
const HUGE: usize = 1024 * 1024 + 1;
