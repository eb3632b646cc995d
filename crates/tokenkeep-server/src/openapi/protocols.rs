//! What clients and proxies ask that know nothing of this program.

use schemars::JsonSchema;
use serde::Serialize;
use tokenkeep_api::{OAuthError, OAuthMetadata, OAuthToken};

use super::operation::Access::{Client, Open, Permission};
use super::operation::{Form, Operation, Subject};
use super::tokens::{FETCHING, KEY};

pub(super) fn operations() -> Vec<Operation> {
    let of = |method, path, id, summary| Operation::new(Subject::Protocols, method, path, id, summary);
    let metadata =
        |path, id, summary| of("GET", path, id, summary).access(Open).answers(200, "Where, and how.", &metadata());
    let mut operations = vec![
        of("POST", "/oauth2/token", "requestToken", "A token, as any client of OAuth 2.0 asks for one (RFC 6749)")
            .about(
                "A token endpoint that is a cache. The client's secret is a caller's API key, by Basic or in the body; \
                 or the caller is known by `X-API-Key`, its certificate or its user. `scope` names the key of the \
                 token, else `client_id` does. Parameters that nobody knows are passed over.",
            )
            .access(Client)
            .takes_form(&TokenRequest {
                grant_type: GrantType::ClientCredentials,
                client_id: Some("graph".to_owned()),
                client_secret: None,
                scope: None,
            })
            .answers(200, "The token.", &token())
            .answers(400, "The request is wrong, or not granted.", &error("invalid_scope", "there is no such key"))
            .answers(401, "No such client.", &error("invalid_client", "this is no API key of a caller"))
            .answers(405, "Another method than POST; `Allow` says so.", &error("invalid_request", "this route answers POST only"))
            .answers(408, "The body did not come in time.", &error("invalid_request", "send the body faster"))
            .answers(429, "This caller asks too often.", &error("temporarily_unavailable", "try again in 1 s"))
            .answers(413, "The body is larger than 64 KiB.", &error("invalid_request", "send a smaller body"))
            .answers(500, "A fault of the server.", &error("server_error", "its log says more"))
            .answers(502, "The issuer says no.", &error("server_error", "fix configuration or credentials"))
            .answers(503, "Try again after `Retry-After`.", &error("temporarily_unavailable", "try again in 4 s")),
        metadata("/.well-known/oauth-authorization-server", "getOAuthMetadata", "Where tokens are asked for (RFC 8414)"),
        metadata("/.well-known/openid-configuration", "getOpenIdMetadata", "The same, where other clients look"),
        of("GET", "/auth/{key}", "authorize", "The header to put on a request, for proxies that ask first")
            .about(
                "For nginx `auth_request`, Caddy `forward_auth`, Traefik `forwardAuth` and Envoy `ext_authz`. Any method \
                 and any path below are taken, since proxies send those of the request that they hold. What is wrong \
                 stands in the header `Tokenkeep-Problem`, in one word.",
            )
            .access(Permission("get"))
            .path("key", Form::Key, KEY)
            .answers_empty(200, "The header: `Authorization`, or the one that the provider's API takes.")
            .answers_empty(403, "The proxy may not have this token, or there is no such key.")
            .answers_empty(500, "A fault of the server.")
            .answers_empty(502, "A person must log in again, or the issuer says no.")
            .answers_empty(503, "Try again after `Retry-After`."),
    ];
    operations.extend(PROXIED.map(|(method, id)| proxied(method, id)));
    operations
}

fn proxied(method: &'static str, id: &'static str) -> Operation {
    Operation::new(Subject::Protocols, method, "/proxy/{key}/{path}", id, "Ask the API that the token is for")
        .about(
            "Sends the request on to the provider's `api_base` with the token, streams both ways, and gets a new token \
             if the API refuses this one. Query, body and headers are sent on, but for the caller's credentials. An \
             answer that is not the API's has the header `Tokenkeep-Problem`.",
        )
        .access(Permission("proxy"))
        .path("key", Form::Key, KEY)
        .path("path", Form::Text, "What to ask for, below `api_base`.")
        .answers_empty(200, "What the API answers, with its status, headers and body.")
        .asks_an_api()
        .problems(&FETCHING)
}

/// What a client sends (RFC 6749 section 4.4.2).
#[derive(Serialize, JsonSchema)]
struct TokenRequest {
    /// How the token is asked for.
    grant_type: GrantType,
    /// The key of the token, or with `scope` the caller's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The caller's API key, where it is not in `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// The key of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum GrantType {
    ClientCredentials,
}

fn token() -> OAuthToken {
    OAuthToken {
        access_token: "eyJ0…".to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: Some(3241),
        scope: Some("https://graph.microsoft.com/.default".to_owned()),
    }
}

fn error(error: &str, description: &str) -> OAuthError {
    OAuthError { error: error.to_owned(), error_description: Some(description.to_owned()) }
}

fn metadata() -> OAuthMetadata {
    OAuthMetadata {
        issuer: "https://broker.example".to_owned(),
        token_endpoint: "https://broker.example/oauth2/token".to_owned(),
        grant_types_supported: vec!["client_credentials".to_owned()],
        token_endpoint_auth_methods_supported: vec!["client_secret_basic".to_owned(), "client_secret_post".to_owned()],
        response_types_supported: Vec::new(),
    }
}

/// The proxy takes any method; these are the ones that a description can be asked for.
const PROXIED: [(&str, &str); 5] = [
    ("GET", "proxyGet"),
    ("POST", "proxyPost"),
    ("PUT", "proxyPut"),
    ("PATCH", "proxyPatch"),
    ("DELETE", "proxyDelete"),
];
