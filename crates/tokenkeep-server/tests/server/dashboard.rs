//! `GET /dashboard`: a page for people, which asks what programs ask.

use std::process::Stdio;

use tokenkeep_sandbox::Fault;
use tokio::process::Command;

use crate::world::{Setup, World};

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
    let dom = in_a_browser(&world.url("/dashboard")).await;
    let dom = without_headings(&dom);
    for part in [
        r#"<th scope="row">vendor:1</th><td><span class="word good">fresh</span></td><td>vendor</td>"#,
        r#"<th scope="row">reports</th><td><span class="word bad">refused</span></td><td>reports</td>"#,
        "<dt>Hit ratio</dt><dd>50 %<small>2 did not wait</small></dd>",
        "<dt>Calls for a token</dt><dd>4<small>",
        // A login that failed is one everywhere.
        "<dt>Logins per call</dt><dd>0.75<small>3 logins, 1 of them failed</small></dd>",
        r#"<th scope="row">vendor</th><td>1</td><td>3</td><td>66.7 %</td><td>1</td><td>0</td><td>0.33</td>"#,
        r#"<th scope="row">reports</th><td>1</td><td>1</td><td>0 %</td><td>1</td><td class="soon">1</td><td>1</td>"#,
        "<dt>Store</dt><dd>works<small>",
        r#"<p id="closed" hidden="">"#,
    ] {
        assert!(dom.contains(part), "{part} is not in\n{dom}");
    }
    world.end().await;
}

#[tokio::test]
#[ignore = "needs chromium: run ./test"]
async fn who_shows_no_key_is_told_that_one_is_needed_and_nothing_of_how_many_there_are() {
    let world = Setup::keyed().start().await;
    let dom = in_a_browser(&world.url("/dashboard")).await;
    assert!(dom.contains(r#"<p id="closed">A caller's API key is needed"#), "{dom}");
    assert!(dom.contains(r#"<div id="list" hidden="">"#), "{dom}");
    world.end().await;
}

#[tokio::test]
#[ignore = "needs chromium: run ./test"]
async fn nothing_lies_beside_the_window_of_a_telephone_nor_of_any_wider_one() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    for key in ["reports", "vendor:somebody@company.example", "fixed"] {
        world.get(&format!("/tokens/{key}")).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("windows.html");
    std::fs::write(&saved, windows(&world).await).unwrap();
    let dom = in_a_browser(&format!("file://{}", saved.display())).await;
    let title = dom.split_once("<title>").unwrap().1.split("</title>").next().unwrap();
    for width in WIDTHS {
        assert!(title.contains(&format!("[{width}: 4 keys, beside it: ]")), "{width}: {title}");
    }
    world.end().await;
}

/// The page in windows of several widths, with what this server answers in it. The title says which cells lie beside a
/// window. The policy of the page lets nobody measure that of the server itself.
async fn windows(world: &World) -> String {
    let mut answers = serde_json::Map::new();
    for path in ["/health", "/tokens?limit=200", "/tokens/stats", "/metrics"] {
        answers.insert(path.to_owned(), world.get(path).await.text().await.unwrap().into());
    }
    let answers = serde_json::Value::Object(answers);
    let page = world.get("/dashboard").await.text().await.unwrap();
    let page = page.replacen("<script>", &format!("<script>{FAKE}({answers});</script><script>"), 1);
    let page = page.replacen("</body>", &format!("<script>{MEASURE}</script></body>"), 1);
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    let window = |width| format!("<iframe width=\"{width}\" height=\"900\" srcdoc=\"{page}\"></iframe>");
    format!("<!doctype html><title></title>{}", WIDTHS.map(window).concat())
}

/// What a browser makes of a page; without its scripts.
async fn in_a_browser(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--lang=en-US", "--dump-dom", "--virtual-time-budget=3000"]);
    chromium.args(["--disable-gpu", "--no-first-run", "--disable-background-networking"]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
    let shown = chromium.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    String::from_utf8_lossy(&shown.stdout).split("<script>").next().unwrap_or_default().to_owned()
}

/// Without what each cell says of its column.
fn without_headings(dom: &str) -> String {
    let mut parts = dom.split(r#" data-name=""#);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| part.split_once('"')).fold(first, |dom, (_, rest)| dom + rest)
}

const FAKE: &str = "((answers) => (window.fetch = async (path) => new Response(answers[path])))";
const MEASURE: &str = "
setTimeout(() => {
  const { clientWidth } = document.documentElement;
  const isBeside = (cell) => cell.getBoundingClientRect().right > clientWidth;
  const beside = [...document.querySelectorAll('th, td, dd, input')].filter(isBeside).map((cell) => cell.textContent);
  parent.document.title += `[${innerWidth}: ${find('count').textContent}, beside it: ${beside.join(', ')}]`;
}, 1000);";
/// In pixels.
const WIDTHS: [u32; 5] = [390, 700, 1000, 1160, 1280];
