//! What operators do: renew, reject, forget, credentials, sums.

use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep_sandbox::Fault;

use crate::secrets::{API_KEY, PASSWORD};
use crate::world::{Setup, World};

async fn send(world: &World, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = world.send(method, path);
    let response = match body {
        Some(body) => request.json(&body).send().await.unwrap(),
        None => request.send().await.unwrap(),
    };
    assert_eq!(response.headers()["cache-control"], "no-store", "{method} {path}");
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let is_allowed_to_show = path.starts_with("/tokens/reports?") || !text.contains("planted-");
    assert!(is_allowed_to_show, "{method} {path}: a secret is in the answer");
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

fn ann() -> Value {
    json!({ "username": "ann", "password": PASSWORD })
}

#[tokio::test]
async fn a_refresh_brings_a_new_token_and_answers_the_status() {
    let world = Setup::keyed().start().await;
    assert_eq!(world.json("/tokens/reports").await.1["generation"], 1);
    world.clock.advance(Duration::from_secs(2));
    let (status, answer) = send(&world, "POST", "/tokens/reports/refresh", None).await;
    assert_eq!((status, &answer["generation"], &answer["state"]), (200, &json!(2), &json!("fresh")));
    assert_eq!(world.json("/tokens/reports").await.1["generation"], 2);
    world.end().await;
}

#[tokio::test]
async fn a_refresh_that_fails_is_an_error_and_the_present_token_stays() {
    let world = Setup::keyed().start().await;
    world.json("/tokens/reports").await;
    world.clock.advance(Duration::from_secs(2));
    world.sandbox.set_fault(Fault::ConnectionReset);
    let (status, problem) = send(&world, "POST", "/tokens/reports/refresh", None).await;
    assert_eq!((status, &problem["code"], &problem["key"]), (503, &json!("unavailable"), &json!("reports")));
    assert_eq!(world.json("/tokens/reports").await.1["generation"], 1);
    let (status, problem) = send(&world, "POST", "/tokens/reports/refresh?fallback=perhaps", None).await;
    assert_eq!((status, &problem["detail"]), (400, &json!("parameter `fallback` is not true or false")));
    world.end().await;
}

#[tokio::test]
async fn a_hundred_callers_who_reject_one_generation_cause_one_request() {
    let world = Setup::keyed().start().await;
    world.json("/tokens/reports").await;
    world.clock.advance(Duration::from_secs(2));
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let request = if number % 2 == 0 {
            world.send("POST", "/tokens/reports/reject").json(&json!({ "generation": 1 }))
        } else {
            world.send("POST", "/tokens/reports/reject?generation=1")
        };
        let again = world.ask("/tokens/reports");
        callers.spawn(async move {
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!((&answer["key"], &answer["generation"]), (&json!("reports"), &json!(1)));
            let token: Value = again.send().await.unwrap().json().await.unwrap();
            assert_eq!(token["generation"], 2);
            answer["rejected"].as_bool().unwrap()
        });
    }
    let rejected = callers.join_all().await.into_iter().filter(|rejected| *rejected).count();
    assert_eq!(rejected, 1);
    assert_eq!(world.sandbox.counters_of("reports").token_requests, 2);
    world.end().await;
}

