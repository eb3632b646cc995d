//! The description of the API, held against the running server. What it says of bodies, a program that others wrote tries
//! out: `tokenkeep-cli/tests/cli/described.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use tokenkeep_server::{OPENAPI, openapi_page};

use crate::raw;
use crate::world::Setup;

/// The routes of the description, with what a path's parameters stand for put in, and what it says of them.
fn routes() -> Vec<(String, Value)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap().clone();
    paths
        .into_iter()
        .map(|(path, methods)| (path.replace("{key}", "fixed").replace("{account}", "7"), methods))
        .collect()
}

#[tokio::test]
async fn each_route_has_the_methods_that_are_described() {
    let world = Setup::open().start().await;
    for (path, methods) in routes() {
        // Whatever method is asked for, it is sent on.
        if path.starts_with("/proxy/") || path.starts_with("/auth/") {
            continue;
        }
        let answer = world.http.request("PURGE".parse().unwrap(), world.url(&path)).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        let allow = answer.headers()["allow"].to_str().unwrap().to_ascii_lowercase();
        // HEAD is what GET is, and is not described again.
        let known: BTreeSet<_> = allow.split(", ").filter(|method| *method != "head").collect();
        let described: BTreeSet<_> = methods.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, known, "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn each_method_takes_the_parameters_that_are_described() {
    let world = Setup::open().start().await;
    for (path, methods) in routes() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let described: Vec<_> = parameters.filter(|one| one["in"] == "query").map(|one| &one["name"]).collect();
            let method = method.to_ascii_uppercase().parse().unwrap();
            // A form of its own, or no look at what is asked.
            if ["/proxy/", "/auth/", "/oauth2/", "/.well-known/", "/livez", "/readyz"]
                .iter()
                .any(|start| path.starts_with(start))
            {
                continue;
            }
            let asked = world.http.request(method, world.url(&format!("{path}?nonsense=1")));
            let problem: Value = asked.send().await.unwrap().json().await.unwrap();
            let detail = problem["detail"].as_str().unwrap();
            let (_, known) = detail.split_once("; this route takes ").unwrap();
            let known: BTreeSet<_> = known.split(", ").filter(|name| *name != "none").collect();
            assert_eq!(described.iter().filter_map(|name| name.as_str()).collect::<BTreeSet<_>>(), known, "{path}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn what_any_route_can_answer_is_described_at_each() {
    let world = Setup::open().start().await;
    for (path, methods) in routes() {
        let path = path.replace("{path}", "x");
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            for host in ["a b", "elsewhere.example"] {
                let request = format!("{method} {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n");
                let answer = raw::send(world.address, &request).await;
                let status = &answer["HTTP/1.1 ".len()..][..3];
                assert!(["400", "403"].contains(&status), "{method} {path}: {answer}");
                assert!(operation["responses"][status].is_object(), "{method} {path}: {answer}");
            }
        }
    }
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let asked = world.get("/oauth2/token").await;
    assert_eq!(asked.status(), 405);
    assert!(document["paths"]["/oauth2/token"]["post"]["responses"]["405"].is_object());
    world.end().await;
}

#[tokio::test]
async fn everybody_has_the_description_and_its_page_and_a_foreign_page_has_neither() {
    let world = Setup::keyed().start().await;
    let nobody = |method: &str, path: &str| world.http.request(method.parse().unwrap(), world.url(path));
    let description = nobody("GET", "/openapi.json").send().await.unwrap();
    assert_eq!(
        (description.status().as_u16(), &description.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert_eq!(description.text().await.unwrap(), OPENAPI);
    let page = nobody("GET", "/docs").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.text().await.unwrap(), openapi_page());
    for path in ["/openapi.json", "/docs"] {
        assert_eq!(nobody("HEAD", path).send().await.unwrap().status(), 200, "{path}");
        assert_eq!(nobody("GET", &format!("{path}?nonsense=1")).send().await.unwrap().status(), 400, "{path}");
        let foreign = nobody("GET", path).header("sec-fetch-site", "cross-site");
        assert_eq!(foreign.send().await.unwrap().status(), 403, "{path}");
    }
    for path in ["/", "/tokens", "/openapi.jso", "/docs/"] {
        assert_eq!(nobody("GET", path).send().await.unwrap().status(), 401, "{path}");
    }
    world.end().await;
}
