//! `ANY /api/…`: the protected API, which serves live tokens and nothing else.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::answer::{Good, TEXT, Worked, answer, respond};
use crate::{
    clock,
    counters::{UNKNOWN_CLIENT, VENDOR},
    issuer::Verdict,
    refusal::{Refusal, Refused},
    traffic::Shared,
};

pub(crate) async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let condition = shared.arrive_at_api();
    // Read first: a caller that still writes when the answer comes might miss it.
    let Some(body_bytes) = length(body).await else {
        return respond(StatusCode::PAYLOAD_TOO_LARGE, TEXT, "the body broke off or is too long\n");
    };
    let path = head.uri.path().strip_prefix("/api").unwrap_or_default();
    let mut object = Map::new();
    object.insert("ok".to_owned(), true.into());
    object.insert("method".to_owned(), head.method.as_str().into());
    object.insert("path".to_owned(), path.into());
    object.insert("query".to_owned(), json!(head.uri.query()));
    object.insert("body_bytes".to_owned(), body_bytes.into());
    answer(condition, || work(&shared, &head.headers, object)).await.0
}

fn work(shared: &Shared, headers: &HeaderMap, mut object: Map<String, Value>) -> Worked {
    let client = admit(shared, headers)?;
    object.insert("served".to_owned(), shared.counters_of(&client).api_served.into());
    object.insert("client".to_owned(), client.into());
    Ok(Good { object, token_member: None })
}

/// Looks at the token of a request, and counts it; the client whose it is.
pub(super) fn admit(shared: &Shared, headers: &HeaderMap) -> Result<String, Refused> {
    let verdict = presented_verdict(shared, headers);
    let (client, served, expired) = match verdict {
        Verdict::Live { client } => (client, true, false),
        Verdict::Expired { client } => (client, false, true),
        Verdict::Revoked { client } => (client, false, false),
        Verdict::Unknown => (UNKNOWN_CLIENT.to_owned(), false, false),
    };
    shared.count(&client, |counters| {
        counters.api_served += u64::from(served);
        counters.api_refused += u64::from(!served);
        counters.api_expired += u64::from(expired);
    });
    if !served {
        return Err(Refusal::InvalidToken.because("the token is absent, unknown, revoked or expired"));
    }
    Ok(client)
}

/// The verdict on what `Authorization` holds: a Bearer token (RFC 6750 section 2.1), or a vendor
/// token with nothing around it.
fn presented_verdict(shared: &Shared, headers: &HeaderMap) -> Verdict {
    let Some(authorization) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Verdict::Unknown;
    };
    let bearer = authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = bearer {
        return shared.issuer().verdict(token.trim(), clock::now());
    }
    let verdict = shared.issuer().verdict(authorization, clock::now());
    match &verdict {
        Verdict::Live { client } | Verdict::Expired { client } | Verdict::Revoked { client } if client == VENDOR => {
            verdict
        }
        Verdict::Live { .. } | Verdict::Expired { .. } | Verdict::Revoked { .. } | Verdict::Unknown => Verdict::Unknown,
    }
}

/// Reads a body without keeping it; `None` if it breaks off or is longer than [`MAX_BODY`].
async fn length(mut body: Body) -> Option<usize> {
    let mut length: usize = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        length += frame.ok()?.data_ref().map_or(0, axum::body::Bytes::len);
        if length > MAX_BODY {
            return None;
        }
    }
    Some(length)
}

/// Larger than what other routes read, because nothing of it is kept.
const MAX_BODY: usize = 64 * 1024 * 1024;
