//! `POST /login`: a vendor's login that is not OAuth, as many APIs have one.
//!
//! JSON in, JSON out, the token in a member named like the header it goes into, and not a word
//! about when it ends.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, response::Response};
use serde::Deserialize;
use serde_json::Map;

use super::answer::{Good, Worked, answer};
use crate::{
    client::Grant,
    clock,
    counters::VENDOR,
    refusal::Refusal,
    traffic::{Shared, Visit},
};

pub(crate) async fn login(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let visit = shared.arrive(Some(VENDOR), Grant::Login);
    let (response, outcome) = answer(visit.condition(), || work(&shared, &visit, &body)).await;
    visit.settle(outcome);
    response
}

fn work(shared: &Shared, visit: &Visit, body: &[u8]) -> Worked {
    let login: Login = serde_json::from_slice(body)
        .map_err(|_| Refusal::InvalidRequest.because(r#"send {"username": "…", "password": "…"}"#))?;
    let token = shared.issuer().login(&login.username, &login.password, clock::now())?;
    shared.count(visit.client(), |counters| {
        counters.issued += 1;
        counters.logins += 1;
    });
    let object = Map::from_iter([(TOKEN_MEMBER.to_owned(), token.into())]);
    Ok(Good { object, token_member: Some(TOKEN_MEMBER) })
}

/// No Debug: the password would be in it.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

const TOKEN_MEMBER: &str = "Authorization";
