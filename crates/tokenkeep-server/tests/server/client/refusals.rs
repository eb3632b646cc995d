//! What a call that comes to nothing says.

use std::time::Duration;

use tokenkeep_api::client::{ApiKey, Client, ClientError};
use tokenkeep_api::{CredentialsRequest, ProblemCode};

use super::client;
use super::scripted::{Scripted, answer, problem};
use crate::secrets::{API_KEY, PASSWORD};
use crate::world::{Setup, caller};

const PROBLEM: &str = "application/problem+json";

#[tokio::test]
async fn a_refusal_keeps_what_the_server_said() {
    let world = Setup::keyed().start().await;
    let error = client(&world).token("nobody").await.unwrap_err();
    let ClientError::Answered { status, problem } = &error else { panic!("{error:?}") };
    assert_eq!((*status, problem.code, error.can_mend()), (404, ProblemCode::UnknownKey, false));
    assert!(error.to_string().contains(&problem.detail));
    let stranger = Client::builder(&world.url("")).api_key(ApiKey::new("wrong")).build().unwrap();
    assert_eq!(stranger.token("fixed").await.unwrap_err().code(), ProblemCode::Unauthenticated);
    world.control.reload(
        &crate::world::settings(&format!("[server]\n{}", caller("few", API_KEY, "\"fixed\"", "\"get\""))).await,
    );
    assert_eq!(client(&world).clear("fixed").await.unwrap_err().code(), ProblemCode::Forbidden);
    assert_eq!(client(&world).token("reports").await.unwrap_err().code(), ProblemCode::UnknownKey);
    world.end().await;
}

#[tokio::test]
async fn no_answer_is_told_apart_from_a_refusal() {
    let nobody = "http://127.0.0.1:1";
    let error = Client::new(nobody).unwrap().token("graph").await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable { server, .. } if server == nobody), "{error:?}");
    assert!(error.can_mend());
    let error = Client::new("unix:/nowhere/broker.sock").unwrap().ready().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");

    let broker = Scripted::start(["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned()]).await;
    let error = Client::new(&broker.url).unwrap().token("graph").await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::builder(&url).timeout(Duration::from_millis(50)).build().unwrap();
    let error = client.status("graph").await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error:?}");
    let error = client.watch("graph", None).await.unwrap_err();
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error:?}");
}

#[tokio::test]
async fn something_else_that_answers_is_no_broker() {
    let page = "<html>hunter2-planted</html>";
    for (status, code, can_mend) in [
        ("200 OK", ProblemCode::InvalidRequest, false),
        ("404 Not Found", ProblemCode::InvalidRequest, false),
        ("401 Unauthorized", ProblemCode::Unauthenticated, false),
        ("502 Bad Gateway", ProblemCode::Unavailable, true),
    ] {
        let gateway = Scripted::start([answer(status, "text/html", page)]).await;
        let error = Client::new(&gateway.url).unwrap().token("graph").await.unwrap_err();
        assert_eq!((error.code(), error.can_mend()), (code, can_mend), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let elsewhere = Scripted::start([answer("200 OK", "application/json", "{}")]).await;
    let redirect =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
    let broker = Scripted::start([redirect]).await;
    let client = Client::builder(&broker.url).api_key(ApiKey::new(API_KEY)).build().unwrap();
    let error = client.token("graph").await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { status: 307, .. }), "{error:?}");
    assert!(broker.heads()[0].contains(API_KEY) && elsewhere.heads().is_empty());
}

#[tokio::test]
async fn a_problem_of_a_newer_broker_is_judged_by_its_status() {
    for (status, can_mend) in [("503 Service Unavailable", true), ("418 I'm a teapot", false)] {
        let broker = Scripted::start([answer(status, PROBLEM, &problem("on_holiday", Some(7)))]).await;
        let error = Client::new(&broker.url).unwrap().token("graph").await.unwrap_err();
        assert_eq!((error.code(), error.can_mend()), (ProblemCode::Unknown, can_mend));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn settings_that_would_give_a_secret_away_or_cannot_work_are_refused_before_anything_is_sent() {
    let refused = |server: &str, key: &str| {
        let error = Client::builder(server).api_key(ApiKey::new(key)).build().unwrap_err();
        assert!(matches!(error, ClientError::Invalid(_)) && !error.to_string().contains("planted"), "{error:?}");
    };
    refused("http://broker.example", "planted");
    refused("https://planted@broker.example", "planted");
    refused("http://127.0.0.1", "planted\nx");
    refused("http://127.0.0.1", "");
    assert!(Client::builder("https://127.0.0.1").ca_pem("planted").build().is_err());
    Client::builder("http://broker.example").insecure(true).build().unwrap();
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_secret() {
    let world = Setup::keyed().with_accounts().start().await;
    let client = client(&world);
    let credentials = CredentialsRequest::with_password("ann", PASSWORD);
    let tried = client.test_credentials("bluestakes:7", Some(&credentials)).await.unwrap();
    let token = client.token("vendor").await.unwrap();
    let error = client.set_credentials("fixed", &credentials).await.unwrap_err();
    let watch = client.subscribe("vendor");
    let shown = format!("{client:?} {credentials:?} {tried:?} {token:?} {error:?} {error} {watch:?}");
    assert!(!shown.contains("planted"), "{shown}");
    world.end().await;
}
