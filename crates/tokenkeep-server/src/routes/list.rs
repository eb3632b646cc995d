//! `GET /tokens?after=&limit=&provider=&state=`: the statuses of all keys, page by page.
//!
//! The engine knows no filters. So its pages are read on until enough keys have passed them, and a filtered page is as
//! long as an unfiltered one. The keys of a provider lie close together, and the rest is not read.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use tokenkeep::{Error, Key, Status, TokenManager};
use tokenkeep_api::{self as api, TokenPage};

use super::{App, no_store};
use crate::answer;
use crate::problem::{Problem, shortened};
use crate::query::Query;

pub(super) async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let selection = Selection::parse(query.as_deref(), &app.manager)?;
    Ok(no_store(Json(selection.read(&app.manager).await?)))
}

/// Which statuses are wanted.
struct Selection {
    after: Option<Key>,
    limit: usize,
    provider: Option<Key>,
    state: Option<api::State>,
}

impl Selection {
    fn parse(query: Option<&str>, manager: &TokenManager) -> Result<Self, Problem> {
        let query = Query::parse(query, &["after", "limit", "provider", "state"])?;
        let limit = query.parsed("limit", LIMIT_FORM)?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid(format!("parameter `limit` is not {LIMIT_FORM}")));
        }
        Ok(Self {
            after: query.parsed("after", "a key; take the `next` of the page before")?,
            limit,
            provider: query.text("provider").map(|name| provider(name, manager)).transpose()?,
            state: query.text("state").map(state).transpose()?,
        })
    }

    async fn read(self, manager: &TokenManager) -> Result<TokenPage, Error> {
        let mut page = TokenPage { tokens: Vec::new(), next: None };
        let mut after = self.after.clone();
        // One more than fits tells whether there is a next page.
        let chunk = self.limit + 1;
        let mut found = self.first(manager).await?;
        loop {
            for status in &found {
                if self.lies_before(&status.key) {
                    return Ok(page);
                }
                if !self.includes(status) {
                    continue;
                }
                if page.tokens.len() == self.limit {
                    page.next = page.tokens.last().map(|last| last.key.clone());
                    return Ok(page);
                }
                page.tokens.push(answer::status(status));
            }
            if let Some(last) = found.last() {
                after = Some(last.key.clone());
            }
            found = manager.statuses(after.as_ref(), chunk).await;
            if found.is_empty() {
                return Ok(page);
            }
        }
    }

    /// The first key of a provider, which is always there, to go on from: what lies before it is not read.
    async fn first(&self, manager: &TokenManager) -> Result<Vec<Status>, Error> {
        match &self.provider {
            Some(first) if self.after.as_ref().is_none_or(|after| after < first) => {
                Ok(vec![manager.handle(first.as_str())?.status().await])
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether all keys of the wanted provider lie before this one. `;` follows `:`.
    fn lies_before(&self, key: &Key) -> bool {
        self.provider.as_ref().is_some_and(|provider| *key.as_str() >= *format!("{provider};"))
    }

    fn includes(&self, status: &Status) -> bool {
        let is_of = |provider: &Key| status.key.provider() == provider.as_str();
        let is_in = |state| answer::state(status.state) == state;
        self.provider.as_ref().is_none_or(is_of) && self.state.is_none_or(is_in)
    }
}

fn provider(name: &str, manager: &TokenManager) -> Result<Key, Problem> {
    let providers = manager.providers();
    match Key::parse(name) {
        Ok(key) if providers.iter().any(|known| known == name) => Ok(key),
        _ => {
            let (name, known) = (shortened(name), providers.join(", "));
            let detail = format!("parameter `provider`: there is no provider `{}`", name.escape_debug());
            Err(Problem::invalid(format!("{detail}; configured are: {known}")))
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
