//! `POST /oauth2/token`: a token endpoint that is a cache, so that any client of RFC 6749 gets its tokens here.
//!
//! It speaks the RFC and nothing else: `client_credentials` (section 4.4), its answers (5.1) and its errors (5.2). Of
//! the words that a client can send, the secret is a caller's API key, and one names the key of the token: `scope` if it
//! is there, else the client's id. So one client can ask for many tokens, and a client that knows of no scope for one.

mod client;
mod form;
mod metadata;
mod refusal;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use axum::{Json, Router};
use http::header::{HeaderValue, PRAGMA};
use http::request::Parts;
use tokenkeep::config::Action;
use tokenkeep::{Demand, Token};
use tokenkeep_api::{OAuthToken, ProblemCode};

use self::client::Client;
use self::form::Form;
use self::refusal::{Refusal, Word};
use super::{no_store, only, only_get};
use crate::app::App;
use crate::audit::Who;
use crate::front::{Front, Gate};
use crate::problem::Problem;

/// The token endpoint, which finds out by itself who asks, and the documents that say where it is.
pub(super) fn routes(front: &dyn Fn(Gate) -> Front, open: Gate) -> Router<Arc<App>> {
    let endpoint = Router::new().route(TOKEN, only("POST").post(token));
    let documents = Router::new()
        .route("/.well-known/oauth-authorization-server", only_get(metadata::metadata))
        .route("/.well-known/openid-configuration", only_get(metadata::metadata));
    let wording = refusal::in_words_of_oauth;
    endpoint.layer(front(Gate { wording, ..open })).merge(documents.layer(front(open)))
}

async fn token(
    State(app): State<Arc<App>>,
    mut who: Who,
    request: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let body = body.map_err(|rejection| Refusal::from(Problem::from(rejection)))?;
    let form = Form::read(&request, &body)?;
    let client = Client::of(&app.access().callers, &request, &form).map_err(|refusal| {
        if !refusal.is_of_a_stranger() {
            return refusal;
        }
        let problem = app.unauthenticated(&request);
        if problem.ends_connection() { problem.into() } else { refusal }
    })?;
    client.caller.count_request(|| app.manager.now())?;
    match form.text("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(Word::UnsupportedGrantType.because("ask with grant_type=client_credentials")),
        None => return Err(Word::InvalidRequest.because("grant_type is missing; send client_credentials")),
    }
    let name = key(&client, &form)?;
    who.is(client.caller.clone());
    let asked = app.hand_out((&who, &client.caller), (Action::Get, "oauth2_token"), name, Demand::default()).await;
    let (_, had) = asked.map_err(|problem| refused(problem, &client, &form))?;
    let mut answer = no_store(Json(answer(&had.token, &form)));
    answer.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(answer)
}

/// The name of the key of which a token is asked for.
fn key<'a>(client: &'a Client, form: &'a Form) -> Result<&'a str, Refusal> {
    let Some(scope) = form.text("scope") else {
        let missing = || Word::InvalidRequest.because("name the key of the token: in scope, or as client_id");
        return client.id.as_deref().ok_or_else(missing);
    };
    let mut words = scope.split(' ').filter(|word| !word.is_empty());
    let (Some(name), None) = (words.next(), words.next()) else {
        return Err(Word::InvalidScope.because("scope names one key; ask for each token by itself"));
    };
    // Whoever copied somebody else's settings should not find out by way of somebody else's rights.
    match &client.id {
        Some(id) if !client.caller.is_called(id) && id != name => {
            Err(Word::InvalidClient
                .because("client_id is neither the name of this caller nor the key that scope names"))
        }
        _ => Ok(name),
    }
}

/// Why there is no token of the key that was named. A name that is no key is mostly the issuer's scope, or the client's
/// own name.
fn refused(problem: Problem, client: &Client, form: &Form) -> Refusal {
    let has_scope = form.text("scope").is_some();
    let is_own_name = client.id.as_deref() == Some(client.caller.name());
    match problem.code() {
        ProblemCode::InvalidRequest if has_scope => Word::InvalidScope.because(ISSUERS_SCOPE),
        ProblemCode::InvalidRequest => Word::InvalidScope.because(NO_KEY),
        ProblemCode::UnknownKey if !has_scope && is_own_name => Word::InvalidRequest.because(NAME_IT),
        _ => problem.into(),
    }
}

/// A scope that was asked for was granted as it was asked for, and is left out (RFC 6749 section 5.1): to a client the
/// issuer's would be another one, and some take that for an error.
fn answer(token: &Token, form: &Form) -> OAuthToken {
    OAuthToken {
        access_token: token.expose_secret().to_owned(),
        token_type: token.token_type().to_owned(),
        expires_in: token.expires_in().map(|left| left.as_secs()),
        scope: if form.text("scope").is_some() { None } else { token.scope().map(ToOwned::to_owned) },
    }
}

const TOKEN: &str = "/oauth2/token";
const NAME_IT: &str = "name the key of the token in scope";
const ISSUERS_SCOPE: &str = "scope names a key of the broker, e.g. graph; leave out the issuer's scopes";
const NO_KEY: &str = "client_id names no key of the broker; name the key of the token in scope";
