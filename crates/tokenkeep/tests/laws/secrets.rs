//! Promise 12, for the engine's own types: nothing prints a secret.

use tokenkeep::provider::{Grant, Provider, ResourceOwner, TokenEndpointSettings, TokenUrl, Transport};
use tokenkeep::source::{Fault, Fetched};
use tokenkeep::{Demand, Secret};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn debug_and_display_of_everything_public_show_no_secret() {
    let world = rotating_world(MINUTE).await;
    let mut events = world.manager.events();
    let mut subscriber = world.graph().subscribe();
    let answer = world.graph().get(Demand::default()).await.unwrap();
    let record = world.store.record("graph").await.unwrap();
    let mut shown = vec![
        format!("{answer:?} {:?}", answer.token.authorization()),
        format!("{record:?}"),
        format!("{:?} {:?} {:?}", world.manager, world.graph(), world.store),
        format!("{:?}", world.graph().status().await),
        format!("{:?}", subscriber.next().await),
    ];
    pass(MINUTE).await;
    world.issuer.fail(Fault::Unavailable);
    let error = world.get().await.unwrap_err();
    shown.push(format!("{error} {error:?}"));
    while let Ok(event) = events.try_recv() {
        shown.push(format!("{event:?}"));
    }
    for text in shown {
        assert!(!text.contains("token-1") && !text.contains("rt-"), "{text}");
    }
}

#[test]
fn debug_of_a_provider_shows_no_secret() {
    let endpoint = TokenEndpointSettings::new(
        TokenUrl::parse("https://issuer.example/token", Transport::Secure).unwrap(),
        "reports",
    )
    .with_client_secret(Secret::new("planted"));
    let grants = [
        Grant::Password {
            endpoint: endpoint.clone(),
            owner: Some(ResourceOwner { username: "a".to_owned(), password: Secret::new("planted") }),
        },
        Grant::RefreshToken { endpoint: endpoint.clone(), seed: Secret::new("planted") },
        Grant::ClientCredentials(endpoint),
        Grant::Static { token: Secret::new("planted") },
    ];
    for grant in grants {
        let provider = Provider::new("p", grant).unwrap();
        assert!(!format!("{provider:?}").contains("planted"), "{provider:?}");
    }
}

#[test]
fn debug_of_an_answer_shows_no_secret() {
    let fetched = Fetched::new(Secret::new("planted")).with_refresh_token(Secret::new("planted"));
    assert!(!format!("{fetched:?}").contains("planted"));
}
