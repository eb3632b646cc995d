//! What the token endpoint and the login answer.

use crate::{World, error_of, header_of, json_of, status_of, text_of};
use serde_json::json;
use tokenkeep_sandbox::{Client, Grant, Refusal, Sandbox, UNKNOWN_CLIENT, VENDOR};

#[tokio::test]
async fn client_credentials_give_a_fresh_token_that_must_not_be_stored() {
    let world = World::start().await;
    let response = world.client_credentials("reports").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header_of(&response, "cache-control"), "no-store");
    assert!(response.headers().contains_key("date"));
    let answer: serde_json::Value = response.json().await.unwrap();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert!(answer.get("refresh_token").is_none());
    assert_ne!(text_of(&answer, "access_token"), world.access_token("reports").await);
}

#[tokio::test]
async fn a_secret_is_taken_from_the_body_as_well() {
    let world = World::start().await;
    let form = [("grant_type", "client_credentials"), ("client_id", "reports"), ("client_secret", "reports-secret")];
    assert_eq!(status_of(world.http.post(world.sandbox.token_url()).form(&form)).await, 200);
}

#[tokio::test]
async fn basic_credentials_are_form_decoded_and_unencoded_ones_refused() {
    let world = World::start().await;
    let ask = |id: &str, secret: &str| {
        let form = [("grant_type", "client_credentials")];
        world.http.post(world.sandbox.token_url()).basic_auth(id, Some(secret)).form(&form)
    };
    assert_eq!(status_of(ask("od%3Ad", "p%2Bq%25r%26s%3Dt+u")).await, 200);
    assert_eq!(error_of(ask("od%3Ad", "p+q%r&s=t u")).await, (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn unknown_clients_and_wrong_secrets_are_challenged_alike() {
    let world = World::start().await;
    let form = [("grant_type", "client_credentials")];
    for (id, secret) in [("nobody", "x"), ("reports", "wrong"), ("reports", "")] {
        let response =
            world.http.post(world.sandbox.token_url()).basic_auth(id, Some(secret)).form(&form).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(header_of(&response, "www-authenticate").starts_with("Basic"));
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!(answer["error"], "invalid_client");
    }
    assert_eq!(world.sandbox.counters_of(UNKNOWN_CLIENT).refused, 1);
    assert_eq!(world.sandbox.counters_of("reports").refused, 2);
}

#[tokio::test]
async fn what_a_client_may_not_have_is_refused_in_the_words_of_rfc_6749() {
    let sandbox = Sandbox::builder()
        .client(Client::new("narrow", "narrow-secret").grants([Grant::ClientCredentials]).scope("read write"))
        .client(Client::public("app"))
        .user("alice", "alice-password")
        .start()
        .await
        .unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let ask =
        |form: &[(&str, &str)]| http.post(sandbox.token_url()).basic_auth("narrow", Some("narrow-secret")).form(form);
    let plain = ("grant_type", "client_credentials");
    let refused = |code: &str| (400, code.to_owned());

    assert_eq!(error_of(ask(&[("scope", "read")])).await, refused("invalid_request"));
    assert_eq!(error_of(ask(&[plain, plain])).await, refused("invalid_request"));
    assert_eq!(error_of(ask(&[("grant_type", "magic")])).await, refused("unsupported_grant_type"));
    assert_eq!(error_of(ask(&[plain, ("scope", "read admin")])).await, refused("invalid_scope"));
    assert_eq!(json_of(ask(&[plain])).await["scope"], "read write");
    assert_eq!(json_of(ask(&[plain, ("scope", "read")])).await["scope"], "read");
    let password = [("grant_type", "password"), ("username", "alice"), ("password", "alice-password")];
    assert_eq!(error_of(ask(&password)).await, refused("unauthorized_client"));
    let public = http.post(sandbox.token_url()).form(&[plain, ("client_id", "app")]);
    assert_eq!(error_of(public).await, refused("unauthorized_client"));
    let not_a_form = http.post(sandbox.token_url()).json(&json!({"grant_type": "client_credentials"}));
    assert_eq!(error_of(not_a_form).await, refused("invalid_request"));
}

#[tokio::test]
async fn a_wrong_password_is_an_invalid_grant() {
    let world = World::start().await;
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "wrong")];
    assert_eq!(error_of(world.ask("web", &form)).await, (400, "invalid_grant".to_owned()));
    assert_eq!(Refusal::SpentRefreshToken.code(), "invalid_grant");
    assert_eq!(world.sandbox.counters_of("web").logins, 0);
}

#[tokio::test]
async fn the_vendors_login_gives_a_raw_token_and_no_expiry() {
    let world = World::start().await;
    let login = |password: &str| {
        let body = json!({ "username": "alice", "password": password });
        world.http.post(world.sandbox.login_url()).json(&body)
    };
    let answer = json_of(login("alice-password")).await;
    assert_eq!(answer.as_object().unwrap().len(), 1);
    assert_eq!(status_of(world.call_api(&text_of(&answer, "Authorization"))).await, 200);
    assert_eq!(status_of(login("wrong")).await, 401);

    let counters = world.sandbox.counters_of(VENDOR);
    assert_eq!((counters.token_requests, counters.by_grant.login), (2, 2));
    assert_eq!((counters.logins, counters.refused, counters.api_served), (1, 1, 1));
}

#[tokio::test]
async fn refresh_in_is_answered_where_the_client_has_it() {
    let client = Client::new("reports", "reports-secret").refresh_in(std::time::Duration::from_secs(20));
    let sandbox = Sandbox::builder().client(client).start().await.unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let form = [("grant_type", "client_credentials")];
    let answer =
        json_of(http.post(sandbox.token_url()).basic_auth("reports", Some("reports-secret")).form(&form)).await;
    assert_eq!((&answer["refresh_in"], &answer["expires_in"]), (&json!(20), &json!(60)));
}

#[tokio::test]
async fn what_cannot_be_a_sandbox_does_not_start() {
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::InvalidInput;
    let everywhere = Sandbox::builder().listen("0.0.0.0:0".parse().unwrap()).start().await;
    assert!(refused(everywhere.unwrap_err()));
    for id in ["", VENDOR, UNKNOWN_CLIENT] {
        assert!(refused(Sandbox::builder().client(Client::public(id)).start().await.unwrap_err()));
    }
    let twice = Sandbox::builder().client(Client::public("a")).client(Client::public("a"));
    assert!(refused(twice.start().await.unwrap_err()));
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let builder = Sandbox::builder().client(Client::new("reports", "S3CRET")).user("alice", "S3CRET");
    assert!(!format!("{builder:?}").contains("S3CRET"));
    let sandbox = builder.start().await.unwrap();
    assert!(!format!("{sandbox:?} {:?} {:?}", sandbox.counters(), sandbox.requests()).contains("S3CRET"));
}
