//! What becomes of a request whose token is refused.

use tokenkeep::Code;
use tokenkeep_middleware::Authorizer;
use tokenkeep_sandbox::Fault;
use tokio::task::JoinSet;

use crate::api::{Api, Seen, status, text};
use crate::world::{Ask, Caller, World};

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_same_request_sent_once_more() {
    for kind in KINDS {
        let api = refusing_the_first(401).await;
        let world = World::with_api(&api.base()).await;
        let ask = Ask::post(format!("{}/users", api.base()), "the very bytes").header("x-one", "1");
        let answer = world.client(kind).send(ask).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, "welcome"));

        let [first, second] = &api.seen()[..] else { panic!("{:?}", api.seen()) };
        for seen in [first, second] {
            assert_eq!(
                (&*seen.path, &*seen.body, seen.header("x-one")),
                ("/api/users", &b"the very bytes"[..], Some("1"))
            );
        }
        assert_eq!(first.method, second.method);
        assert_ne!(first.authorization(), second.authorization());
        assert_eq!(world.token_requests(), 2);
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_costs_no_failed_call() {
    let world = World::start().await;
    for client in world.clients() {
        assert_eq!(client.status(Ask::get(world.sandbox.api_url())).await, 200);
        world.sandbox.revoke_all();
        assert_eq!(client.status(Ask::post(world.sandbox.api_url(), "12345")).await, 200);
    }
    assert_eq!(world.token_requests(), 3);
}

#[tokio::test]
async fn a_stream_is_not_sent_twice_but_its_token_is_rejected() {
    for kind in KINDS {
        let api = refusing_the_first(401).await;
        let world = World::with_api(&api.base()).await;
        let client = world.client(kind);
        let refused = client.send(Ask::stream(api.base(), &["one ", "two"])).await.unwrap();
        assert_eq!((refused.status, &*refused.body, api.count()), (401, "who are you?", 1));
        assert_eq!(client.status(Ask::stream(api.base(), &["one ", "two"])).await, 200);

        let [first, second] = &api.seen()[..] else { panic!("{:?}", api.seen()) };
        assert_eq!((&*first.body, &*second.body), (&b"one two"[..], &b"one two"[..]));
        assert_ne!(first.authorization(), second.authorization());
        assert_eq!(world.token_requests(), 2);
    }
}

#[tokio::test]
async fn configuration_says_what_a_refused_token_looks_like() {
    for kind in KINDS {
        let api = refusing_the_first(403).await;
        let world = World::with_api(&api.base()).await;
        let client = world.client(kind);
        assert_eq!((client.status(Ask::get(api.base())).await, api.count()), (403, 1));

        let api = refusing_the_first(403).await;
        world.reload(&format!("api_base = \"{}\"\nreject_on = [403]", api.base())).await;
        assert_eq!((client.status(Ask::get(api.base())).await, api.count()), (200, 2));
        assert_eq!(world.token_requests(), 2);
    }
}

#[tokio::test]
async fn nothing_but_a_refused_token_makes_a_request_go_twice() {
    for answered in [200, 204, 302, 400, 403, 404, 407, 429, 500, 503] {
        let api = Api::start(move |_, _| status(answered)).await;
        let world = World::with_api(&api.base()).await;
        for client in world.clients() {
            assert_eq!(client.status(Ask::post(api.base(), "a text")).await, answered);
        }
        assert_eq!((api.count(), world.token_requests()), (2, 1));
    }
}

#[tokio::test]
async fn requests_that_are_refused_together_cause_one_token_request() {
    for kind in KINDS {
        let api = Api::holding(64, |_, before| status(if before < 64 { 401 } else { 200 })).await;
        let world = World::with_api(&api.base()).await;
        let client = world.client(kind);
        let mut callers = JoinSet::new();
        for _ in 0..64 {
            let (client, ask) = (client.clone(), Ask::post(api.base(), "a text"));
            callers.spawn(async move { client.status(ask).await });
        }
        assert_eq!(callers.join_all().await, [200; 64]);

        let seen = api.seen();
        let (refused, served) = seen.split_at(64);
        assert_eq!((tokens(refused), tokens(served)), (1, 1));
        assert_ne!(refused[0].authorization(), served[0].authorization());
        assert_eq!((served.len(), world.token_requests()), (64, 2));
    }
}

#[tokio::test]
async fn the_second_answer_stands_and_rejects_nothing() {
    for kind in KINDS {
        let api = Api::start(|_, _| text(401, "who are you?")).await;
        let world = World::with_api(&api.base()).await;
        let answer = world.client(kind).send(Ask::get(api.base())).await.unwrap();
        assert_eq!((answer.status, &*answer.body, api.count()), (401, "who are you?", 2));
        assert_eq!(world.graph().current().map(|token| token.generation()), Some(2));
        assert_eq!(world.token_requests(), 2);
    }
}

#[tokio::test]
async fn that_no_other_token_can_be_had_is_the_error() {
    for kind in KINDS {
        let api = refusing_the_first(401).await;
        let world = World::with_api(&api.base()).await;
        world.graph().token().await.unwrap();
        world.sandbox.set_fault(Fault::InvalidClient);
        let error = world.client(kind).send(Ask::get(api.base())).await.unwrap_err();
        assert_eq!((error.code(), api.count()), (Code::Refused, 1), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_stays_the_same_is_not_sent_twice() {
    let api = Api::start(|_, _| text(401, "who are you?")).await;
    let world = World::with_api(&api.base()).await;
    let fixed = Authorizer::new(world.manager.handle("fixed").unwrap()).unwrap();
    for (before, client) in Caller::both(&fixed).into_iter().enumerate() {
        let answer = client.send(Ask::get(api.base())).await.unwrap();
        assert_eq!((answer.status, &*answer.body, api.count()), (401, "who are you?", before + 1));
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_stops_nothing_for_the_others() {
    for kind in KINDS {
        let api = refusing_the_first(401).await;
        let world = World::with_api(&api.base()).await;
        let client = world.client(kind);
        world.graph().token().await.unwrap();
        world.sandbox.set_fault(Fault::HoldAnswer);
        let mut callers = JoinSet::new();
        let (gives_up, ask) = (client.clone(), Ask::get(api.base()));
        callers.spawn(async move { gives_up.status(ask).await });
        // Its token was refused, and another one is on its way.
        world.sandbox.wait_for_requests("reports", 2).await;
        callers.shutdown().await;

        let ask = Ask::get(api.base());
        callers.spawn(async move { client.status(ask).await });
        world.sandbox.wait_until(|counters| counters.total.issued == 2).await;
        world.sandbox.clear_faults();
        world.sandbox.release();
        assert_eq!(callers.join_all().await, [200]);
        assert_eq!((api.count(), world.token_requests()), (2, 2));
    }
}

/// Refuses the first request with this status.
async fn refusing_the_first(refusal: u16) -> Api {
    Api::start(move |_, before| if before == 0 { text(refusal, "who are you?") } else { text(200, "welcome") }).await
}

/// How many tokens these requests had.
fn tokens(seen: &[Seen]) -> usize {
    let mut tokens: Vec<_> = seen.iter().map(|seen| seen.authorization().unwrap()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens.len()
}

impl World {
    fn client(&self, kind: usize) -> Caller {
        self.clients()[kind].clone()
    }
}

/// Where each kind of client is in [`World::clients`].
const KINDS: [usize; 2] = [0, 1];
