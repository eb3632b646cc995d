//! The bodies that clients do not expect: some stand alone, some are a good answer deformed.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::answer::{FORM, Good, HTML, JSON, TEXT, respond, status_or_500};
use crate::fault::OddBody;

/// The response of an odd body that stands alone; `None` for one made from a good answer.
pub(super) fn instead(body: &OddBody) -> Option<Response> {
    let ok = |content_type, body: &'static str| Some(respond(StatusCode::OK, content_type, body));
    match body {
        OddBody::Html => ok(HTML, "<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>\n"),
        OddBody::Empty => ok(JSON, ""),
        OddBody::NoToken => ok(JSON, r#"{"token_type":"Bearer","expires_in":60}"#),
        OddBody::NotJson => ok(JSON, "access granted"),
        OddBody::ErrorIn200 => ok(JSON, r#"{"error":"invalid_grant","error_description":"refused under status 200"}"#),
        OddBody::Raw { status, content_type, body } => {
            Some(respond(status_or_500(*status), content_type, body.clone()))
        }
        OddBody::Truncated
        | OddBody::Huge
        | OddBody::ExpiresInString
        | OddBody::ExpiresInFloat
        | OddBody::ExpiresInZero
        | OddBody::ExpiresInNegative
        | OddBody::ExpiresInAbsent
        | OddBody::FormEncoded
        | OddBody::TokenWithNewline => None,
    }
}

/// Deforms a good answer. One that has no such member, as the vendor's login has no `expires_in`,
/// stays as it is.
pub(super) fn from_good(body: &OddBody, good: Good) -> Response {
    let Good { mut object, token_member } = good;
    let mut set_expiry = |deform: &dyn Fn(u64) -> Value| {
        if let Some(expires_in) = object.get_mut("expires_in") {
            *expires_in = deform(expires_in.as_u64().unwrap_or_default());
        }
    };
    match body {
        OddBody::ExpiresInString => set_expiry(&|seconds| json!(seconds.to_string())),
        OddBody::ExpiresInFloat => {
            // A life that a float cannot hold exactly is longer than anybody's patience.
            set_expiry(&|seconds| json!(f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)) + 0.5));
        }
        OddBody::ExpiresInZero => set_expiry(&|_| json!(0)),
        OddBody::ExpiresInNegative => set_expiry(&|_| json!(-1)),
        OddBody::ExpiresInAbsent => drop(object.remove("expires_in")),
        OddBody::TokenWithNewline => {
            if let Some(Value::String(token)) = object.get_mut(token_member) {
                token.push('\n');
            }
        }
        OddBody::Huge => drop(object.insert("padding".to_owned(), json!("x".repeat(HUGE)))),
        OddBody::FormEncoded => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in &object {
                match value {
                    Value::String(text) => form.append_pair(name, text),
                    other => form.append_pair(name, &other.to_string()),
                };
            }
            return respond(StatusCode::OK, FORM, form.finish());
        }
        OddBody::Truncated => {
            let mut text = Value::Object(object).to_string().into_bytes();
            text.truncate(text.len() / 2);
            return respond(StatusCode::OK, JSON, text);
        }
        OddBody::Html
        | OddBody::Empty
        | OddBody::NoToken
        | OddBody::NotJson
        | OddBody::ErrorIn200
        | OddBody::Raw { .. } => return respond(StatusCode::OK, TEXT, ""),
    }
    respond(StatusCode::OK, JSON, Value::Object(object).to_string())
}

/// Longer than the 1 MiB at which careful clients stop reading.
const HUGE: usize = 1024 * 1024 + 1;
