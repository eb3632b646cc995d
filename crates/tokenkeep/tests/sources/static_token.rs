//! `static`: a fixed token.

use tokenkeep::provider::Grant;
use tokenkeep::{Code, KeyState, Secret, Warning};

use crate::support::*;

#[tokio::test]
async fn a_static_token_is_handed_out_and_does_not_end() {
    let token = ask(Grant::Static { token: Secret::new("an-api-key") }).await.unwrap();
    assert_eq!(token.expose_secret(), "an-api-key");
    assert_eq!(token.authorization(), "Bearer an-api-key");
    assert_eq!((token.expires_in(), token.expires_at()), (None, None));
}

#[tokio::test]
async fn a_static_token_is_known_to_be_good_before_anybody_asks_for_it() {
    let settings = || Grant::Static { token: Secret::new("an-api-key") };
    assert_eq!(handle(settings()).await.status().await.state, KeyState::Fresh);
    let statuses = manager([settings(), settings()]).await.statuses(None, 10).await;
    assert_eq!(statuses.iter().map(|status| status.state).collect::<Vec<_>>(), [KeyState::Fresh; 2]);
}

#[tokio::test]
async fn whoever_looks_at_a_status_is_no_caller_who_went_away() {
    let settings = || Grant::Static { token: Secret::new("planted-é") };
    let manager = manager([settings()]).await;
    for _ in 0..3 {
        let one = manager.handle("p0").unwrap().status().await;
        let all = manager.statuses(None, 10).await;
        for status in all.iter().chain([&one]) {
            assert_eq!(status.state, KeyState::Refused);
            let is_told = |warning: &Warning| matches!(warning, Warning::NoTokenForCallers { .. });
            assert!(!status.warnings.iter().any(is_told), "{:?}", status.warnings);
        }
    }
}

#[tokio::test]
async fn a_static_token_that_no_header_can_carry_is_refused_without_being_shown() {
    for text in ["planted\n", "plan\rted", " planted", "planted-é", ""] {
        let error = ask(Grant::Static { token: Secret::new(text) }).await.unwrap_err();
        assert_eq!(error.code(), Code::Refused);
        assert_eq!(
            error.to_string(),
            "p0: the configured token is none that a header can carry; \
             check token for line breaks, spaces and anything but ASCII"
        );
    }
}
