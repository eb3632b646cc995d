//! The credentials of accounts: `PUT` and `DELETE /tokens/{key}/credentials`, `POST /tokens/{key}/credentials/test`, and
//! the two routes `/tokens/credentials/…` that name an account of the default provider and also take what they need in
//! the query.
//!
//! Nothing of what was sent is repeated, in whatever way it is wrong.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use tokenkeep::config::Action;
use tokenkeep::{Credentials, Secret, Trial};
use tokenkeep_api::StoredAnswer;

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

/// `PUT /tokens/{key}/credentials`: keeps them, and forgets the account's token.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    Query::parse_secret(query.as_deref(), &[])?;
    let given = from_body(&body?)?.ok_or_else(|| Problem::invalid(BODY_FORM))?;
    let handle = app.handle(&caller, Action::Credentials, &key)?;
    app.manager.set_credentials(handle.key().as_str(), given).await?;
    Ok(no_store(StatusCode::NO_CONTENT))
}

/// `DELETE /tokens/{key}/credentials`: forgets them, the account's token and its login.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    Query::parse_secret(query.as_deref(), &[])?;
    let handle = app.handle(&caller, Action::Credentials, &key)?;
    if app.manager.remove_credentials(handle.key().as_str()).await? {
        Ok(no_store(StatusCode::NO_CONTENT))
    } else {
        Err(app.explained(&caller, &key, Problem::unknown(&key)))
    }
}

/// `POST /tokens/{key}/credentials/test`: logs in once, with what was sent or what the account has, and keeps nothing.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path(key) = key?;
    Query::parse_secret(query.as_deref(), &[])?;
    let given = from_body(&body?)?;
    let handle = app.handle(&caller, Action::Credentials, &key)?;
    let trial = app.manager.try_login(handle.key().as_str(), given.as_ref()).await?;
    Ok(tried(&trial))
}

/// `POST /tokens/credentials/{account}?username=&password=`: keeps the credentials of an account.
pub(super) async fn store_of_default(
    State(app): State<Arc<App>>,
    caller: Caller,
    account: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path(account) = account?;
    let given = from_either(query.as_deref(), &body?)?;
    // Whether there is one is told to who may see everything.
    let has_none = app.access().default_provider.is_none() && caller.sight().is_none();
    if has_none && app.is_account(&caller, &account) {
        return Err(no_default("PUT /tokens/{key}/credentials"));
    }
    let handle = app.handle(&caller, Action::Credentials, &account)?;
    app.manager.set_credentials(handle.key().as_str(), given).await?;
    Ok(no_store(Json(StoredAnswer { key: handle.key().to_string(), stored: true })))
}

/// `POST /tokens/credentials/test?username=&password=`: tries credentials at the default provider, and keeps nothing.
pub(super) async fn test_at_default(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let given = from_either(query.as_deref(), &body?)?;
    let provider = app.access().default_provider.clone();
    let sees_all = caller.sight().is_none();
    let provider = match provider {
        None if sees_all => return Err(no_default("POST /tokens/{key}/credentials/test")),
        Some(provider) if sees_all || app.key(&caller, &provider).is_ok() => provider,
        // Whether there is one, and what it is called, is not for who may not see it.
        None | Some(_) => return Err(Problem::unknown_default()),
    };
    let handle = app.handle(&caller, Action::Credentials, &provider)?;
    let trial = app.manager.try_login(handle.key().as_str(), Some(&given)).await?;
    Ok(tried(&trial))
}

/// The answer is a success, whatever came of the trial; what did stands in the audit line.
fn tried(trial: &Trial) -> Response {
    let body = answer::trial(trial);
    let code = body.problem.as_ref().map(|problem| problem.code);
    let mut answer = no_store(Json(body));
    if let Some(code) = code {
        answer.extensions_mut().insert(code);
    }
    answer
}

/// Without a default provider, this other route does the same.
fn no_default(route: &str) -> Problem {
    Problem::invalid(format!(
        "no default_provider is configured in [server]; use {route}, which names the provider, e.g. bluestakes:123"
    ))
}

fn from_body(body: &[u8]) -> Result<Option<Credentials>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let given = str::from_utf8(body).ok().and_then(|json| Credentials::from_json(json).ok());
    given.map(Some).ok_or_else(|| Problem::invalid(BODY_FORM))
}

fn from_either(query: Option<&str>, body: &[u8]) -> Result<Credentials, Problem> {
    let query = Query::parse_secret(query, &["username", "password"])?;
    match (query.text("username"), query.text("password"), from_body(body)?) {
        (None, None, Some(given)) => Ok(given),
        (Some(username), Some(password), None) => {
            Credentials::with_password(username, Secret::new(password)).map_err(|_| Problem::invalid(EITHER_FORM))
        }
        _ => Err(Problem::invalid(EITHER_FORM)),
    }
}

const BODY_FORM: &str = "the body must be a JSON object of texts, e.g. {\"username\": \"…\", \"password\": \"…\"}; \
                         \"lifetime\": \"2h\" is the life of this account's tokens";
const EITHER_FORM: &str = "send {\"username\": \"…\", \"password\": \"…\"} as JSON, or both as parameters, and not in both \
                           ways";
