//! What happens on the way to an issuer and back.

use std::net::SocketAddr;
use std::time::Duration;

use tokenkeep::provider::Grant;
use tokenkeep::{Code, Error};
use tokenkeep_sandbox::{Fault, OddBody, RetryAfter};
use tokio::io::AsyncWriteExt as _;

use crate::support::*;

/// What is said of an issuer that gives no token, after its name.
fn unavailable(error: &Error, host: SocketAddr) -> String {
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
    error.what().strip_prefix(&format!("{host} ")).expect("it names the issuer").to_owned()
}

fn grant_at(issuer: &Playback) -> Grant {
    Grant::ClientCredentials(client(&format!("{}?key=planted", issuer.token_url()), "reports", "planted"))
}

#[tokio::test]
async fn a_connection_reset_is_told_as_one() {
    let (sandbox, grant) = sandbox().await;
    sandbox.set_fault(Fault::ConnectionReset);
    let error = ask(grant).await.unwrap_err();
    let what = unavailable(&error, sandbox.address());
    assert!(what == "did not answer: Connection reset by peer (os error 104)", "{what}");
    assert_eq!(sandbox.counters_of("reports").token_requests, 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_work_is_told_and_not_asked_for_again_at_once() {
    let (sandbox, grant) = sandbox().await;
    sandbox.set_fault(Fault::AnswerLost);
    let error = ask(grant).await.unwrap_err();
    assert!(unavailable(&error, sandbox.address()).starts_with("did not answer: "), "{error}");
    assert_eq!(sandbox.counters_of("reports").lost, 1);
}

#[tokio::test]
async fn a_silent_issuer_is_given_up_in_time() {
    let (sandbox, grant) = sandbox().await;
    sandbox.set_fault(Fault::Hang);
    // Long enough for it to come there.
    let error = ask_within(Duration::from_secs(1), grant).await.unwrap_err();
    assert_eq!(unavailable(&error, sandbox.address()), "did not answer within 1 s");
    sandbox.wait_until(|counters| counters.clients["reports"].abandoned == 1).await;
}

#[tokio::test]
async fn an_issuer_that_stops_in_its_answer_is_given_up_in_time() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    for begun in ["", "HTTP/1.1 2", head, &format!("{head}Content-Length: 100\r\n\r\n{{\"access_token\":\"planted")] {
        let issuer = Playback::start(Script::Stalled(begun.into())).await;
        let error = ask_within(Duration::from_millis(300), grant_at(&issuer)).await.unwrap_err();
        assert_eq!(unavailable(&error, issuer.address()), "did not answer within 0.3 s", "{begun}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut_too() {
    let again = "X-Padding: planted\r\n".repeat(1000).into();
    let issuer = Playback::start(Script::Endless("HTTP/1.1 200 OK\r\n".into(), again)).await;
    let error = ask(grant_at(&issuer)).await.unwrap_err();
    let what = unavailable(&error, issuer.address());
    assert!(what == "did not answer: message head is too large", "{what}");
}

#[tokio::test]
async fn what_is_no_http_is_told_and_not_shown() {
    for bytes in ["SSH-2.0-planted\r\n", "\x15\x03\x01\x00\x02planted", ""] {
        let issuer = Playback::start(Script::Once(bytes.into())).await;
        let error = ask(grant_at(&issuer)).await.unwrap_err();
        assert!(unavailable(&error, issuer.address()).starts_with("did not answer: "), "{error}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_told_as_such() {
    let nobody = client("http://127.0.0.1:1/token?key=planted", "reports", "planted");
    let error = ask(Grant::ClientCredentials(nobody)).await.unwrap_err();
    let address = "127.0.0.1:1".parse().unwrap();
    assert_eq!(unavailable(&error, address), "cannot be reached: Connection refused (os error 111)");
}

#[tokio::test]
async fn https_to_an_issuer_that_speaks_http_is_told_as_such() {
    let issuer = Playback::answering("400 Bad Request", "planted").await;
    let url = format!("https://{}/token?key=planted", issuer.address());
    let error = ask(Grant::ClientCredentials(client(&url, "reports", "planted"))).await.unwrap_err();
    assert!(unavailable(&error, issuer.address()).starts_with("cannot be reached: "), "{error}");
    assert_eq!(issuer.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_that_is_none_of_tls_is_told_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("https://{address}/token");
    let answering = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        asked = ask(Grant::ClientCredentials(client(&url, "reports", "planted"))) => asked.unwrap_err(),
        () = answering => unreachable!(),
    };
    assert_eq!(unavailable(&error, address), "cannot be reached: what listens there does not speak TLS");
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Playback::answering("200 OK", r#"{"access_token":"stolen"}"#).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("{status} Elsewhere\r\nLocation: {}?planted", elsewhere.token_url());
        let issuer = Playback::answering(&head, "").await;
        let error = ask(grant_at(&issuer)).await.unwrap_err();
        assert_eq!(error.code(), Code::Refused);
        assert_eq!(error.next(), Some("redirects are not followed: set token_url to the final address"));
        assert!(error.what().ends_with(&format!("answered {status}")), "{error}");
        assert_eq!(issuer.requests().len(), 1);
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn a_connection_that_the_issuer_closed_meanwhile_is_not_used_again() {
    let issuer = Playback::answering("200 OK", r#"{"access_token":"a"}"#).await;
    let handle = handle(grant_at(&issuer)).await;
    handle.token().await.unwrap();
    assert_eq!(handle.refresh().await.unwrap().generation(), 2);
}

#[tokio::test]
async fn too_many_requests_say_when_to_come_again_in_either_form() {
    for after in [RetryAfter::Seconds(40), RetryAfter::HttpDate(40)] {
        let (sandbox, grant) = sandbox().await;
        sandbox.set_fault(Fault::TooManyRequests { retry_after: Some(after) });
        let handle = handle(grant).await;
        for _ in 0..5 {
            let error = handle.token().await.unwrap_err();
            assert_eq!(unavailable(&error, sandbox.address()), "answered 429");
            let wait = error.retry_after().unwrap();
            assert!(wait > Duration::from_secs(37) && wait <= Duration::from_secs(41), "{wait:?}");
        }
        assert_eq!(sandbox.counters_of("reports").token_requests, 1);
    }
}

#[tokio::test]
async fn a_code_inside_an_outage_is_no_verdict() {
    for status in [429, 500, 503] {
        let (sandbox, grant) = sandbox().await;
        let body = r#"{"error":"invalid_client","error_description":"who?"}"#.to_owned();
        sandbox.set_fault(Fault::Status { status, body });
        let error = ask(grant).await.unwrap_err();
        assert_eq!(unavailable(&error, sandbox.address()), format!("answered {status} invalid_client: who?"));
    }
}

#[tokio::test]
async fn odd_bodies_that_hold_a_token_give_it_with_its_life() {
    for (body, life) in [
        (OddBody::ExpiresInString, 60.0),
        (OddBody::ExpiresInFloat, 60.5),
        (OddBody::ExpiresInAbsent, 300.0),
        (OddBody::FormEncoded, 60.0),
        (OddBody::TokenWithNewline, 60.0),
    ] {
        let (sandbox, grant) = sandbox().await;
        sandbox.set_fault(Fault::OddBody { body: body.clone() });
        let token = ask(grant).await.unwrap();
        let left = token.expires_in().unwrap().as_secs_f32();
        assert!(left > life - 5.0 && left <= life, "{body:?}: {left} s");
        assert!(token.expose_secret().starts_with("sbx"), "{body:?}");
    }
}

#[tokio::test]
async fn odd_bodies_without_a_token_of_use_are_told_apart() {
    for (body, fault) in [
        (OddBody::Html, "answered 200 with HTML or XML"),
        (OddBody::Empty, "answered 200 with an empty body"),
        (OddBody::NoToken, "answered 200 without an access_token"),
        (OddBody::NotJson, "answered 200 with something that is no JSON"),
        (OddBody::Truncated, "answered 200 with truncated JSON"),
        (OddBody::Huge, "answered with more than 1 MiB"),
        (OddBody::ExpiresInZero, "answered 200 with an expires_in that is not above zero"),
        (OddBody::ExpiresInNegative, "answered 200 with an expires_in that is not above zero"),
    ] {
        let (sandbox, grant) = sandbox().await;
        sandbox.set_fault(Fault::OddBody { body: body.clone() });
        let error = ask(grant).await.unwrap_err();
        assert_eq!(unavailable(&error, sandbox.address()), fault, "{body:?}");
    }
}

#[tokio::test]
async fn a_skewed_date_does_not_change_a_relative_life() {
    for seconds in [-86_400, 86_400] {
        let (sandbox, grant) = sandbox().await;
        sandbox.set_fault(Fault::SkewedDate { seconds });
        let left = ask(grant).await.unwrap().expires_in().unwrap();
        assert!(left > Duration::from_secs(55) && left <= Duration::from_mins(1), "{left:?}");
    }
}
