//! `GET /dashboard`: a page for people, which asks what programs ask.

use std::process::Stdio;

use tokenkeep_sandbox::Fault;
use tokio::process::Command;

use crate::world::Setup;

#[tokio::test]
async fn the_dashboard_is_one_page_that_may_do_nothing_but_ask_this_server() {
    let world = Setup::open().start().await;
    let answer = world.get("/dashboard").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let parts: Vec<_> = policy.split("; ").map(|part| part.split_once(' ').unwrap()).collect();
    for part in [("default-src", "'none'"), ("connect-src", "'self'"), ("frame-ancestors", "'none'")] {
        assert!(parts.contains(&part), "{policy}");
    }
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    assert!(page.starts_with("<!doctype html>"));
    for outward in ["http://", "https://", "//", " src=", "@import", "url("] {
        let is_there = page.lines().any(|line| line.contains(outward) && !line.trim_start().starts_with("// "));
        assert!(!is_there, "{outward}");
    }
    assert_eq!(world.json("/dashboard?nonsense=1").await.0, 400);
    world.end().await;
}

#[tokio::test]
async fn everybody_has_the_page_and_callers_alone_what_it_shows() {
    let world = Setup::keyed().start().await;
    let nobody = async |path: &str| world.http.get(world.url(path)).send().await.unwrap();
    let page = nobody("/dashboard").await.text().await.unwrap();
    assert_eq!(page, world.get("/dashboard").await.text().await.unwrap());
    for name in ["reports", "vendor", "fixed", env!("CARGO_PKG_VERSION")] {
        assert!(!page.contains(&format!("\"{name}")) && !page.contains(&format!(">{name}")), "{name}");
    }
    for path in ["/tokens?limit=200", "/tokens?limit=200&state=refused", "/tokens/stats", "/metrics"] {
        assert_eq!(
            (nobody(path).await.status().as_u16(), world.get(path).await.status().as_u16()),
            (401, 200),
            "{path}"
        );
    }
    let foreign = world.http.get(world.url("/dashboard")).header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: run ./test"]
async fn a_browser_shows_each_key_and_what_it_is_like() {
    let world = Setup::open().start().await;
    for _ in 0..3 {
        world.get("/tokens/vendor:1").await;
    }
    world.sandbox.set_fault(Fault::InvalidClient);
    world.get("/tokens/reports").await;
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--lang=en-US", "--dump-dom", "--virtual-time-budget=3000"]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display())).arg(world.url("/dashboard"));
    let shown = chromium.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let dom = String::from_utf8_lossy(&shown.stdout).into_owned();
    for part in [
        r#"<th scope="row">vendor:1</th><td><span class="word good">fresh</span></td><td>vendor</td>"#,
        r#"<th scope="row">reports</th><td><span class="word bad">refused</span></td><td>reports</td>"#,
        "<dt>Hit ratio</dt><dd>50 %<small>2 did not wait</small></dd>",
        "<dt>Calls for a token</dt><dd>4<small>",
        "<dt>Logins per call</dt>",
        r#"<th scope="row">vendor</th><td>1</td><td>3</td><td>66.7 %</td><td>1</td><td>0</td><td>0.33</td>"#,
        "<dt>Store</dt><dd>works<small>",
    ] {
        assert!(dom.contains(part), "{part} is not in\n{}", dom.split("<script>").next().unwrap());
    }
    world.end().await;
}
