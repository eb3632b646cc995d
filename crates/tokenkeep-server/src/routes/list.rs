//! `GET /tokens?after=&limit=&provider=&state=`: the statuses of the keys that a caller may see, page by page.
//!
//! They are read on until enough have passed the filters, so a filtered page is as long as an unfiltered one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use tokenkeep::{Key, Status, TokenManager};
use tokenkeep_api::{self as api, TokenPage};

use super::no_store;
use crate::answer;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;
use crate::sight::Sight;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["after", "limit", "provider", "state"])?;
    let limit = query.parsed("limit", LIMIT_FORM)?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::invalid(format!("parameter `limit` is not {LIMIT_FORM}")));
    }
    let after: Option<Key> = query.parsed("after", "a key; take the `next` of the page before")?;
    let state = query.text("state").map(state).transpose()?;
    let provider = app.provider(&caller, query.text("provider"))?;
    let sight = Sight::new(&caller, &app.manager, provider.as_ref(), after);
    Ok(no_store(Json(page(&app.manager, (&caller, sight), limit, state).await)))
}

async fn page(
    manager: &TokenManager,
    (caller, mut sight): (&Caller, Sight),
    limit: usize,
    state: Option<api::State>,
) -> TokenPage {
    let is_wanted = |status: &Status| state.is_none_or(|state| answer::state(status.state) == state);
    let mut page = TokenPage { tokens: Vec::new(), next: None };
    loop {
        // One more than fits tells whether there is a next page.
        let found = sight.next(manager, limit + 1).await;
        if found.is_empty() {
            return page;
        }
        for status in found.iter().filter(|status| is_wanted(status)) {
            if page.tokens.len() == limit {
                page.next = page.tokens.last().map(|last| last.key.clone());
                return page;
            }
            page.tokens.push(answer::status_for(caller, status));
        }
    }
}

fn state(word: &str) -> Result<api::State, Problem> {
    api::State::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
        let known = api::State::ALL.map(api::State::as_str).join(", ");
        Problem::invalid(format!("parameter `state` is none of {known}"))
    })
}

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
const LIMIT_FORM: &str = "a number from 1 to 1000";
