//! What a monitoring system reads.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokenkeep::store::StoreUrl;
use tokenkeep_sandbox::Fault;
use tokio::task::JoinSet;

use crate::secrets::{API_KEY, PASSWORD};
use crate::world::{Setup, World};

#[tokio::test]
async fn hand_outs_are_counted_by_key_and_by_what_came_of_them() {
    let world = Setup::open().start().await;
    for _ in 0..3 {
        world.get("/tokens/reports").await;
    }
    world.sandbox.set_fault(Fault::ConnectionReset);
    // Longer than the issuer's lives.
    world.get("/tokens/reports?min_valid=1h").await;
    world.get("/tokens/vendor:1").await;
    let page = page(&world).await;
    let of = |key: &str, result: &str| {
        let provider = key.split(':').next().unwrap();
        page.value(&format!(r#"tokenkeep_hand_outs_total{{provider="{provider}",key="{key}",result="{result}"}}"#))
    };
    assert_eq!((of("reports", "waited"), of("reports", "hit"), of("reports", "invalid_request")), (1, 2, 1));
    assert_eq!(of("vendor:1", "waited"), 1);
    world.end().await;
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_waits_is_counted_too() {
    let world = Setup::open().start().await;
    world.sandbox.set_fault(Fault::HoldAnswer.times(1));
    let mut leaving = JoinSet::new();
    leaving.spawn(world.ask("/tokens/reports").send());
    world.sandbox.wait_for_requests("reports", 1).await;
    leaving.shutdown().await;
    let left = r#"tokenkeep_hand_outs_total{provider="reports",key="reports",result="caller_left"} 1"#;
    while !page(&world).await.0.contains(left) {}
    world.sandbox.release();
    world.end().await;
}

#[tokio::test]
async fn what_the_engine_measured_and_knows_of_each_key_is_there() {
    let world = Setup::open().start().await;
    world.get("/tokens/reports").await;
    world.clock.advance(std::time::Duration::from_secs(290));
    world.sandbox.set_fault(Fault::ConnectionReset);
    world.get("/tokens/reports?min_valid=200").await;
    let page = page(&world).await;
    let key = r#"{provider="reports",key="reports"}"#;
    assert_eq!(page.value(&format!("tokenkeep_key_expires_in_seconds{key}")), 10);
    assert_eq!(page.value(&format!("tokenkeep_key_generation{key}")), 1);
    assert_eq!(page.value(&format!("tokenkeep_key_consecutive_failures{key}")), 1);
    assert_eq!(page.value(r#"tokenkeep_issuer_requests_total{provider="reports",result="token"}"#), 1);
    assert_eq!(page.value(r#"tokenkeep_issuer_requests_total{provider="reports",result="unavailable"}"#), 1);
    assert_eq!(page.value(r#"tokenkeep_issuer_request_duration_seconds_count{provider="reports"}"#), 2);
    assert_eq!(page.value(r#"tokenkeep_keys_in_memory{provider="reports"}"#), 1);
    assert!(page.value(r#"tokenkeep_store_operation_duration_seconds_count{operation="save"}"#) >= 1);
    assert_eq!(page.value("tokenkeep_store_failing"), 0);
    assert_eq!(page.value("tokenkeep_background_running"), 1);
    world.end().await;
}

#[tokio::test]
async fn the_older_monitoring_is_told_how_often_a_token_was_asked_for_and_obtained() {
    let world = Setup::open().start().await;
    for _ in 0..3 {
        world.get("/tokens/reports").await;
    }
    let (status, told) = world.json("/api/debug/token?key=reports").await;
    let expiry_time = told["token_info"]["expiry_time"].as_i64().unwrap();
    assert_eq!(
        (status, &told),
        (
            200,
            &json!({
                "status": "success",
                "token_available": true,
                "token_info": {
                    "has_token": true,
                    "is_valid": true,
                    "expires_in": 300,
                    "expiry_time": expiry_time,
                    "metrics": { "token_generations": 1, "total_token_requests": 3 },
                },
            })
        )
    );
    let several = world.json("/api/debug/token").await;
    assert_eq!((several.0, &several.1["code"]), (400, &"invalid_request".into()));
    let (_, none) = world.json("/api/debug/token?key=vendor:1").await;
    assert_eq!((&none["token_available"], &none["token_info"]["expiry_time"]), (&false.into(), &json!(null)));
    world.end().await;
}

#[tokio::test]
async fn requests_are_counted_by_route_and_no_caller_can_make_the_page_grow() {
    let world = Setup::open().start().await;
    for account in 0..20 {
        world.get(&format!("/tokens/unknown:{account}")).await;
        world.get(&format!("/nowhere/{account}")).await;
        let method = reqwest::Method::from_bytes(format!("M{account}").as_bytes()).unwrap();
        world.http.request(method, world.url("/livez")).send().await.unwrap();
    }
    let page = page(&world).await;
    let requests = |route: &str, method: &str, status: &str| {
        let labels = format!(r#"{{route="{route}",method="{method}",status="{status}"}}"#);
        page.value(&format!("tokenkeep_http_requests_total{labels}"))
    };
    assert_eq!(requests("/tokens/{key}", "GET", "404"), 20);
    assert_eq!(requests("none", "GET", "404"), 20);
    assert_eq!(requests("/livez", "other", "405"), 20);
    let took = |sample: &str| page.value(&format!("tokenkeep_http_request_duration_seconds_{sample}"));
    assert_eq!(took(r#"count{route="/livez"}"#), 20);
    assert_eq!(took(r#"bucket{route="/tokens/{key}",le="+Inf"}"#), 20);
    assert_eq!(took(r#"bucket{route="/tokens/{key}",le="30"}"#), 20);
    assert!(!page.0.contains("unknown:"), "{}", page.0);
    let listener = format!("tokenkeep_connections{{listener=\"{}\"}}", world.address);
    assert!(page.value(&listener) >= 1);
    world.end().await;
}

#[tokio::test]
async fn a_caller_reads_of_its_own_keys_only() {
    const KEY: &str = "planted-key-of-one";
    let mut setup = Setup::keyed();
    let hash = Sha256::digest(KEY).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let one = format!("[[server.keys]]\nname = \"one\"\nsha256 = \"{hash}\"\ntokens = [\"vendor:1\"]\nallow = []\n");
    setup.toml += &one;
    let world = setup.start().await;
    for key in ["vendor:1", "vendor:2", "fixed", "reports"] {
        world.get(&format!("/tokens/{key}")).await;
    }
    let answer = world.http.get(world.url("/metrics")).header("x-api-key", KEY).send().await.unwrap();
    let page = answer.text().await.unwrap();
    assert!(page.contains("key=\"vendor:1\""), "{page}");
    for hidden in ["vendor:2", "fixed", "reports", "_store_", "_http_", "_connections", "_flights", "_issuer_"] {
        assert!(!page.contains(hidden), "{hidden} in {page}");
    }
    let token = world.http.get(world.url("/tokens/vendor:1")).header("x-api-key", KEY).send().await.unwrap();
    assert_eq!(token.status(), 403, "it may do nothing but look");
    assert_eq!(world.http.get(world.url("/metrics")).send().await.unwrap().status(), 401);
    world.end().await;
}

#[tokio::test]
async fn the_page_of_one_account_tells_nothing_of_the_others_of_its_provider() {
    const ONE: &str = "planted-key-of-one-account";
    const WHOLE: &str = "planted-key-of-a-provider";
    let setup = Setup::keyed().with_accounts();
    let setup = setup.caller("one", ONE, "\"bluestakes:1\"", "").caller("whole", WHOLE, "\"bluestakes:*\"", "");
    let world = setup.start().await;
    let page_of = async |key| {
        let asked = world.http.get(world.url("/metrics")).header("x-api-key", key);
        asked.send().await.unwrap().text().await.unwrap()
    };
    let call = async |method: &str, path: &str| {
        let call = world.send(method, path);
        let ann = json!({ "username": "ann", "password": PASSWORD });
        let call = if method == "PUT" { call.json(&ann) } else { call };
        call.send().await.unwrap().status().as_u16()
    };
    for path in ["/tokens/bluestakes:1/credentials", "/tokens/bluestakes:2/credentials"] {
        assert_eq!(call("PUT", path).await, 204);
    }
    assert_eq!(call("GET", "/tokens/bluestakes:1").await, 200);
    let (before, mut of_whole) = (page_of(ONE).await, page_of(WHOLE).await);
    assert!(before.contains("key=\"bluestakes:1\""), "{before}");
    for (method, path, status) in [
        ("GET", "/tokens/bluestakes:2", 200),
        ("POST", "/tokens/bluestakes:2/refresh", 503),
        ("DELETE", "/tokens/bluestakes:2/credentials", 204),
    ] {
        if status == 503 {
            world.clock.advance(std::time::Duration::from_secs(2));
            world.sandbox.set_fault(Fault::ConnectionReset);
        }
        assert_eq!(call(method, path).await, status, "{method} {path}");
        assert_eq!(without_time(&page_of(ONE).await), without_time(&before), "after {method} {path}");
        let of_provider = page_of(WHOLE).await;
        assert_ne!(without_time(&of_provider), without_time(&of_whole), "{method} {path} is seen by who may see it");
        of_whole = of_provider;
    }
    world.end().await;
}

fn without_time(page: &str) -> Vec<&str> {
    page.lines().filter(|line| !line.starts_with("tokenkeep_key_expires_in_seconds")).collect()
}

#[tokio::test]
#[ignore = "needs promtool: run ./test"]
async fn promtool_finds_nothing_wrong() {
    let world = busy().await;
    let answer = world.get("/metrics").await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let page = answer.text().await.unwrap();
    // ./test says where it is.
    #[expect(clippy::disallowed_methods, reason = "is no input of what is tested")]
    let promtool = std::env::var("TOKENKEEP_PROMTOOL").unwrap_or("promtool".to_owned());
    let mut promtool = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(ended.status.success() && said.is_empty(), "{said}\n{page}");
    world.end().await;
}

/// Where there is something to say of everything, also of what goes wrong.
async fn busy() -> World {
    let world = Setup::open().start().await;
    for path in ["/tokens/reports", "/tokens/fixed", "/tokens/vendor:%22odd%22", "/tokens/unknown", "/livez"] {
        world.get(path).await;
    }
    world.clock.advance(std::time::Duration::from_secs(250));
    world.sandbox.set_fault(Fault::ConnectionReset);
    world.get("/tokens/reports?min_valid=200").await;
    world
}

struct Page(String);

impl Page {
    /// The value of a sample.
    #[track_caller]
    fn value(&self, sample: &str) -> u64 {
        let line = self.0.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{sample} is not in:\n{}", self.0));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

async fn page(world: &World) -> Page {
    Page(world.get("/metrics").await.text().await.unwrap())
}

#[tokio::test]
async fn asking_for_accounts_that_are_not_there_takes_no_places() {
    let world = Setup::open().with_accounts().start().await;
    for account in 0..3 {
        assert_eq!(world.get(&format!("/tokens/bluestakes:{account}")).await.status(), 404);
    }
    let page = page(&world).await;
    let together = r#"tokenkeep_hand_outs_total{provider="bluestakes",key="",result="unknown_key"}"#;
    assert_eq!(page.value(together), 3);
    assert!(!page.0.contains("bluestakes:"), "{}", page.0);
    world.end().await;
}

#[tokio::test]
async fn who_may_see_only_accounts_is_told_to_name_one() {
    let world = Setup::keyed().with_accounts().caller("one", "key-of-one", "\"bluestakes:1\"", "\"get\"").start().await;
    let request = world.http.get(world.url("/api/debug/token")).header("x-api-key", "key-of-one");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("name the key with ?key="));
    world.end().await;
}

#[tokio::test]
async fn while_the_store_fails_accounts_that_may_not_be_there_take_no_places_either() {
    let mut setup = Setup::keyed().with_accounts().caller("whole", "key-of-whole", "\"bluestakes:*\"", "\"get\"");
    setup = setup.caller("named", "key-of-named", "\"bluestakes:7\"", "\"get\"");
    setup.manager = setup.manager.store_url(StoreUrl::parse("sqlite:/dev/null/x/s.db").unwrap());
    let mut world = setup.start().await;
    for account in 0..8 {
        assert_eq!(world.get(&format!("/tokens/bluestakes:{account}")).await.status(), 503);
    }
    let page_of = async |key: &str| {
        let asked = world.http.get(world.url("/metrics")).header("x-api-key", key).send().await.unwrap();
        Page(asked.text().await.unwrap())
    };
    let counts = |page: &Page| {
        let lines = page.0.lines().filter(|line| line.starts_with("tokenkeep_hand_outs_total{"));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let of = |key: &str, count: u64| {
        format!("tokenkeep_hand_outs_total{{provider=\"bluestakes\",key=\"{key}\",result=\"unavailable\"}} {count}")
    };
    let all = [of("bluestakes:7", 1), of("", 7)];
    assert_eq!(counts(&page_of(API_KEY).await), all);
    assert_eq!(
        counts(&page_of("key-of-whole").await),
        all,
        "whoever sees a whole provider sees those that have no line"
    );
    assert_eq!(counts(&page_of("key-of-named").await), all[..1], "a key that the configuration names has its own");
    world.begin_to_stop();
    world.stopped().await;
}
