//! What of a request reaches the API, and what of its answer the caller.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokenkeep::provider::{OwnHeader, TokenHeader};

use super::api::{Api, callers, data, http1, number, steered, text};
use crate::raw;
use crate::secrets::API_KEY;
use crate::world::Setup;

fn listed(headers: &HeaderMap) -> Vec<String> {
    let mut listed: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    listed.sort();
    listed
}

#[tokio::test]
async fn what_is_for_the_api_reaches_it_and_nothing_of_who_the_caller_is() {
    let api = Api::start(async |_| Response::default()).await;
    let (mut setup, _) = api.setup();
    setup.toml = Setup::keyed().toml;
    let world = setup.start().await;
    for (http, via) in callers().into_iter().zip(["1.1", "2"]) {
        let request = Request::post(world.url("/proxy/api/things"))
            .header("X-API-Key", API_KEY)
            .header("Authorization", format!("Bearer {API_KEY}"))
            .header("Proxy-Authorization", "Basic planted")
            .header("X-Forwarded-For", "10.0.0.1")
            .header("X-Forwarded-Client-Cert", "Hash=1")
            .header("Forwarded", "for=10.0.0.1")
            .header("X_Forwarded_For", "10.0.0.1")
            .header("X_Original-URL", "/admin")
            .header("X_API_Key", API_KEY)
            .header("TE", "trailers")
            .header("Accept", "text/csv")
            .header("Cookie", "a=1")
            .header("Cookie", "b=2")
            .header("Via", "1.0 fred");
        assert_eq!(http.request(request.body(Body::from("text")).unwrap()).await.unwrap().status(), 200);
        let seen = api.seen().pop().unwrap();
        assert_eq!(number(&seen), 1);
        let mut headers = seen.headers;
        headers.remove("authorization");
        assert_eq!(headers.remove("x-request-id").unwrap().len(), 32);
        assert_eq!(
            listed(&headers),
            [
                "accept: text/csv".to_owned(),
                "connection: te".to_owned(),
                "content-length: 4".to_owned(),
                "cookie: a=1; b=2".to_owned(),
                format!("host: {}", api.address),
                "te: trailers".to_owned(),
                "via: 1.0 fred".to_owned(),
                format!("via: {via} tokenkeep"),
            ]
        );
    }
    // What only HTTP/1.1 can say.
    let answer = raw::send(
        world.address,
        &format!(
            "POST /proxy/api/things HTTP/1.1\nHost: localhost\nX-API-Key: {API_KEY}\nConnection: close, X-One\nX-One: 1\n\
             Keep-Alive: timeout=5\nProxy-Connection: keep-alive\nUpgrade: websocket\nTransfer-Encoding: chunked\n\n\
             4\ntext\n0\n\n"
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut headers = api.seen().pop().unwrap().headers;
    headers.remove("authorization");
    headers.remove("x-request-id");
    let host = format!("host: {}", api.address);
    assert_eq!(listed(&headers), [&*host, "transfer-encoding: chunked", "via: 1.1 tokenkeep"]);
    world.end().await;
}

#[tokio::test]
async fn what_is_for_the_caller_reaches_it_and_nothing_of_the_connection_to_the_api() {
    let api = Api::saying(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Connection: close, X-One\r\nX-One: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\n\
         Alt-Svc: h3=\":443\"\r\nTokenkeep-Problem: forbidden\r\nX-Request-Id: 7\r\nTransfer-Encoding: chunked\r\n\
         Date: Sun, 17 Mar 2030 17:46:40 GMT\r\n\r\n4\r\nslow\r\n0\r\n\r\n",
    )
    .await;
    let (setup, tokens) = api.setup();
    let world = setup.start().await;
    for http in callers() {
        let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
        assert_eq!(answer.status(), 429);
        let mut headers = answer.headers().clone();
        headers.remove("transfer-encoding");
        assert_eq!(
            listed(&headers),
            [
                "content-security-policy: sandbox",
                "date: Sun, 17 Mar 2030 17:46:40 GMT",
                "retry-after: 7",
                "set-cookie: a=1",
                "set-cookie: b=2",
                "via: 1.1 tokenkeep",
                "x-request-id: 7",
            ]
        );
        assert_eq!(text(answer).await, "slow");
    }
    assert_eq!(tokens.issued(), 1);
    world.end().await;
}

#[tokio::test]
async fn an_answer_that_states_a_length_and_is_chunked_is_not_cut() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let api = Api::saying(answer).await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let answer = http.get(world.url("/proxy/api/").parse().unwrap()).await.unwrap();
        assert_eq!(answer.headers().get("content-length"), None);
        assert_eq!(text(answer).await, "abc");
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_encoded_for_the_connection_in_another_way_is_refused() {
    let api = Api::start(async |_| Response::default()).await;
    let world = api.setup().0.start().await;
    for (encoding, status) in [
        ("Transfer-Encoding: gzip, chunked", "400"),
        ("Transfer-Encoding: gzip\nTransfer-Encoding: chunked", "400"),
        ("Transfer-Encoding: Chunked", "200"),
    ] {
        let head = format!("POST /proxy/api/ HTTP/1.1\nHost: localhost\nConnection: close\n{encoding}\n");
        let answer = raw::send(world.address, &format!("{head}\n3\nabc\n0\n\n")).await;
        assert_eq!(answer.get(9..12), Some(status), "{encoding}: {answer}");
    }
    assert_eq!(api.seen().len(), 1);
    world.end().await;
}

/// What may not stand in trailers.
const FORBIDDEN: [&str; 9] = [
    "authorization",
    "x-api-key",
    "x_api_key",
    "x-forwarded-for",
    "x_forwarded_for",
    "x-auth-token",
    "x_auth_token",
    "tokenkeep-problem",
    "content-length",
];

/// All of these and one that may.
fn trailers(allowed: &'static str) -> HeaderMap {
    let forbidden = FORBIDDEN.iter().map(|name| (name.parse().unwrap(), "planted".parse().unwrap()));
    forbidden.chain([(allowed.parse().unwrap(), "7".parse().unwrap())]).collect()
}

#[tokio::test]
async fn what_may_not_stand_in_a_head_may_not_stand_in_trailers() {
    let api = Api::start(async |request| {
        let sent = request.into_body().collect().await.unwrap();
        let names: Vec<_> = sent.trailers().unwrap().keys().map(ToString::to_string).collect();
        let (sender, body) = steered();
        sender.try_send(Ok(Frame::trailers(trailers("x-back")))).unwrap();
        let answer = Response::builder().header("X-Names", names.join(" "));
        answer.header("Trailer", format!("x-back, {}", FORBIDDEN.join(", "))).body(body).unwrap()
    })
    .await;
    let header = TokenHeader::Own(OwnHeader::new(Some("X-Auth-Token"), "key {token}").unwrap());
    let world = api.setup_with(|api| api.with_header(header)).0.start().await;
    for http in callers() {
        let (sender, body) = steered();
        sender.try_send(Ok(Frame::trailers(trailers("x-there")))).unwrap();
        drop(sender);
        let request = Request::post(world.url("/proxy/api/")).header("TE", "trailers");
        let request = request.header("Trailer", format!("x-there, {}", FORBIDDEN.join(", ")));
        let answer = http.request(request.body(body).unwrap()).await.unwrap();
        let seen = answer.headers()["x-names"].to_str().unwrap().to_owned();
        assert_eq!(seen, "x-there");
        let answer = answer.into_body().collect().await.unwrap();
        for name in ["tokenkeep-problem", "content-length"] {
            assert_eq!(answer.trailers().unwrap().get(name), None, "{name}");
        }
        assert_eq!(answer.trailers().unwrap()["x-back"], "7");
    }
    world.end().await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let api = Api::start(async |request| {
        let accepts = request.headers().get("te").is_some();
        let sent = request.into_body().collect().await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-back", sent.trailers().unwrap()["x-there"].clone());
        let (sender, body) = steered();
        sender.try_send(Ok(Frame::trailers(trailers))).unwrap();
        assert!(accepts);
        Response::builder().header("Trailer", "x-back").body(body).unwrap()
    })
    .await;
    let world = api.setup().0.start().await;
    for http in callers() {
        let (sender, body) = steered();
        let request = Request::post(world.url("/proxy/api/")).header("TE", "trailers").header("Trailer", "x-there");
        let mut trailers = HeaderMap::new();
        trailers.insert("x-there", "7".parse().unwrap());
        let sending = async {
            sender.send(data("text")).await.unwrap();
            sender.send(Ok(Frame::trailers(trailers))).await.unwrap();
            drop(sender);
        };
        let (answer, ()) = tokio::join!(http.request(request.body(body).unwrap()), sending);
        let answer = answer.unwrap().into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["x-back"], "7");
    }
    world.end().await;
}

#[tokio::test]
async fn a_token_takes_the_place_of_what_a_caller_put_into_its_header() {
    let api = Api::start(async |_| Response::default()).await;
    let header = TokenHeader::Own(OwnHeader::new(Some("X-Auth-Token"), "key {token}").unwrap());
    let world = api.setup_with(|api| api.with_header(header)).0.start().await;
    for http in callers() {
        let request = Request::get(world.url("/proxy/api/")).header("X-Auth-Token", "mine");
        let request = request.header("X_Auth_Token", "mine").header("Authorization", "mine");
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(http.request(request).await.unwrap().status(), 200);
        let headers = api.seen().pop().unwrap().headers;
        let values: Vec<_> = headers.get_all("x-auth-token").iter().collect();
        assert_eq!(values, ["key planted-proxied-token-1"]);
        assert!(!headers.contains_key("authorization") && !headers.contains_key("x_auth_token"));
    }
    world.end().await;
}

#[tokio::test]
async fn a_caller_that_waits_to_be_told_to_go_on_is_told() {
    let api = Api::start(async |request| Response::new(Body::new(request.into_body()))).await;
    let world = api.setup().0.start().await;
    let head =
        "POST /proxy/api/ HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 4\nExpect: 100-continue\n\n";
    let answer = raw::send(world.address, &format!("{head}text")).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ntext") && !api.seen()[0].headers.contains_key("expect"), "{answer}");
    world.end().await;
}

#[tokio::test]
async fn an_answer_without_a_body_keeps_what_it_says_of_its_length() {
    for (method, head, length) in [
        (Method::HEAD, "200 OK\r\nContent-Length: 5\r\n", Some("5")),
        (Method::HEAD, "200 OK\r\n", None),
        (Method::HEAD, "200 OK\r\nTransfer-Encoding: chunked\r\n", None),
        (Method::GET, "304 Not Modified\r\n", None),
        (Method::GET, "204 No Content\r\n", None),
        (Method::GET, "200 OK\r\nContent-Length: 0\r\n", Some("0")),
    ] {
        let api = Api::saying(format!("HTTP/1.1 {head}\r\n")).await;
        let world = api.setup().0.start().await;
        for http in callers() {
            let request = Request::builder().method(&method).uri(world.url("/proxy/api/"));
            let answer = http.request(request.body(Body::empty()).unwrap()).await.unwrap();
            let found = answer.headers().get("content-length").map(|length| length.to_str().unwrap().to_owned());
            assert_eq!(found.as_deref(), length, "{method} {head} {:?}", answer.version());
            assert_eq!(text(answer).await, "");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn every_method_is_sent_on_but_one_that_would_show_the_token() {
    let api = Api::start(async |_| Response::default()).await;
    let world = api.setup().0.start().await;
    for http in callers() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE", "QUERY"] {
            let request = Request::builder().method(method).uri(world.url("/proxy/api/"));
            assert_eq!(http.request(request.body(Body::empty()).unwrap()).await.unwrap().status(), 200);
            assert_eq!(api.seen().pop().unwrap().method, *method);
        }
        let count = api.seen().len();
        for method in ["TRACE", "trace", "Trace", "TRACK", "track"] {
            let request = Request::builder().method(method).uri(world.url("/proxy/api/")).body(Body::empty());
            let answer = http.request(request.unwrap()).await.unwrap();
            assert_eq!((answer.status(), api.seen().len()), (StatusCode::BAD_REQUEST, count), "{method}");
        }
    }
    for method in ["CONNECT", "connect"] {
        let request = format!("{method} /proxy/api/x HTTP/1.1\nHost: localhost\nConnection: close\n\n");
        let answer = raw::send(world.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(api.seen().iter().all(|seen| !seen.method.as_str().eq_ignore_ascii_case("CONNECT")));
    world.end().await;
}

#[tokio::test]
async fn a_header_that_changes_the_method_is_sent_on_but_for_one_that_would_show_the_token() {
    let api = Api::start(async |_| Response::default()).await;
    let world = api.setup().0.start().await;
    for name in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "X_HTTP_Method_Override"] {
        let ask = async |method: &str| {
            let request = Request::post(world.url("/proxy/api/")).header(name, method).body(Body::empty()).unwrap();
            http1().request(request).await.unwrap().status()
        };
        assert_eq!(ask("DELETE").await, 200);
        assert_eq!(api.seen().pop().unwrap().headers[name], "DELETE");
        let count = api.seen().len();
        for method in ["TRACE", " trace ", "Track", "CONNECT", "PATCH, TRACE"] {
            assert_eq!((ask(method).await, api.seen().len()), (StatusCode::BAD_REQUEST, count), "{name}: {method}");
        }
    }
    world.end().await;
}
