//! Each request has a name, by which an answer is found in the log.

use std::collections::BTreeSet;

use reqwest::Response;
use reqwest::header::HeaderValue;

use crate::secrets::log;
use crate::world::Setup;

const NAME: &str = "x-request-id";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_callers_own_name_of_a_request_is_kept_if_it_is_short_and_visible() {
    let world = Setup::open().start().await;
    let longest = "x".repeat(128);
    for (given, is_kept) in [
        ("a", true),
        ("6f1d-\"trace\"/{7}", true),
        (&*longest, true),
        (&*format!("{longest}x"), false),
        ("", false),
        ("two words", false),
        ("tab\there", false),
    ] {
        let answer = world.ask("/livez").header(NAME, given).send().await.unwrap();
        let id = id(&answer);
        assert_eq!(id == given, is_kept, "{given:?} became {id:?}");
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");
    }
    let bytes = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    assert_eq!(id(&world.ask("/livez").header(NAME, bytes).send().await.unwrap()).len(), 32);
    let twice = world.ask("/livez").header(NAME, "one").header(NAME, "two").send().await.unwrap();
    assert_eq!(id(&twice).len(), 32);
    world.end().await;
}

#[tokio::test]
async fn every_answer_has_a_name_of_its_own_also_one_that_refuses() {
    let world = Setup::keyed().start().await;
    let mut names = BTreeSet::new();
    for path in ["/tokens/fixed", "/tokens/fixed", "/tokens/unknown", "/nowhere", "/livez", "/tokens?limit=x"] {
        names.insert(id(&world.get(path).await));
    }
    names.insert(id(&world.http.get(world.url("/tokens")).send().await.unwrap()));
    names.insert(id(&world.http.post(world.url("/tokens")).header("host", "evil.example").send().await.unwrap()));
    assert_eq!(names.len(), 8, "{names:?}");
    world.end().await;
}

#[tokio::test]
async fn the_log_has_the_name() {
    let world = Setup::open().start().await;
    world.ask("/tokens/fixed").header(NAME, "seen-in-the-log").send().await.unwrap();
    world.end().await;
    let log = log();
    let line = log.lines().find(|line| line.contains("answered") && line.contains("seen-in-the-log")).unwrap();
    assert!(line.contains("route=\"/tokens/{key}\""), "{line}");
}

#[tokio::test]
async fn the_line_of_a_request_that_failed_has_the_problems_code_whatever_the_protocol() {
    let world = Setup::keyed().start().await;
    for (method, path, code) in [
        ("GET", "/tokens/unknown", "unknown_key"),
        ("GET", "/tokens?limit=x", "invalid_request"),
        ("GET", "/auth/unknown", "unknown_key"),
        ("GET", "/proxy/unknown/x", "unknown_key"),
        ("POST", "/oauth2/token", "invalid_request"),
        ("PUT", "/oauth2/token", "invalid_request"),
    ] {
        let name = format!("code-in-the-log-{}", path.replace('/', "-")) + method;
        world.send(method, path).header(NAME, &name).send().await.unwrap();
        assert!(answered(&name).contains(&format!("code=\"{code}\"")), "{method} {path}: {}", answered(&name));
    }
    let form = "grant_type=client_credentials&client_id=fixed&client_secret=planted-wrong-secret";
    let asked = world
        .http
        .post(world.url("/oauth2/token"))
        .header(NAME, "code-of-a-wrong-secret")
        .header("content-type", FORM)
        .body(form);
    asked.send().await.unwrap();
    assert!(answered("code-of-a-wrong-secret").contains("code=\"unauthenticated\""));
    world.ask("/tokens/fixed").header(NAME, "code-of-a-success").send().await.unwrap();
    assert!(!answered("code-of-a-success").contains("code="));
    world.end().await;
}

/// The line of a request.
fn answered(name: &str) -> String {
    log().lines().find(|line| line.contains("answered") && line.contains(name)).unwrap().to_owned()
}

fn id(answer: &Response) -> String {
    let mut names = answer.headers().get_all(NAME).iter();
    let name = names.next().unwrap().to_str().unwrap().to_owned();
    assert!(names.next().is_none());
    name
}
