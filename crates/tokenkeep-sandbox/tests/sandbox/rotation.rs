//! What becomes of refresh tokens.

use crate::{World, error_of, json_of, status_of, text_of};
use tokenkeep_sandbox::{Outcome, Refusal};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test]
async fn each_use_of_a_refresh_token_gives_the_next_one() {
    let world = World::start().await;
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "alice-password")];
    let mut refresh_token = text_of(&json_of(world.ask("web", &form)).await, "refresh_token");
    for _ in 0..3 {
        let answer = json_of(world.refresh("web", &refresh_token)).await;
        let next = text_of(&answer, "refresh_token");
        assert_ne!(next, refresh_token);
        refresh_token = next;
    }
    let counters = world.sandbox.counters_of("web");
    assert_eq!((counters.issued, counters.by_grant.refresh_token, counters.logins), (4, 3, 1));
    assert_eq!(counters.reused_refresh_tokens, 0);
}

#[tokio::test]
async fn reuse_is_refused_counted_and_revokes_the_family_but_no_other() {
    let world = World::start().await;
    let first = world.sandbox.issue_refresh_token("web");
    let elsewhere = world.sandbox.issue_refresh_token("web");
    let second = text_of(&json_of(world.refresh("web", &first)).await, "refresh_token");

    assert_eq!(error_of(world.refresh("web", &first)).await, invalid_grant());
    assert_eq!(error_of(world.refresh("web", &second)).await, invalid_grant());
    assert_eq!(status_of(world.refresh("web", &elsewhere)).await, 200);
    assert_eq!(world.sandbox.counters_of("web").reused_refresh_tokens, 1);
    let outcomes: Vec<Outcome> = world.sandbox.requests().into_iter().map(|arrival| arrival.outcome).collect();
    let refused = Outcome::Refused;
    let expected =
        [Outcome::Issued, refused(Refusal::SpentRefreshToken), refused(Refusal::InvalidGrant), Outcome::Issued];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_tolerant_client_keeps_its_family_after_reuse() {
    let world = World::start().await;
    let first = world.sandbox.issue_refresh_token("lenient");
    let second = text_of(&json_of(world.refresh("lenient", &first)).await, "refresh_token");
    assert_eq!(error_of(world.refresh("lenient", &first)).await, invalid_grant());
    assert_eq!(status_of(world.refresh("lenient", &second)).await, 200);
    assert_eq!(world.sandbox.counters_of("lenient").reused_refresh_tokens, 1);
}

#[tokio::test]
async fn without_rotation_a_refresh_token_stays_good_and_is_not_repeated() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("fixed");
    for _ in 0..2 {
        assert!(json_of(world.refresh("fixed", &token)).await.get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn a_refresh_token_is_good_for_its_own_client_only() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("web");
    assert_eq!(error_of(world.refresh("billing", &token)).await, invalid_grant());
    assert_eq!(status_of(world.refresh("web", &token)).await, 200);
}

#[tokio::test]
async fn a_public_client_refreshes_without_a_secret() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("app");
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", "app")];
    assert_eq!(status_of(world.http.post(world.sandbox.token_url()).form(&form)).await, 200);
}

#[tokio::test]
async fn of_many_racing_uses_exactly_one_wins() {
    let world = World::start().await;
    let token = world.sandbox.issue_refresh_token("lenient");
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        racers.spawn(status_of(world.refresh("lenient", &token)));
    }
    let statuses = racers.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(world.sandbox.counters_of("lenient").reused_refresh_tokens, 19);
}
