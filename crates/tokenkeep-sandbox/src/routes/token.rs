//! `POST /oauth2/token`: RFC 6749 as issuers apply it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::answer::{FORM, Good, Worked, answer};
use crate::{
    client::Grant,
    clock,
    issuer::{Ask, Issued},
    refusal::{Refusal, Refused},
    traffic::{Shared, Visit},
};

use presented::Presented;

mod presented;

pub(crate) async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Form::read(&headers, &body);
    let presented = form.as_ref().map_err(|refused| *refused).and_then(|form| Presented::read(&headers, form));
    let client = presented.as_ref().ok().map(|presented| presented.id.as_str());
    let grant = Grant::parse(form.as_ref().ok().and_then(|form| form.get("grant_type")));

    let visit = shared.arrive(client, grant);
    let work = || work(&shared, &visit, form.as_ref().map_err(|refused| *refused)?, presented.as_ref());
    let (response, outcome) = answer(visit.condition(), work).await;
    visit.settle(outcome);
    response
}

fn work(shared: &Shared, visit: &Visit, form: &Form, presented: Result<&Presented, &Refused>) -> Worked {
    let presented = presented.map_err(|refused| *refused)?;
    let granted = {
        let mut issuer = shared.issuer();
        let client = issuer.authenticate(&presented.id, presented.secret.as_deref())?;
        issuer.grant(&client, &form.ask()?, clock::now())
    };
    let login = matches!(form.get("grant_type"), Some("password"));
    shared.count(visit.client(), |counters| match &granted {
        Ok(_) => {
            counters.issued += 1;
            counters.logins += u64::from(login);
        }
        Err(refused) => {
            counters.reused_refresh_tokens += u64::from(refused.refusal == Refusal::SpentRefreshToken);
        }
    });
    granted.map(good)
}

fn good(issued: Issued) -> Good {
    let mut object = Map::new();
    object.insert("access_token".to_owned(), issued.access_token.into());
    object.insert("token_type".to_owned(), "Bearer".into());
    object.insert("expires_in".to_owned(), issued.expires_in.into());
    let optional: [(&str, Option<Value>); 3] = [
        ("refresh_in", issued.refresh_in.map(|seconds| json!(seconds))),
        ("refresh_token", issued.refresh_token.map(Value::String)),
        ("scope", issued.scope.map(Value::String)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    }
    Good { object, token_member: Some("access_token") }
}

/// The parameters of a request.
struct Form(BTreeMap<String, String>);

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refused> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(FORM) {
            return Err(Refusal::InvalidRequest.because("the content type must be application/x-www-form-urlencoded"));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // RFC 6749 section 3.2: without a value is as if omitted; none may come twice.
            if !value.is_empty() && parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::InvalidRequest.because("a parameter is there twice"));
            }
        }
        Ok(Self(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn ask(&self) -> Result<Ask<'_>, Refused> {
        let grant_type = self.get("grant_type");
        let scope = self.get("scope");
        let missing = |what| Refusal::InvalidRequest.because(what);
        match Grant::parse(grant_type) {
            Grant::ClientCredentials => Ok(Ask::ClientCredentials { scope }),
            Grant::Password => Ok(Ask::Password {
                username: self.get("username").ok_or(missing("username is missing"))?,
                password: self.get("password").ok_or(missing("password is missing"))?,
                scope,
            }),
            Grant::RefreshToken => {
                let token = self.get("refresh_token").ok_or(missing("refresh_token is missing"))?;
                Ok(Ask::Refresh { token, scope })
            }
            Grant::Login | Grant::Other if grant_type.is_none() => Err(missing("grant_type is missing")),
            Grant::Login | Grant::Other => Err(Refusal::UnsupportedGrantType
                .because("the grants here are client_credentials, password and refresh_token")),
        }
    }
}
