//! Promise 1: one flight. Promise 2: fetch, save, publish.

use std::sync::Arc;

use tokenkeep::source::Fault;
use tokenkeep::{Code, Demand};
use tokio::task::JoinSet;

use crate::support::*;

async fn thousand_callers(world: &World) -> Vec<Result<tokenkeep::Token, tokenkeep::Error>> {
    world.issuer.hold();
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let graph = world.graph();
        callers.spawn(async move { graph.token().await });
    }
    world.issuer.arrival(1).await;
    settle().await;
    world.issuer.let_go();
    callers.join_all().await
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_an_empty_cache_make_one_request() {
    let world = world(HOUR).await;
    let answers = thousand_callers(&world).await;
    assert_eq!(answers.len(), 1000);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().expose_secret() == "graph-token-1"));
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_failing_issuer_share_one_request_and_one_answer() {
    let world = world(HOUR).await;
    world.issuer.fail(Fault::Unavailable);
    let answers = thousand_callers(&world).await;
    let texts: std::collections::HashSet<_> =
        answers.iter().map(|answer| answer.as_ref().unwrap_err().to_string()).collect();
    assert_eq!(texts.len(), 1);
    assert_eq!(answers[0].as_ref().unwrap_err().code(), Code::Unavailable);
    // Those who come after the failure get it too, without a request.
    world.get().await.unwrap_err();
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_cancels_nothing_for_the_others() {
    let world = world(HOUR).await;
    world.issuer.hold();
    let first = tokio::time::timeout(SECOND, world.get());
    let graph = world.graph();
    let second = async {
        world.issuer.arrival(1).await;
        graph.token().await
    };
    let (first, second) = tokio::join!(first, async {
        let answer = tokio::time::timeout(SECOND * 3, second);
        let release = async {
            pass(SECOND * 2).await;
            world.issuer.let_go();
        };
        tokio::join!(answer, release).0
    });
    first.unwrap_err();
    assert_eq!(second.unwrap().unwrap().generation(), 1);
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_rotated_for_a_caller_who_left_is_saved_and_used_next() {
    let world = rotating_world(MINUTE).await;
    world.issuer.hold();
    tokio::time::timeout(SECOND, world.get()).await.unwrap_err();
    world.issuer.let_go();
    settle().await;
    let stored = world.store.record("graph").await.unwrap();
    assert_eq!(stored.refresh_token.unwrap().expose_secret(), "rt-1");
    // The next caller is served without a request, and the one after the token's end with the new refresh token.
    assert_eq!(world.get().await.unwrap().generation(), 1);
    pass(MINUTE).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.requests()[1].refresh_token.as_deref(), Some("rt-1"));
    assert_eq!((world.issuer.count(), world.issuer.reused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn when_the_reply_is_lost_after_rotation_a_login_is_asked_for_and_nothing_loops() {
    let world = rotating_world(MINUTE).await;
    world.manager.start();
    world.get().await.unwrap();
    world.issuer.reply(Reply::Lost);
    pass(MINUTE).await;
    world.issuer.reply(Reply::Token);
    let asked = world.issuer.count();
    for _ in 0..3600 {
        pass(SECOND).await;
        world.get().await.ok();
    }
    let error = world.get().await.unwrap_err();
    assert_eq!(error.code(), Code::LoginRequired);
    assert_eq!(world.graph().status().await.state, tokenkeep::KeyState::LoginRequired);
    // Once to find out that the one it has is spent.
    assert!(world.issuer.count() <= asked + 1, "{} requests after the loss", world.issuer.count() - asked);
    assert_eq!(world.issuer.reused(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_an_error_for_all_who_wait_and_the_next_try_works() {
    let world = world(HOUR).await;
    world.issuer.reply(Reply::Panic);
    let answers = thousand_callers(&world).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(error.to_string(), "graph: the source of issuer.example panicked; the log says where");
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(world.issuer.count(), 1);
    world.issuer.reply(Reply::Token);
    pass(error.retry_after().unwrap()).await;
    assert_eq!(world.get().await.unwrap().expose_secret(), "graph-token-1");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_saved_before_anybody_has_it() {
    let world = world(HOUR).await;
    let graph = world.graph();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let saved = Arc::clone(&seen);
    store_hook(&world.store, move |_| saved.lock().unwrap().push(graph.current().is_some()));
    world.get().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [false]);
}

#[tokio::test(start_paused = true)]
async fn max_wait_ends_the_waiting_and_not_the_request() {
    let world = world(HOUR).await;
    world.issuer.hold();
    let demand = Demand::default().with_max_wait(SECOND * 2);
    let error = world.graph().get(demand).await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (Code::Unavailable, Some(SECOND)));
    world.issuer.let_go();
    assert_eq!(world.get().await.unwrap().generation(), 1);
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_never_answers_is_given_up_after_the_timeout() {
    let world = world(HOUR).await;
    world.issuer.hold();
    let error = world.get().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("issuer.example did not answer within 10 s"), "{error}");
}
