//! The description of the API, held against the running server. What it says of bodies, a program that others wrote tries
//! out: `tokenkeep-cli/tests/cli/described.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use tokenkeep_server::{OPENAPI, openapi_page};

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
            let (_, known) = detail.split_once("there is no parameter `nonsense`; this route takes ").unwrap();
            let known: BTreeSet<_> = known.split(", ").filter(|name| *name != "none").collect();
            assert_eq!(described.iter().filter_map(|name| name.as_str()).collect::<BTreeSet<_>>(), known, "{path}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_description_and_its_page_are_there_for_callers_only() {
    let world = Setup::keyed().start().await;
    for path in ["/openapi.json", "/docs"] {
        assert_eq!(world.http.get(world.url(path)).send().await.unwrap().status(), 401);
    }
    let description = world.get("/openapi.json").await;
    assert_eq!(description.headers()["content-type"], "application/json");
    assert_eq!(description.text().await.unwrap(), OPENAPI);
    let page = world.get("/docs").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; "));
    assert_eq!(page.text().await.unwrap(), openapi_page());
    world.end().await;
}