#[tokio::test]
async fn a_rejection_names_its_generation_in_one_way() {
    let world = Setup::keyed().start().await;
    for (path, body) in [
        ("/tokens/fixed/reject", None),
        ("/tokens/fixed/reject", Some(json!({ "generation": "planted" }))),
        ("/tokens/fixed/reject", Some(json!({ "generation": -1 }))),
        ("/tokens/fixed/reject", Some(json!("1"))),
        ("/tokens/fixed/reject?generation=1", Some(json!({ "generation": 1 }))),
        ("/tokens/fixed/reject?generation=x", None),
    ] {
        let (status, problem) = send(&world, "POST", path, body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_cleared_token_is_obtained_anew() {
    let world = Setup::keyed().start().await;
    world.json("/tokens/reports").await;
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(send(&world, "DELETE", "/tokens/reports", None).await, (204, Value::Null));
    assert_eq!(world.json("/tokens/reports/status").await.1["state"], "absent");
    assert_eq!(world.json("/tokens/reports").await.1["generation"], 2);
    world.end().await;
}

#[tokio::test]
async fn credentials_are_given_tried_used_and_removed() {
    let world = Setup::keyed().with_accounts().start().await;
    let (status, problem) = world.json("/tokens/bluestakes:123").await;
    assert_eq!((status, &problem["code"]), (404, &json!("unknown_key")));

    let (status, trial) = send(&world, "POST", "/tokens/bluestakes:123/credentials/test", Some(ann())).await;
    assert_eq!((status, &trial["ok"], &trial["problem"]), (200, &json!(true), &Value::Null));
    assert_eq!(trial["token"]["life"], 3600);
    assert_eq!(world.json("/tokens/bluestakes:123").await.0, 404, "a trial keeps nothing");

    let with_life = json!({ "username": "ann", "password": PASSWORD, "lifetime": "2h" });
    assert_eq!(send(&world, "PUT", "/tokens/bluestakes:123/credentials", Some(with_life)).await, (204, Value::Null));
    assert_eq!(world.json("/tokens/bluestakes:123").await.1["expires_in"], 7200);
    let (_, trial) = send(&world, "POST", "/tokens/bluestakes:123/credentials/test", None).await;
    assert_eq!(trial["ok"], true, "those that are stored");

    assert_eq!(send(&world, "DELETE", "/tokens/bluestakes:123/credentials", None).await, (204, Value::Null));
    assert_eq!(world.json("/tokens/bluestakes:123").await.0, 404);
    assert_eq!(send(&world, "DELETE", "/tokens/bluestakes:123/credentials", None).await.0, 404);
    world.end().await;
}

#[tokio::test]
async fn a_login_that_fails_in_a_trial_is_told_and_no_error() {
    let world = Setup::keyed().with_accounts().start().await;
    let wrong = json!({ "username": "ann", "password": "planted-wrong-password" });
    let (status, trial) = send(&world, "POST", "/tokens/bluestakes:123/credentials/test", Some(wrong)).await;
    assert_eq!((status, &trial["ok"], &trial["token"]), (200, &json!(false), &Value::Null));
    assert_eq!(trial["problem"]["code"], "refused");
    assert_eq!(trial["steps"][0]["answer"]["status"], 401);
    world.end().await;
}

/// SYSTEMS B4, to the letter: `{company_id}` is an account of the default provider.
#[tokio::test]
async fn the_routes_of_companies_work_as_their_users_know_them() {
    let world = Setup::keyed().with_accounts().start().await;
    let query = format!("username=ann&password={PASSWORD}");
    let (status, trial) = send(&world, "POST", &format!("/tokens/credentials/test?{query}"), None).await;
    assert_eq!((status, &trial["ok"]), (200, &json!(true)));
    assert_eq!(world.json("/tokens/123").await.0, 404);

    let stored = json!({ "key": "bluestakes:123", "stored": true });
    assert_eq!(send(&world, "POST", &format!("/tokens/credentials/123?{query}"), None).await, (200, stored));
    let stored = json!({ "key": "bluestakes:7", "stored": true });
    assert_eq!(send(&world, "POST", "/tokens/credentials/7", Some(ann())).await, (200, stored));

    assert_eq!(world.json("/tokens/123").await.1["key"], "bluestakes:123");
    assert_eq!(world.json("/tokens/123/status").await.1["state"], "fresh");
    let sums = json!({ "total_cached": 1, "valid_tokens": 1, "expired_tokens": 0, "expiring_soon": 0 });
    assert_eq!(world.json("/tokens/stats?provider=bluestakes").await, (200, sums));
    assert_eq!(send(&world, "DELETE", "/tokens/123", None).await, (204, Value::Null));
    let sums = json!({ "total_cached": 0, "valid_tokens": 0, "expired_tokens": 0, "expiring_soon": 0 });
    assert_eq!(world.json("/tokens/stats?provider=bluestakes").await, (200, sums));

    world.json("/tokens/7").await;
    world.clock.advance(Duration::from_hours(1) + tokenkeep::CLEANUP_GRACE);
    let sums = json!({ "total_cached": 1, "valid_tokens": 0, "expired_tokens": 1, "expiring_soon": 0 });
    assert_eq!(world.json("/tokens/stats?provider=bluestakes").await, (200, sums));
    assert_eq!(send(&world, "POST", "/tokens/cleanup", None).await, (200, json!({ "removed": 1 })));
    assert_eq!(world.json("/tokens/stats?provider=bluestakes").await.1["total_cached"], 0);
    world.end().await;
}

#[tokio::test]
async fn credentials_that_are_none_are_refused_and_not_repeated() {
    let world = Setup::keyed().with_accounts().start().await;
    for (method, path, body) in [
        ("PUT", "/tokens/bluestakes:1/credentials", None),
        ("PUT", "/tokens/bluestakes:1/credentials", Some(json!("planted-x"))),
        ("PUT", "/tokens/bluestakes:1/credentials", Some(json!({ "username": "planted-x", "password": 7 }))),
        ("PUT", "/tokens/bluestakes:1/credentials", Some(json!({ "planted x": "y" }))),
        ("PUT", "/tokens/bluestakes:1/credentials", Some(json!({ "username": "planted-x" }))),
        ("PUT", "/tokens/fixed/credentials", Some(ann())),
        ("POST", "/tokens/bluestakes:1/credentials/test", Some(json!(["planted-x"]))),
        ("POST", "/tokens/credentials/1", None),
        ("POST", "/tokens/credentials/1?username=planted-x", None),
        ("POST", "/tokens/credentials/1?username=a&password=planted-x", Some(ann())),
        ("POST", "/tokens/credentials/1?password=", None),
        ("POST", "/tokens/credentials/test", None),
    ] {
        let (status, problem) = send(&world, method, path, body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_request")), "{method} {path}: {problem}");
    }
    world.end().await;
}

/// SYSTEMS R7, to the letter.
#[tokio::test]
async fn health_is_503_once_more_than_five_attempts_in_a_row_have_failed() {
    let world = Setup::keyed().start().await;
    let open = async |path: &str| {
        let response = world.http.get(world.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    world.json("/tokens/reports").await;
    let sums = json!({
        "has_token": true, "expires_in": 300,
        "total_cached": 2, "valid_tokens": 2, "expired_tokens": 0, "expiring_soon": 0,
    });
    let healthy = json!({ "status": "healthy", "token_info": sums, "consecutive_failures": 0 });
    assert_eq!(open("/health").await, (200, healthy));
    assert_eq!(open("/health?key=reports").await.0, 401, "a key is named to callers only");

    world.clock.advance(Duration::from_mins(5));
    world.sandbox.set_fault(Fault::ConnectionReset);
    for failures in 1..=6 {
        let (status, health) = world.json("/health?key=reports").await;
        assert_eq!((status, &health["consecutive_failures"]), (200, &json!(failures - 1)));
        send(&world, "POST", "/tokens/reports/refresh", None).await;
        world.clock.advance(Duration::from_mins(2));
    }
    let (status, health) = world.json("/health?key=reports").await;
    assert_eq!((status, &health["status"], &health["consecutive_failures"]), (503, &json!("unhealthy"), &json!(6)));
    world.end().await;
}

#[tokio::test]
async fn a_secret_in_a_query_is_in_no_line_of_the_log() {
    let world = Setup::keyed().with_accounts().start().await;
    for path in ["/tokens/credentials/1", "/tokens/credentials/test", "/tokens/1/credentials/test", "/nowhere"] {
        let path = format!("{path}?username=ann&password={PASSWORD}&api_key={API_KEY}");
        world.send("POST", &path).send().await.unwrap();
    }
    world.end().await; // looks through the log
}

#[tokio::test]
async fn whoever_sees_everything_is_told_that_a_name_was_taken_as_an_account() {
    let world = Setup::keyed().with_accounts().caller("some", "of-some", "\"bluestakes:*\"", "\"get\"").start().await;
    let told = "`grph` is no provider, so it was taken as an account of bluestakes";
    for (method, path) in
        [("GET", "/tokens/grph"), ("POST", "/tokens/grph/refresh"), ("DELETE", "/tokens/grph/credentials")]
    {
        let (status, problem) = send(&world, method, path, None).await;
        assert_eq!((status, &problem["code"]), (404, &json!("unknown_key")), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{path}: {problem}");
    }
    let (_, in_full) = world.json("/tokens/bluestakes:grph").await;
    assert!(!in_full["detail"].as_str().unwrap().contains("taken as"), "{in_full}");
    let of_some = world.http.get(world.url("/tokens/grph")).header("x-api-key", "of-some").send().await.unwrap();
    assert!(!of_some.text().await.unwrap().contains("no provider"));
    world.end().await;
}

#[tokio::test]
async fn without_a_default_provider_both_of_its_routes_say_so() {
    let world = Setup::keyed().start().await;
    for (path, in_full) in [
        ("/tokens/credentials/124", "PUT /tokens/{key}/credentials"),
        ("/tokens/credentials/test", "POST /tokens/{key}/credentials/test"),
    ] {
        let (status, problem) = send(&world, "POST", path, Some(ann())).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 400, "{problem}");
        assert!(
            detail.starts_with("no default_provider is configured in [server]; ") && detail.contains(in_full),
            "{detail}"
        );
    }
    world.end().await;
}
