//! `GET /tokens/stats?provider=`: how many tokens are kept, and how many of them are good.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::no_store;
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;
use crate::sight::Sight;
use crate::sums::Sums;

/// Counts those that the caller may see.
pub(super) async fn stats(
    State(app): State<Arc<App>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["provider"])?;
    let provider = app.provider(&caller, query.text("provider"))?;
    let sight = Sight::new(&caller, &app.manager, provider.as_ref(), None);
    Ok(no_store(Json(Sums::of(&app.manager, sight).await.stats)))
}
