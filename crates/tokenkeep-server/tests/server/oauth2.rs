//! `POST /oauth2/token` and the documents that say where it is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokenkeep_sandbox::Fault;

use crate::certificates::{Authority, Files};
use crate::raw;
use crate::secrets::{API_KEY, PASSWORD, STATIC_TOKEN, VENDOR_TOKEN};
use crate::world::{Setup, World};

const OTHER_KEY: &str = "planted-key+of/the=other%2Bone";

/// `billing` may get `vendor:*` and `reports`, `prober` may see `fixed` and get nothing.
fn callers() -> Setup {
    Setup::open().caller("billing", API_KEY, "\"vendor:*\", \"reports\", \"vendor\"", "\"get\"").caller(
        "prober",
        OTHER_KEY,
        "\"fixed\"",
        "\"refresh\"",
    )
}

fn post(world: &World, parameters: &[(&str, &str)]) -> RequestBuilder {
    let body = Serializer::new(String::new()).extend_pairs(parameters).finish();
    world
        .http
        .post(world.url("/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
        .body(body)
}

async fn ask(world: &World, parameters: &[(&str, &str)]) -> Response {
    post(world, parameters).send().await.unwrap()
}

/// What is joined by Basic, as it is.
async fn ask_by_basic(world: &World, joined: &str, parameters: &[(&str, &str)]) -> Response {
    let value = format!("Basic {}", STANDARD.encode(joined));
    post(world, parameters).header("authorization", value).send().await.unwrap()
}

/// The status and the error of an answer that must have the form of RFC 6749 section 5.2.
async fn refusal(answer: Response) -> (u16, String) {
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["pragma"], "no-cache");
    let status = answer.status().as_u16();
    if status == 401 {
        assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"tokenkeep\"");
    }
    let body: Value = answer.json().await.unwrap();
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["error", "error_description"]);
    let description = body["error_description"].as_str().unwrap();
    assert!(description.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'), "{description}");
    assert!(!description.contains("planted-"), "{description}");
    (status, body["error"].as_str().unwrap().to_owned())
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_token_is_answered_in_the_words_of_the_rfc() {
    let world = callers().start().await;
    let answer =
        ask(&world, &[GRANT, ("client_id", "vendor:7"), ("client_secret", API_KEY), ("resource", "passed over")]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["pragma"], "no-cache");
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({ "access_token": VENDOR_TOKEN, "token_type": "Bearer", "expires_in": 3600, "scope": "read write" })
    );
    world.clock.advance(Duration::from_millis(1500));
    let later = ask(&world, &[GRANT, ("client_id", "vendor:7"), ("client_secret", API_KEY)]).await;
    assert_eq!(later.json::<Value>().await.unwrap()["expires_in"], 3598);
    world.end().await;
}

#[tokio::test]
async fn scope_names_the_key_of_a_client_that_goes_by_its_callers_name_and_is_granted_as_it_was_asked_for() {
    let world = callers().start().await;
    for id in [Some("billing"), Some("vendor:7"), None] {
        let mut parameters = vec![GRANT, ("scope", "vendor:7"), ("client_secret", API_KEY)];
        parameters.extend(id.map(|id| ("client_id", id)));
        let answer = ask(&world, &parameters).await;
        assert_eq!(
            answer.json::<Value>().await.unwrap(),
            json!({ "access_token": VENDOR_TOKEN, "token_type": "Bearer", "expires_in": 3600 }),
            "{id:?}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_token_that_does_not_end_has_no_expires_in() {
    let world = Setup::keyed().start().await;
    let answer = ask(&world, &[GRANT, ("client_id", "fixed"), ("client_secret", API_KEY)]).await;
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "access_token": STATIC_TOKEN, "token_type": "Bearer" }));
    world.end().await;
}

