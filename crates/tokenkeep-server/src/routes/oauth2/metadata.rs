//! `GET /.well-known/oauth-authorization-server` (RFC 8414) and `/.well-known/openid-configuration`: where tokens are
//! asked for. Open to everybody, since a client looks here before it says who it is.
//!
//! The server does not know by what name it is reached, so it repeats the one that it was asked by. Whoever asks by a
//! false one fools nobody but itself: nothing between here and there may keep the answer.

use axum::Json;
use axum::extract::Request;
use axum::response::Response;
use tokenkeep_api::OAuthMetadata;

use super::super::no_store;
use super::TOKEN;
use crate::audit::Who;
use crate::browser::hosts;
use crate::problem::Problem;

pub(super) async fn metadata(request: Request) -> Result<Response, Problem> {
    let hosts = hosts(&request)?;
    let host = hosts.first().filter(|host| !host.as_str().contains('@'));
    let host = host.ok_or_else(|| Problem::invalid("the header Host does not say where this server is"))?;
    let issuer = format!("{}://{host}", scheme(&request));
    let listed = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Ok(no_store(Json(OAuthMetadata {
        token_endpoint: format!("{issuer}{TOKEN}"),
        issuer,
        grant_types_supported: listed(&["client_credentials"]),
        token_endpoint_auth_methods_supported: listed(&["client_secret_basic", "client_secret_post"]),
        response_types_supported: Vec::new(),
    })))
}

/// A proxy may speak TLS in this server's place, and says so.
fn scheme(request: &Request) -> &'static str {
    let mut said = request.headers().get_all("x-forwarded-proto").iter();
    let by_proxy = matches!((said.next(), said.next()), (Some(proto), None) if proto == "https");
    let by_itself = request.extensions().get().is_some_and(|who: &Who| who.peer().is_encrypted);
    if by_itself || by_proxy { "https" } else { "http" }
}
