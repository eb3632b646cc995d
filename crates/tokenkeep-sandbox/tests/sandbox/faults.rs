//! Each fault as a caller meets it.

use std::time::{Duration, SystemTime};

use crate::{World, error_of, header_of, json_of, status_of, text_of};
use serde_json::{Value, json};
use tokenkeep_sandbox::{Fault, OddBody, Outcome, RetryAfter};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn status(status: u16) -> Fault {
    Fault::Status { status, body: "no".to_owned() }
}

/// Seconds from now to an HTTP date.
fn seconds_ahead(date: &str) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the date under test came from the real clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let date = httpdate::parse_http_date(date).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    date.as_secs().cast_signed() - now.as_secs().cast_signed()
}

#[tokio::test]
async fn the_fault_of_a_client_beats_the_global_one_and_times_run_out() {
    let world = World::start().await;
    world.sandbox.set_fault(status(503));
    assert!(world.sandbox.set_fault_for("reports", status(502).times(2)));
    assert!(!world.sandbox.set_fault_for("nobody", status(502)));
    let mut statuses = Vec::new();
    for client in ["billing", "reports", "reports", "reports"] {
        statuses.push(status_of(world.client_credentials(client)).await);
    }
    assert_eq!(statuses, [503, 502, 502, 503]);
    world.sandbox.clear_faults();
    assert_eq!(status_of(world.client_credentials("reports")).await, 200);
    let counters = world.sandbox.counters_of("reports");
    assert_eq!((counters.token_requests, counters.faulted, counters.issued), (4, 3, 1));
}

#[tokio::test]
async fn a_status_that_is_none_is_sent_as_500() {
    let world = World::start().await;
    for number in [0, 100, 199, 600, 1000, 65535] {
        world.sandbox.set_fault(status(number));
        assert_eq!(status_of(world.client_credentials("reports")).await, 500, "{number}");
    }
}

#[tokio::test]
async fn latency_delays_and_then_works() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Latency { millis: 30 });
    assert_eq!(status_of(world.client_credentials("reports")).await, 200);
    assert_eq!(world.sandbox.requests()[0].outcome, Outcome::Issued);
}

#[tokio::test]
async fn hung_requests_count_as_in_flight_until_released_and_then_work() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..5 {
        callers.spawn(status_of(world.client_credentials("reports")));
    }
    world.sandbox.wait_for_requests("reports", 5).await;
    let counters = world.sandbox.counters_of("reports");
    assert_eq!((counters.in_flight, counters.max_in_flight, counters.issued), (5, 5, 0));

    world.sandbox.release();
    assert_eq!(callers.join_all().await, [200; 5]);
    let counters = world.sandbox.counters();
    assert_eq!((counters.total.in_flight, counters.total.max_in_flight, counters.total.issued), (0, 5, 5));
    assert_eq!(counters.clients["billing"].max_in_flight, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_a_hung_request_is_noted() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut callers = tokio::task::JoinSet::new();
    callers.spawn(status_of(world.client_credentials("reports")));
    world.sandbox.wait_for_requests("reports", 1).await;
    callers.shutdown().await;
    world.sandbox.wait_until(|counters| counters.total.in_flight == 0).await;
    assert_eq!(world.sandbox.requests()[0].outcome, Outcome::Abandoned);
    assert_eq!(world.sandbox.counters_of("reports").abandoned, 1);
}

#[tokio::test]
async fn a_held_answer_has_its_work_done_before_the_release() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("web");
    world.sandbox.set_fault(Fault::HoldAnswer.times(1));
    let mut callers = tokio::task::JoinSet::new();
    let held = world.refresh("web", &token);
    callers.spawn(async { json_of(held).await });
    world.sandbox.wait_until(|counters| counters.clients["web"].issued == 1).await;
    assert_eq!(error_of(world.refresh("web", &token)).await.0, 400);
    assert_eq!(world.sandbox.requests()[0].outcome, Outcome::Pending);
    world.sandbox.release();
    assert!(callers.join_next().await.unwrap().unwrap()["access_token"].is_string());
}

#[tokio::test]
async fn a_reset_connection_gives_an_error_and_not_one_byte() {
    let world = World::start().await;
    for (fault, outcome) in [(Fault::ConnectionReset, Outcome::Faulted), (Fault::AnswerLost, Outcome::Lost)] {
        world.sandbox.set_fault(fault);
        let error = world.client_credentials("reports").send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout() && error.status().is_none());

        let mut stream = TcpStream::connect(world.sandbox.address()).await.unwrap();
        let body = "grant_type=client_credentials&client_id=reports&client_secret=reports-secret";
        let head = "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded";
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(answer.is_empty());
        assert_eq!(world.sandbox.requests().last().unwrap().outcome, outcome);
    }
    let counters = world.sandbox.counters_of("reports");
    assert_eq!((counters.faulted, counters.lost, counters.issued, counters.in_flight), (2, 2, 2, 0));
}

#[tokio::test]
async fn a_lost_answer_has_spent_the_refresh_token() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("web");
    world.sandbox.set_fault(Fault::AnswerLost.times(1));
    world.refresh("web", &token).send().await.unwrap_err();
    assert_eq!(error_of(world.refresh("web", &token)).await, (400, "invalid_grant".to_owned()));
    assert_eq!(world.sandbox.counters_of("web").reused_refresh_tokens, 1);
}

#[tokio::test]
async fn a_reset_connection_has_not_spent_the_refresh_token() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("web");
    world.sandbox.set_fault(Fault::ConnectionReset.times(1));
    world.refresh("web", &token).send().await.unwrap_err();
    assert_eq!(status_of(world.refresh("web", &token)).await, 200);
}