#[tokio::test]
async fn basic_works_whether_or_not_a_client_encodes_its_id_and_secret() {
    let both = |setup: Setup, name, key| setup.caller(name, key, "\"vendor:*\"", "\"get\"");
    let world = both(both(Setup::open(), "a", API_KEY), "b", OTHER_KEY).start().await;
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for id in ["vendor:7", "vendor:ann+x@example.com"] {
        for key in [API_KEY, OTHER_KEY] {
            for joined in [format!("{id}:{key}"), format!("{}:{}", encoded(id), encoded(key))] {
                assert_eq!(ask_by_basic(&world, &joined, &[GRANT]).await.status(), 200, "{joined}");
            }
        }
    }
    // Of the two ways of writing it, the id in the body is the same.
    let same = [GRANT, ("client_id", "vendor:7")];
    assert_eq!(ask_by_basic(&world, &format!("vendor%3A7:{API_KEY}"), &same).await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn whoever_has_no_key_of_a_caller_is_an_invalid_client() {
    let world = callers().start().await;
    for parameters in [
        &[GRANT, ("client_id", "vendor:7"), ("client_secret", "wrong")][..],
        &[GRANT, ("client_id", "vendor:7"), ("client_secret", "")],
        &[GRANT, ("client_id", "vendor:7")],
        &[GRANT, ("client_id", "unknown"), ("client_secret", "wrong")],
        &[GRANT],
        &[("grant_type", "password"), ("client_id", "vendor:7"), ("client_secret", "wrong")],
        // Its own key, and a name that is not its own.
        &[GRANT, ("client_id", "prober"), ("client_secret", API_KEY), ("scope", "vendor:7")],
    ] {
        let answer = refusal(ask(&world, parameters).await).await;
        assert_eq!(answer, (401, "invalid_client".to_owned()), "{parameters:?}");
    }
    for joined in ["vendor:7:wrong", "vendor:7:", "vendor", "", ":"] {
        let answer = refusal(ask_by_basic(&world, joined, &[GRANT]).await).await;
        assert_eq!(answer, (401, "invalid_client".to_owned()), "{joined}");
    }
    for value in ["Basic", "Basic ?", "Digest x", "Bearer wrong"] {
        let answer = post(&world, &[GRANT]).header("authorization", value).send().await.unwrap();
        assert_eq!(refusal(answer).await, (401, "invalid_client".to_owned()), "{value}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_caller_that_is_known_otherwise_needs_no_secret() {
    let world = callers().start().await;
    for (name, value) in [("x-api-key", API_KEY), ("authorization", "Bearer planted-api-key")] {
        let answer = post(&world, &[GRANT, ("client_id", "vendor")]).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_key_that_is_not_there_and_one_that_is_not_for_the_caller_are_the_same_invalid_scope() {
    let world = callers().start().await;
    let mut answers = Vec::new();
    for name in ["fixed", "unknown", "unknown:7", "reports:7"] {
        for parameters in [
            vec![GRANT, ("client_id", "billing"), ("client_secret", API_KEY), ("scope", name)],
            vec![GRANT, ("client_id", name), ("client_secret", API_KEY)],
        ] {
            let answer = ask(&world, &parameters).await;
            answers.push((answer.status(), answer.text().await.unwrap()));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].1.contains("invalid_scope") && answers[0].0 == 400);
    for scope in ["vendor:7 reports", "vendor:", "https://graph.microsoft.com/.default", " "] {
        let parameters = [GRANT, ("client_id", "billing"), ("client_secret", API_KEY), ("scope", scope)];
        assert_eq!(refusal(ask(&world, &parameters).await).await, (400, "invalid_scope".to_owned()), "{scope}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_a_caller_may_not_do_is_unauthorized_client() {
    let world = callers().start().await;
    let answer = ask(&world, &[GRANT, ("client_id", "fixed"), ("client_secret", OTHER_KEY)]).await;
    assert_eq!(refusal(answer).await, (400, "unauthorized_client".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn other_grants_are_unsupported() {
    let world = callers().start().await;
    for grant in ["password", "refresh_token", "authorization_code", "CLIENT_CREDENTIALS"] {
        let answer = ask(&world, &[("grant_type", grant), ("client_id", "vendor"), ("client_secret", API_KEY)]).await;
        assert_eq!(refusal(answer).await, (400, "unsupported_grant_type".to_owned()), "{grant}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_no_request_of_the_rfc_is_an_invalid_request() {
    let world = callers().start().await;
    let id = ("client_id", "vendor");
    let secret = ("client_secret", API_KEY);
    for parameters in [
        &[id, secret][..],
        &[("grant_type", ""), id, secret],
        &[GRANT, secret],
        &[GRANT, GRANT, id, secret],
        &[GRANT, id, id, secret],
        &[GRANT, id, secret, ("scope", "vendor"), ("scope", "")],
        &[GRANT, id, secret, ("anything", "1"), ("anything", "2")],
    ] {
        assert_eq!(refusal(ask(&world, parameters).await).await, (400, "invalid_request".to_owned()), "{parameters:?}");
    }
    let basic = format!("vendor:{API_KEY}");
    for parameters in [&[GRANT, secret][..], &[GRANT, ("client_id", "reports")]] {
        let answer = ask_by_basic(&world, &basic, parameters).await;
        assert_eq!(refusal(answer).await, (400, "invalid_request".to_owned()), "{parameters:?}");
    }
    let twice = post(&world, &[GRANT, id, secret]).header("x-api-key", API_KEY);
    assert_eq!(refusal(twice.send().await.unwrap()).await.1, "invalid_request");
    let body = format!("grant_type=client_credentials&client_id=vendor&client_secret={API_KEY}");
    for (query, kind) in [("?scope=vendor", "application/x-www-form-urlencoded"), ("", "application/json"), ("", "")] {
        let request = world.http.post(world.url(&format!("/oauth2/token{query}"))).body(body.clone());
        let answer = request.header("content-type", kind).send().await.unwrap();
        assert_eq!(refusal(answer).await, (400, "invalid_request".to_owned()), "{query} {kind}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_refused_on_the_way_is_refused_in_the_same_words() {
    let world = callers().start().await;
    let parameters = [GRANT, ("client_id", "vendor"), ("client_secret", API_KEY)];
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = world.http.request(method, world.url("/oauth2/token")).send().await.unwrap();
        assert_eq!(answer.headers()["allow"], "POST");
        assert_eq!(refusal(answer).await, (405, "invalid_request".to_owned()));
    }
    let foreign = post(&world, &parameters).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(refusal(foreign).await, (400, "unauthorized_client".to_owned()));
    let long = "x".repeat(64 * 1024);
    let large = ask(&world, &[parameters[0], parameters[1], parameters[2], ("more", &long)]).await;
    assert_eq!(refusal(large).await, (413, "invalid_request".to_owned()));
    let head = "POST /oauth2/token HTTP/1.1\nHost: localhost\nConnection: close\nTransfer-Encoding: chunked\n\
                Content-Type: application/x-www-form-urlencoded\n\n";
    let chunked = raw::send(world.address, &format!("{head}{:x}\n{long}xx\n0\n\n", long.len() + 2)).await;
    assert!(chunked.starts_with("HTTP/1.1 413 ") && chunked.contains("\"invalid_request\""), "{chunked}");
    world.end().await;
}

#[tokio::test]
async fn trouble_with_the_issuer_says_whether_to_try_again() {
    let world = callers().start().await;
    let parameters = [GRANT, ("client_id", "reports"), ("client_secret", API_KEY)];
    world.sandbox.set_fault(Fault::Status { status: 503, body: "down".to_owned() });
    let answer = ask(&world, &parameters).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(refusal(answer).await, (503, "temporarily_unavailable".to_owned()));
    world.sandbox.set_fault(Fault::InvalidClient);
    world.clock.advance(Duration::from_secs(2));
    let answer = ask(&world, &parameters).await;
    assert_eq!(answer.headers().get("retry-after"), None);
    assert_eq!(refusal(answer).await, (502, "server_error".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_again() {
    let mut setup = callers();
    setup.toml = setup.toml.replacen("[server]\n", "[server]\nrequests = \"1/1m\"\n", 1);
    let world = setup.start().await;
    let parameters = [GRANT, ("client_id", "vendor:7"), ("client_secret", API_KEY)];
    assert_eq!(ask(&world, &parameters).await.status(), 200);
    let answer = ask(&world, &parameters).await;
    assert_eq!(answer.headers()["retry-after"], "60");
    assert_eq!(refusal(answer).await, (429, "temporarily_unavailable".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn without_callers_any_secret_and_none_will_do() {
    let world = Setup::open().start().await;
    for parameters in [
        &[GRANT, ("client_id", "vendor:7")][..],
        &[GRANT, ("client_id", "vendor:7"), ("client_secret", "any")],
        &[GRANT, ("client_id", "whoever"), ("client_secret", "any"), ("scope", "vendor:7")],
        &[GRANT, ("scope", "vendor:7")],
    ] {
        assert_eq!(ask(&world, parameters).await.status(), 200, "{parameters:?}");
    }
    assert_eq!(ask_by_basic(&world, "vendor:7:any", &[GRANT]).await.status(), 200);
    let unknown = ask(&world, &[GRANT, ("client_id", "unknown")]).await;
    assert_eq!(refusal(unknown).await, (400, "invalid_scope".to_owned()));
    world.end().await;
}

#[tokio::test]
async fn a_bare_name_is_an_account_of_the_default_provider_here_too() {
    let world = Setup::keyed().with_accounts().start().await;
    let stored = world.send("POST", &format!("/tokens/credentials/7?username=ann&password={PASSWORD}"));
    assert_eq!(stored.send().await.unwrap().status(), 200);
    for parameters in [[GRANT, ("client_id", "7")], [GRANT, ("scope", "7")]] {
        let answer = post(&world, &parameters).header("x-api-key", API_KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(world.json("/tokens/7/status").await.1["generation"], 1);
    world.end().await;
}

#[tokio::test]
async fn the_documents_say_where_the_endpoint_is_by_the_name_that_was_asked() {
    let world = callers().start().await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let (answer, issuer) = (world.get(path).await, format!("http://{}", world.address));
        assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
        assert_eq!(
            answer.json::<Value>().await.unwrap(),
            json!({
                "issuer": issuer,
                "token_endpoint": format!("{issuer}/oauth2/token"),
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "response_types_supported": [],
            })
        );
        for (headers, issuer) in [
            ("Host: localhost:1", "http://localhost:1"),
            ("Host: localhost\nX-Forwarded-Proto: https", "https://localhost"),
            ("Host: localhost\nX-Forwarded-Proto: ftp", "http://localhost"),
            ("Host: localhost\nX-Forwarded-Proto: https\nX-Forwarded-Proto: http", "http://localhost"),
        ] {
            let (status, answer) = raw::get(world.address, path, headers).await;
            assert!(status == 200 && answer.contains(&format!("\"issuer\":\"{issuer}\"")), "{answer}");
        }
        assert_eq!(raw::get(world.address, path, "Host: evil.example").await.0, 403);
        assert_eq!(world.http.post(world.url(path)).send().await.unwrap().status(), 405);
    }
    world.end().await;
}

#[tokio::test]
async fn by_tls_the_documents_say_https_whatever_a_header_says() {
    let authority = Authority::new();
    let files = Files::new(&authority.server());
    let world = Setup { toml: files.toml(), ..Setup::open() }.start().await;
    let origin = world.url("").replace("http:", "https:");
    let http = authority.trusting().build().unwrap();
    let path = "/.well-known/oauth-authorization-server";
    let answer = http.get(format!("{origin}{path}")).header("x-forwarded-proto", "http").send().await.unwrap();
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["token_endpoint"], format!("{origin}/oauth2/token"));
    world.end().await;
}

#[tokio::test]
async fn a_client_that_names_its_caller_or_an_issuers_scope_is_told_what_to_name() {
    let world = callers().start().await;
    let (own, secret) = (("client_id", "billing"), ("client_secret", API_KEY));
    let no_key = "scope names a key of the broker, e.g. graph; leave out the issuer's scopes";
    for (parameters, error, description) in [
        (&[GRANT, own, secret][..], "invalid_request", "name the key of the token in scope"),
        (&[GRANT, own, secret, ("scope", "https://graph.example.com/.default")], "invalid_scope", no_key),
        (&[GRANT, own, secret, ("scope", "vendor\\read")], "invalid_scope", no_key),
        (
            &[GRANT, secret, ("client_id", "https://client.example")],
            "invalid_scope",
            "client_id names no key of the broker; name the key of the token in scope",
        ),
    ] {
        let answer = ask(&world, parameters).await;
        assert_eq!(answer.status(), 400);
        let expected = json!({ "error": error, "error_description": description });
        assert_eq!(answer.json::<Value>().await.unwrap(), expected, "{parameters:?}");
    }
    world.end().await;
    // Where there is a key of the caller's name, it is that key.
    let world = Setup::open().caller("vendor", API_KEY, "\"vendor\"", "\"get\"").start().await;
    assert_eq!(ask(&world, &[GRANT, ("client_id", "vendor"), secret]).await.status(), 200);
    world.end().await;
}

#[tokio::test]
async fn an_empty_secret_is_not_mended_by_where_the_client_comes_from() {
    let world = callers().start().await;
    let empty = [GRANT, ("scope", "vendor:1"), ("client_id", "billing"), ("client_secret", "")];
    assert_eq!(refusal(ask(&world, &empty).await).await, (401, "invalid_client".to_owned()));
    // Beside a header that says who asks it is as if it were left out.
    for (name, value) in [("x-api-key", API_KEY), ("authorization", "Bearer planted-api-key")] {
        assert_eq!(post(&world, &empty).header(name, value).send().await.unwrap().status(), 200, "{name}");
    }
    assert_eq!(ask_by_basic(&world, &format!("billing:{API_KEY}"), &empty).await.status(), 200);
    for (name, value) in [("x-api-key", "wrong"), ("authorization", "Bearer wrong"), ("authorization", "")] {
        let answer = post(&world, &empty).header(name, value).send().await.unwrap();
        assert_eq!(refusal(answer).await, (401, "invalid_client".to_owned()), "{name}: {value}");
    }
    world.end().await;
}
