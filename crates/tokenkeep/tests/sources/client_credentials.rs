//! Grant `client_credentials`.

use tokenkeep::Code;
use tokenkeep::provider::{ClientAuth, Grant};
use tokenkeep_sandbox::{Client, Fault, Sandbox};

use crate::support::*;

/// Ids and secrets that a client which does not encode them gets wrong (RFC 6749 section 2.3.1).
const ODD: [(&str, &str); 7] = [
    ("with:colon", "se:cr:et"),
    ("50%", "100%25 sure"),
    ("a+b", "1+1=2"),
    ("with space", " both ends "),
    ("é", "naïve ☂"),
    ("~*-_.!'()", "\"\\/&=?#;"),
    ("plain", ""),
];

#[tokio::test]
async fn a_client_proves_itself_by_basic_whatever_its_id_and_secret_hold() {
    all_odd_clients_get_a_token(ClientAuth::ClientSecretBasic).await;
}

#[tokio::test]
async fn a_client_proves_itself_by_post_whatever_its_id_and_secret_hold() {
    all_odd_clients_get_a_token(ClientAuth::ClientSecretPost).await;
}

async fn all_odd_clients_get_a_token(client_auth: ClientAuth) {
    // The sandbox takes an empty parameter for an absent one (RFC 6749 section 3.2), so post cannot send that secret.
    let odd = ODD.into_iter().filter(|(_, secret)| client_auth == ClientAuth::ClientSecretBasic || !secret.is_empty());
    let odd: Vec<_> = odd.collect();
    let builder =
        odd.iter().fold(Sandbox::builder(), |builder, (id, secret)| builder.client(Client::new(*id, *secret)));
    let sandbox = builder.start().await.unwrap();
    let grants = odd.iter().map(|(id, secret)| {
        Grant::ClientCredentials(client(&sandbox.token_url(), id, secret).with_client_auth(client_auth))
    });
    let manager = manager(grants).await;
    for (number, (id, _)) in odd.iter().enumerate() {
        manager.token(&format!("p{number}")).await.unwrap();
        let counters = sandbox.counters_of(id);
        assert_eq!((counters.token_requests, counters.issued), (1, 1), "{id}");
    }
}

#[tokio::test]
async fn each_way_to_prove_itself_sends_the_secret_in_its_one_place() {
    for (client_auth, id_in_form, secret_in_form, header) in [
        (ClientAuth::ClientSecretBasic, false, false, true),
        (ClientAuth::ClientSecretPost, true, true, false),
        (ClientAuth::None, true, false, false),
    ] {
        let issuer = Playback::answering("200 OK", r#"{"access_token":"a"}"#).await;
        let endpoint = client(&issuer.token_url(), "reports", "s3cret").with_client_auth(client_auth);
        ask(Grant::ClientCredentials(endpoint)).await.unwrap();
        let request = &issuer.requests()[0];
        assert_eq!(request.contains("client_id=reports"), id_in_form, "{request}");
        assert_eq!(request.contains("client_secret=s3cret"), secret_in_form, "{request}");
        assert_eq!(request.contains("authorization: Basic "), header, "{request}");
    }
}

#[tokio::test]
async fn the_request_is_a_form_with_scope_and_extra_parameters() {
    let issuer = Playback::answering("200 OK", r#"{"access_token":"a"}"#).await;
    let extra = [("audience", "https://api.example/?a=b&c"), ("resource", "ä b")];
    let endpoint = client(&format!("{}?tenant=7", issuer.token_url()), "reports", "s3cret")
        .with_scope(["reports:read", "https://x.example/.default"]);
    let endpoint = extra.into_iter().fold(endpoint, |endpoint, (name, value)| endpoint.with_extra(name, value));
    ask(Grant::ClientCredentials(endpoint)).await.unwrap();
    let requests = issuer.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token?tenant=7 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    assert!(head.contains("accept: application/json"), "{head}");
    assert!(head.contains("user-agent: tokenkeep/"), "{head}");
    assert_eq!(
        body,
        "grant_type=client_credentials&scope=reports%3Aread+https%3A%2F%2Fx.example%2F.default\
         &audience=https%3A%2F%2Fapi.example%2F%3Fa%3Db%26c&resource=%C3%A4+b"
    );
}

#[tokio::test]
async fn the_granted_scope_is_that_of_the_token() {
    let registered = Client::new("reports", "s3cret").scope("read write");
    let sandbox = Sandbox::builder().client(registered).start().await.unwrap();
    let endpoint = client(&sandbox.token_url(), "reports", "s3cret");
    let some = endpoint.clone().with_scope(["read"]);
    let foreign = endpoint.clone().with_scope(["admin"]);
    let manager = manager([endpoint, some, foreign].map(Grant::ClientCredentials)).await;
    assert_eq!(manager.token("p0").await.unwrap().scope(), Some("read write"));
    assert_eq!(manager.token("p1").await.unwrap().scope(), Some("read"));
    let error = manager.token("p2").await.unwrap_err();
    assert_eq!((error.code(), error.next()), (Code::Refused, Some("check scope")));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_after_one_request_however_often_somebody_asks() {
    let (sandbox, _) = sandbox().await;
    let handle = handle(Grant::ClientCredentials(client(&sandbox.token_url(), "reports", "wrong"))).await;
    for _ in 0..20 {
        let error = handle.token().await.unwrap_err();
        assert_eq!(error.code(), Code::Refused);
        assert_eq!(error.next(), Some("check client_id, client_secret and client_auth"));
        assert!(error.what().contains("answered 401 invalid_client"), "{error}");
    }
    assert_eq!(sandbox.counters_of("reports").token_requests, 1);
}

#[tokio::test]
async fn a_mended_issuer_is_asked_again_by_hand_after_a_refusal() {
    let (sandbox, grant) = sandbox().await;
    sandbox.set_fault(Fault::InvalidClient.times(1));
    let handle = handle(grant).await;
    assert_eq!(handle.token().await.unwrap_err().code(), Code::Refused);
    assert_eq!(handle.refresh().await.unwrap().generation(), 1);
    handle.token().await.unwrap();
}
