//! Grant `password`.

use tokenkeep::provider::{Grant, ResourceOwner, TokenEndpointSettings};
use tokenkeep::{Code, Secret};
use tokenkeep_sandbox::{Client, Fault, Sandbox};

use crate::support::*;

async fn issuer() -> Sandbox {
    Sandbox::builder()
        .client(Client::new("desk", "desk-secret").with_refresh_tokens())
        .client(Client::public("phone").with_refresh_tokens())
        .client(Client::new("plain", "plain-secret"))
        .user("ada", "pass:w%rd + é")
        .start()
        .await
        .unwrap()
}

fn password(endpoint: TokenEndpointSettings, password: &str) -> Grant {
    let owner = ResourceOwner { username: "ada".to_owned(), password: Secret::new(password) };
    Grant::Password { endpoint, owner: Some(owner) }
}

#[tokio::test]
async fn the_refresh_token_that_a_password_brought_is_used_from_then_on() {
    let sandbox = issuer().await;
    let url = sandbox.token_url();
    let grants = [client(&url, "desk", "desk-secret"), public_client(&url, "phone")];
    let manager = manager(grants.map(|endpoint| password(endpoint, "pass:w%rd + é"))).await;
    let (desk, phone) = (manager.handle("p0").unwrap(), manager.handle("p1").unwrap());
    desk.token().await.unwrap();
    phone.token().await.unwrap();
    tokio::try_join!(desk.refresh(), phone.refresh()).unwrap();
    tokio::try_join!(desk.refresh(), phone.refresh()).unwrap();
    for client in ["desk", "phone"] {
        let counters = sandbox.counters_of(client);
        assert_eq!((counters.by_grant.password, counters.by_grant.refresh_token), (1, 2), "{client}");
        assert_eq!((counters.logins, counters.reused_refresh_tokens), (1, 0), "{client}");
    }
}

#[tokio::test]
async fn an_issuer_that_gives_no_refresh_token_is_asked_with_the_password_again() {
    let sandbox = issuer().await;
    let handle = handle(password(client(&sandbox.token_url(), "plain", "plain-secret"), "pass:w%rd + é")).await;
    handle.token().await.unwrap();
    handle.refresh().await.unwrap();
    assert_eq!(sandbox.counters_of("plain").by_grant.password, 2);
}

#[tokio::test]
async fn when_the_refresh_token_is_refused_the_password_is_used_again_a_second_later() {
    let sandbox = issuer().await;
    let handle = handle(password(client(&sandbox.token_url(), "desk", "desk-secret"), "pass:w%rd + é")).await;
    handle.token().await.unwrap();
    sandbox.set_fault(Fault::InvalidGrant.times(1));
    assert_eq!(handle.refresh().await.unwrap().generation(), 2);
    let counters = sandbox.counters_of("desk");
    assert_eq!((counters.by_grant.password, counters.by_grant.refresh_token), (2, 1));
    let times: Vec<_> = sandbox.requests().iter().map(|request| request.millis).collect();
    // The engine's clock may lag by a tick of the kernel.
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 980), "{times:?}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_after_one_request_however_often_somebody_asks() {
    let sandbox = issuer().await;
    let handle = handle(password(client(&sandbox.token_url(), "desk", "desk-secret"), "guessed")).await;
    for _ in 0..20 {
        let error = handle.token().await.unwrap_err();
        assert_eq!((error.code(), error.next()), (Code::Refused, Some("check username and password")));
        assert!(error.what().ends_with("answered 400 invalid_grant: wrong user name or password"), "{error}");
    }
    assert_eq!(sandbox.counters_of("desk").token_requests, 1);
}

#[tokio::test]
async fn a_wrong_client_secret_is_not_taken_for_a_wrong_password() {
    let sandbox = issuer().await;
    let error = ask(password(client(&sandbox.token_url(), "desk", "wrong"), "pass:w%rd + é")).await.unwrap_err();
    assert_eq!(error.next(), Some("check client_id, client_secret and client_auth"));
}
