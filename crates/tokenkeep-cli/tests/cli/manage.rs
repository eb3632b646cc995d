//! `refresh` and `clear`.

use tokenkeep_sandbox::Fault;

use crate::world::World;

#[tokio::test]
async fn refresh_makes_a_new_generation_for_all() {
    let world = World::start().await;
    let old = world.run(&["get", "graph"]).await;
    let ended = world.run(&["refresh", "graph"]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""));
    assert!(ended.stderr.starts_with("graph: obtained generation 2, good for "), "{ended:?}");
    assert_ne!(world.run(&["get", "graph"]).await.data(), old.data());
    assert_eq!(world.requests("graph"), 2);
}

#[tokio::test]
async fn a_refresh_that_fails_says_so_and_the_present_token_stays() {
    let world = World::start().await;
    let token = world.run(&["get", "graph"]).await;
    world.sandbox.set_fault(Fault::InvalidClient.times(1));
    let failed = world.run(&["refresh", "graph"]).await;
    assert!(failed.failure(6).contains("\nnext: check client_id, client_secret and client_auth; "), "{failed:?}");
    assert_eq!(world.run(&["get", "graph"]).await.stdout, token.stdout);
}

#[tokio::test]
async fn a_refusal_says_how_to_ask_again_once_it_is_mended_at_the_issuer() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    world.run(&["get", "graph"]).await.failure(6);
    world.sandbox.clear_faults();
    let repeated = world.run(&["get", "graph"]).await;
    let next = repeated.failure(6).lines().find_map(|line| line.strip_prefix("next: ")).unwrap().to_owned();
    assert!(next.ends_with("; once it is mended at the issuer: tokenkeep refresh graph"), "{next}");
    assert_eq!(world.requests("graph"), 1, "the issuer is left alone");
    world.run(&["refresh", "graph"]).await;
    world.run(&["get", "graph"]).await.data();
}

#[tokio::test]
async fn a_rotated_refresh_token_is_saved_by_each_process_for_the_next() {
    let world = World::start().await;
    for generation in 1..=4 {
        let ended = world.run(&["refresh", "calendar"]).await;
        assert!(ended.stderr.contains(&format!("obtained generation {generation}")), "{ended:?}");
    }
    assert_eq!(world.sandbox.counters_of("calendar").reused_refresh_tokens, 0);
}

#[tokio::test]
async fn clear_forgets_the_token_and_the_generations_go_on_counting() {
    let world = World::start().await;
    let old = world.run(&["get", "graph"]).await;
    let ended = world.run(&["clear", "graph"]).await;
    assert_eq!(
        (ended.code, &*ended.stdout, &*ended.stderr),
        (Some(0), "", "graph: cleared; the next get obtains a new token\n")
    );
    let json = world.run(&["get", "graph", "--format", "json"]).await.json();
    assert_ne!(json["access_token"], *old.data());
    assert_eq!(json["generation"], 2);
}

#[tokio::test]
async fn clear_forgets_a_refusal_too() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::InvalidClient.times(1));
    world.run(&["get", "graph"]).await.failure(6);
    world.run(&["get", "graph"]).await.failure(6);
    assert_eq!(world.requests("graph"), 1, "a refusal is remembered");
    assert_eq!(world.run(&["clear", "graph"]).await.code, Some(0));
    world.run(&["get", "graph"]).await.data();
}
