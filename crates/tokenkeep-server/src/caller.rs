//! Who may ask: whoever has the API key, or everybody on this machine if none is configured.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokenkeep::config::KeyHash;

use crate::problem::Problem;
use crate::routes::App;

/// The callers that there are.
#[derive(Debug)]
pub(crate) struct Callers(Option<KeyHash>);

impl Callers {
    /// Those who have the key with this hash; `None`: everybody.
    pub(crate) fn new(key: Option<KeyHash>) -> Self {
        Self(key)
    }

    /// Whether these headers come from one of them. Takes the same time however much of a wrong key is right.
    pub(crate) fn include(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.0 else { return true };
        let Some(presented) = presented_key(headers) else { return false };
        Sha256::digest(presented).as_slice().ct_eq(expected.as_bytes()).into()
    }
}

/// Lets callers pass. To others every path looks the same, whether or not something is there.
pub(crate) async fn require_key(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if app.callers.include(request.headers()) { Ok(next.run(request).await) } else { Err(Problem::unauthenticated()) }
}

/// The key in `X-API-Key`, else that in `Authorization: Bearer`. A header that is there twice holds none.
fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    if headers.contains_key(API_KEY) {
        return only(headers, API_KEY);
    }
    let (scheme, key) = only(headers, AUTHORIZATION.as_str())?.split_at_checked("Bearer ".len())?;
    // The scheme's letter case does not matter (RFC 9110 section 11.1).
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

const API_KEY: &str = "x-api-key";
