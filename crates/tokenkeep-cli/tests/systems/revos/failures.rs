//! What happens when authenticating fails, and what whoever watches is told.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep::{Code, Demand, Event, Warning};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::world::{MOMENT, World, down};
use crate::support::{SERVE, Server, in_time};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// R6: a failed attempt is repeated, by itself, with exponential backoff.
#[tokio::test]
async fn a_failed_attempt_is_repeated_by_itself_until_it_succeeds() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[("SALES_TOKEN_ENABLE_FALLBACK", "false")]).await;
    world.first.set_fault(down());
    let (mut events, mut tokens) = (manager.events(), llm.subscribe());
    manager.start();
    for attempt in 1..=3 {
        let (count, retry_in) = in_time(async {
            loop {
                if let Event::Failed { count, retry_in, .. } = events.recv().await.unwrap() {
                    return (count, retry_in.unwrap());
                }
            }
        })
        .await;
        assert_eq!(count, attempt);
        assert!(retry_in >= SECOND && retry_in <= longest_wait(attempt), "after {attempt}: {retry_in:?}");
        if attempt == 3 {
            world.first.clear_faults();
        }
        world.pass(retry_in);
    }
    assert_eq!(in_time(tokens.next()).await.unwrap().generation(), 1);
    assert_eq!(world.requests(), (4, 0));
    manager.stop().await.unwrap();
}

/// R6: the backoff doubles, from a second to ten while there is no token; each wait is drawn from that time.
#[tokio::test]
async fn the_backoff_grows_exponentially() {
    let world = World::start().await;
    let (_manager, llm) = world.sales(&[("SALES_TOKEN_ENABLE_FALLBACK", "false")]).await;
    world.first.set_fault(down());
    let mut longest = Duration::ZERO;
    for attempt in 1..=16 {
        let error = llm.token().await.unwrap_err();
        let wait = error.retry_after().unwrap();
        assert!(error.code() == Code::Unavailable && wait <= longest_wait(attempt), "after {attempt}: {wait:?}");
        assert_eq!(world.requests(), (u64::from(attempt), 0));
        longest = longest.max(wait);
        world.pass(wait);
    }
    assert!(longest > 2 * SECOND, "{longest:?}");
}

/// R6: after the set number of failures the fallback is used, and the primary is tried again later.
#[tokio::test]
async fn after_the_set_number_of_failures_the_fallback_is_used_and_later_the_first_way_again() {
    let world = World::start().await;
    let (_manager, llm) = world.sales(&[("SALES_TOKEN_MAX_FAILURES_BEFORE_FALLBACK", "2")]).await;
    world.first.set_fault(down());
    let error = llm.token().await.unwrap_err();
    assert_eq!(world.requests(), (1, 0));
    world.pass(error.retry_after().unwrap());
    let answer = llm.get(Demand::default()).await.unwrap();
    assert_eq!(world.requests(), (2, 1));
    assert!(matches!(&*answer.warnings, [Warning::OnFallback { .. }]), "{:?}", answer.warnings);

    world.pass(MINUTE);
    llm.refresh().await.unwrap();
    assert_eq!(world.requests(), (2, 2), "the first way is left alone");
    world.first.clear_faults();
    world.pass(4 * MINUTE);
    llm.refresh().await.unwrap();
    assert_eq!(world.requests(), (3, 2));
    assert_eq!(llm.get(Demand::default()).await.unwrap().warnings, []);
}

/// R7: `GET /health` of an application, with the router of `examples/revos`.
#[tokio::test]
async fn an_application_is_unhealthy_when_more_than_five_attempts_in_a_row_have_failed() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, revos::health(llm)).await.unwrap() });

    let nothing = json!({ "has_token": false, "expires_at": null, "seconds_until_expiry": null });
    let healthy = json!({ "status": "healthy", "token_info": nothing, "consecutive_failures": 0 });
    assert_eq!(answer(&url).await, (200, healthy));
    assert_eq!(world.requests(), (0, 0), "being watched is no reason to ask the issuer");

    let llm = manager.handle("llm").unwrap();
    llm.token().await.unwrap();
    let (status, health) = answer(&url).await;
    let info = &health["token_info"];
    let left = info["seconds_until_expiry"].as_i64().unwrap();
    assert_eq!((status, &info["has_token"], left), (200, &json!(true), left.clamp(7_100, 7_200)));
    let end = info["expires_at"].as_i64().unwrap() - manager.now().wall_ms / 1_000;
    assert!(end.abs_diff(left) <= 60, "{health}");

    world.break_issuers();
    for failures in 1..=6 {
        world.pass(MOMENT);
        llm.refresh().await.unwrap_err();
        let (status, health) = answer(&url).await;
        assert_eq!((status, health["status"].clone()), verdict(failures), "{health}");
        assert_eq!(health["consecutive_failures"], failures);
        assert_eq!(health["token_info"]["has_token"], true);
    }
    world.mend_issuers();
    world.pass(MOMENT);
    llm.refresh().await.unwrap();
    let (status, health) = answer(&url).await;
    assert_eq!((status, &health["status"], &health["consecutive_failures"]), (200, &json!("healthy"), &json!(0)));
}

/// R7: `GET /health` of the broker.
#[tokio::test]
async fn the_broker_is_unhealthy_when_more_than_five_attempts_in_a_row_have_failed() {
    let world = World::start().await;
    let broker = serve(&world).await;
    let (http, base) = (&broker.http, &broker.url);
    let url = format!("{base}/health");
    in_time(world.first.wait_for_requests("sales", 1)).await;
    assert_eq!(http.get(format!("{base}/tokens/llm")).send().await.unwrap().status(), 200);
    let (status, health) = in_time(first_with(&url, |health| health["token_info"]["has_token"] == true)).await;
    assert_eq!((status, &health["status"], &health["consecutive_failures"]), (200, &json!("healthy"), &json!(0)));
    assert_eq!(health["token_info"]["valid_tokens"], 1);

    world.break_issuers();
    for failures in 1..=6 {
        let refreshed = http.post(format!("{base}/tokens/llm/refresh")).send().await.unwrap();
        assert_eq!(refreshed.status(), 503, "a manual refresh says that it failed");
        // An answer holds for a second.
        let (status, health) = in_time(first_with(&url, |health| health["consecutive_failures"] == failures)).await;
        assert_eq!((status, health["status"].clone()), verdict(failures), "{health}");
    }
    world.mend_issuers();
    assert_eq!(http.post(format!("{base}/tokens/llm/refresh")).send().await.unwrap().status(), 200);
    let (status, health) = in_time(first_with(&url, |health| health["consecutive_failures"] == 0)).await;
    assert_eq!((status, &health["status"]), (200, &json!("healthy")));
}

/// The longest wait after so many failures.
fn longest_wait(failures: u32) -> Duration {
    Duration::from_secs(1 << (failures - 1).min(4)).min(10 * SECOND)
}

/// What health says of so many failures.
fn verdict(failures: u32) -> (u16, Value) {
    if failures > 5 { (503, "unhealthy".into()) } else { (200, "healthy".into()) }
}

/// The real binary with the shipped configuration.
async fn serve(world: &World) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenkeep"));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/revos/tokenkeep.toml");
    command.args(SERVE).arg("--config").arg(config).env_clear().envs(world.variables("", "sales"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    Server::start(command).await
}

/// Asks for health until it says this.
async fn first_with(url: &str, is_it: impl Fn(&Value) -> bool) -> (u16, Value) {
    loop {
        let answer = answer(url).await;
        if is_it(&answer.1) {
            return answer;
        }
    }
}

async fn answer(url: &str) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = http.get(url).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}