#[tokio::test]
async fn retry_after_comes_as_seconds_as_date_or_not_at_all() {
    let world = World::start().await;
    let response = |retry_after| {
        world.sandbox.set_fault(Fault::TooManyRequests { retry_after });
        world.client_credentials("reports").send()
    };
    let seconds = response(Some(RetryAfter::Seconds(7))).await.unwrap();
    assert_eq!((seconds.status().as_u16(), header_of(&seconds, "retry-after").as_str()), (429, "7"));
    let date = header_of(&response(Some(RetryAfter::HttpDate(600))).await.unwrap(), "retry-after");
    assert!((540..=600).contains(&seconds_ahead(&date)), "{date}");
    let far = header_of(&response(Some(RetryAfter::HttpDate(u64::MAX))).await.unwrap(), "retry-after");
    assert!(seconds_ahead(&far) > 600);
    assert!(!response(None).await.unwrap().headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_skewed_date_comes_with_a_good_answer() {
    let world = World::start().await;
    for (skew, expected) in [(-300, -360..=-300), (300, 240..=300)] {
        world.sandbox.set_fault(Fault::SkewedDate { seconds: skew });
        let response = world.client_credentials("reports").send().await.unwrap();
        assert_eq!(response.headers().get_all("date").iter().count(), 1);
        assert!(expected.contains(&seconds_ahead(&header_of(&response, "date"))));
        assert_eq!(response.status(), 200);
    }
    world.sandbox.set_fault(Fault::SkewedDate { seconds: i64::MIN });
    assert_eq!(status_of(world.client_credentials("reports")).await, 200);
}

#[tokio::test]
async fn refusals_come_on_demand_and_spend_nothing() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("web");
    for (fault, refused) in [
        (Fault::InvalidClient, (401, "invalid_client".to_owned())),
        (Fault::InvalidGrant, (400, "invalid_grant".to_owned())),
    ] {
        world.sandbox.set_fault(fault.times(1));
        assert_eq!(error_of(world.refresh("web", &token)).await, refused);
    }
    assert_eq!(world.sandbox.counters_of("web").refused, 2);
    assert_eq!(status_of(world.refresh("web", &token)).await, 200);
}

/// The body, content type and status that `reports` gets.
async fn odd(world: &World, body: OddBody) -> (String, String, u16) {
    world.sandbox.set_fault(Fault::OddBody { body });
    let response = world.client_credentials("reports").send().await.unwrap();
    let (content_type, status) = (header_of(&response, "content-type"), response.status().as_u16());
    (response.text().await.unwrap(), content_type, status)
}

#[tokio::test]
async fn odd_bodies_that_stand_alone_issue_nothing() {
    let world = World::start().await;
    assert!(odd(&world, OddBody::Html).await.0.starts_with("<!doctype html>"));
    assert_eq!(odd(&world, OddBody::Empty).await.0, "");
    let no_token: Value = serde_json::from_str(&odd(&world, OddBody::NoToken).await.0).unwrap();
    assert!(no_token.get("access_token").is_none());
    assert!(serde_json::from_str::<Value>(&odd(&world, OddBody::NotJson).await.0).is_err());
    let (error, _, status) = odd(&world, OddBody::ErrorIn200).await;
    assert!(error.contains("invalid_grant") && status == 200);
    let raw = OddBody::Raw { status: 418, content_type: "text/x-tea".into(), body: "tea".into() };
    assert_eq!(odd(&world, raw).await, ("tea".to_owned(), "text/x-tea".to_owned(), 418));
    let counters = world.sandbox.counters_of("reports");
    assert_eq!((counters.issued, counters.faulted), (0, 6));
}

#[tokio::test]
async fn odd_bodies_made_from_a_good_answer_differ_in_one_thing() {
    let world = World::start().await;
    assert!(serde_json::from_str::<Value>(&odd(&world, OddBody::Truncated).await.0).is_err());
    let form = odd(&world, OddBody::FormEncoded).await;
    assert!(form.0.contains("access_token=sbx_reports_") && form.1 == "application/x-www-form-urlencoded");

    for (body, expires_in) in [
        (OddBody::ExpiresInString, json!("300")),
        (OddBody::ExpiresInFloat, json!(300.5)),
        (OddBody::ExpiresInZero, json!(0)),
        (OddBody::ExpiresInNegative, json!(-1)),
        (OddBody::ExpiresInAbsent, Value::Null),
        (OddBody::Huge, json!(300)),
    ] {
        let (text, ..) = odd(&world, body.clone()).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["expires_in"], expires_in);
        assert_eq!(text.len() > 1024 * 1024, body == OddBody::Huge);
        let authorization = format!("Bearer {}", text_of(&answer, "access_token"));
        assert_eq!(status_of(world.call_api(&authorization)).await, 200);
    }
    let answer: Value = serde_json::from_str(&odd(&world, OddBody::TokenWithNewline).await.0).unwrap();
    assert!(text_of(&answer, "access_token").ends_with('\n'));
    assert_eq!(world.sandbox.counters_of("reports").issued, 9);
}

#[tokio::test]
async fn stop_ends_hung_requests_and_frees_the_port() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::Hang);
    let mut callers = tokio::task::JoinSet::new();
    callers.spawn(world.client_credentials("reports").send());
    world.sandbox.wait_for_requests("reports", 1).await;
    world.sandbox.stop().await;
    callers.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(TcpStream::connect(world.sandbox.address()).await.is_err());
    assert_eq!(world.sandbox.counters_of("reports").abandoned, 1);
    tokio::time::timeout(Duration::from_secs(20), world.sandbox.stop()).await.unwrap();
}
