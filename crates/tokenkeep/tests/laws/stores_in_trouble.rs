//! Promise 2, second half, and section 6: store trouble never stops a token, and loses none.

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::budget::Budget;
use tokenkeep::store::MemoryStore;
use tokenkeep::{Clock, Code, Demand, Event, SourceSettings, Warning};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_saved_is_served_reported_and_saved_later() {
    let world = rotating_world(HOUR).await;
    world.store.set(Trouble::NoSaves);
    assert_eq!(world.get().await.unwrap().generation(), 1);
    let answer = world.graph().get(Demand::default()).await.unwrap();
    assert!(answer.warnings.contains(&Warning::Unsaved), "{:?}", answer.warnings);
    assert!(world.manager.store_trouble().unwrap().contains("no space left"));
    assert!(world.store.record("graph").await.is_none());
    world.store.set(Trouble::None);
    pass(MINUTE).await;
    assert_eq!(world.store.record("graph").await.unwrap().refresh_token.unwrap().expose_secret(), "rt-1");
    assert!(world.graph().get(Demand::default()).await.unwrap().warnings.is_empty());
    assert_eq!(world.manager.store_trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn an_unsaved_refresh_token_is_the_one_that_is_used_next() {
    let world = rotating_world(MINUTE).await;
    world.get().await.unwrap();
    world.store.set(Trouble::NoSaves);
    for generation in 2..=5 {
        pass(MINUTE).await;
        assert_eq!(world.get().await.unwrap().generation(), generation);
    }
    world.store.set(Trouble::None);
    pass(MINUTE).await;
    assert_eq!(world.store.record("graph").await.unwrap().refresh_token.unwrap().expose_secret(), "rt-5");
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn stop_tries_once_more_to_save_and_says_whose_token_is_lost() {
    let world = rotating_world(HOUR).await;
    world.store.set(Trouble::NoSaves);
    world.get().await.unwrap();
    let error = world.manager.stop().await.unwrap_err();
    assert!(error.to_string().contains("not saved: the tokens of graph; a rotated refresh token"), "{error}");
    world.store.set(Trouble::None);
    world.manager.stop().await.unwrap();
    assert!(world.store.record("graph").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn stop_speaks_of_a_lost_login_only_where_there_is_one() {
    let world = world(HOUR).await;
    world.store.set(Trouble::NoSaves);
    world.get().await.unwrap();
    let error = world.manager.stop().await.unwrap_err();
    assert!(error.to_string().contains("not saved: the tokens of graph; mend the store"), "{error}");
    assert!(!error.to_string().contains("refresh token") && !error.to_string().contains("log in"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn without_a_store_tokens_that_spend_nothing_go_on() {
    let world = world(MINUTE).await;
    world.store.set(Trouble::Gone);
    let mut last = 0;
    for _ in 0..3 {
        // How many there were before cannot be known; that the number grows can.
        let generation = world.get().await.unwrap().generation();
        assert!(generation > last);
        last = generation;
        pass(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_leases_a_rotating_token_holds_out_while_it_lives_and_goes_on_after() {
    let world = rotating_world(HOUR).await;
    world.manager.start();
    world.get().await.unwrap();
    world.store.set(Trouble::Full);
    pass(MINUTE * 58).await;
    assert_eq!(world.get().await.unwrap().generation(), 1);
    assert_eq!(world.issuer.count(), 1, "not renewed ahead without a lease");
    pass(MINUTE * 4).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_a_refresh_token_that_cannot_be_read_the_issuer_is_not_asked() {
    let world = rotating_world(MINUTE).await;
    world.get().await.unwrap();
    world.store.set(Trouble::Gone);
    pass(MINUTE).await;
    let error = world.get().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!((world.issuer.count(), world.issuer.reused()), (1, 0));
    world.store.set(Trouble::None);
    pass(SECOND * 11).await;
    assert_eq!(world.get().await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn store_trouble_is_said_once_and_its_end_too() {
    let world = world(MINUTE).await;
    let mut events = world.manager.events();
    world.manager.start();
    world.store.set(Trouble::Gone);
    for _ in 0..5 {
        world.get().await.unwrap();
        pass(MINUTE).await;
    }
    world.store.set(Trouble::None);
    pass(MINUTE * 2).await;
    let mut said = (0, 0);
    while let Ok(event) = events.try_recv() {
        match event {
            Event::StoreFailed { .. } => said.0 += 1,
            Event::StoreRecovered => said.1 += 1,
            _ => {}
        }
    }
    assert_eq!(said, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn generations_go_on_when_the_store_is_lost_while_a_flight_waits() {
    let world = world(HOUR).await;
    for _ in 0..5 {
        world.graph().refresh().await.unwrap();
    }
    let other = world.another_process().await.handle("graph").unwrap();
    let (token, ()) = tokio::join!(other.refresh(), async {
        pass(Duration::from_millis(300)).await;
        world.store.set(Trouble::Gone);
    });
    assert_eq!(token.unwrap().generation(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_replaced_by_an_older_one_is_worked_with() {
    let world = rotating_world(MINUTE).await;
    world.get().await.unwrap();
    pass(MINUTE * 2).await;
    world.store.replace(Arc::new(MemoryStore::new(Arc::clone(&world.clock) as Arc<dyn Clock>)));
    match world.get().await {
        Ok(token) => assert_eq!(token.generation(), 2),
        Err(error) => assert_eq!(error.code(), Code::LoginRequired, "{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_not_there_at_the_start_is_read_once_for_each_key_when_it_is() {
    let world = world(HOUR).await;
    world.store.set(Trouble::Gone);
    world.manager.start();
    for account in 1..=10 {
        world.manager.token(&format!("graph:{account}")).await.unwrap();
    }
    pass(MINUTE * 10).await;
    let before = world.store.loads();
    world.store.set(Trouble::None);
    pass(SECOND * 20).await;
    let loads = world.store.loads() - before;
    assert!(loads < 100, "{loads} records were read for 10 keys");
    assert_eq!(world.manager.store_trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn a_flight_whose_lease_is_never_sure_spends_nothing_and_gives_up() {
    let world = rotating_world(MINUTE).await;
    world.get().await.unwrap();
    pass(MINUTE * 2).await;
    world.store.set(Trouble::NoRenewals);
    assert_eq!(world.get().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(world.issuer.count(), 1);
    world.store.set(Trouble::None);
    assert_eq!(world.get().await.unwrap().generation(), 2);
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_process_spends_a_login_that_it_cannot_save_while_the_store_has_a_good_token() {
    let world = rotating_world(HOUR).await;
    world.get().await.unwrap();
    world.store.set(Trouble::Full);
    let another = world.another_process().await;
    let error = another.handle("graph").unwrap().refresh().await.unwrap_err();
    assert!(error.to_string().contains("cannot be used safely"), "{error}");
    assert_eq!(world.issuer.count(), 1);
    world.store.set(Trouble::None);
    pass(MINUTE).await;
    another.handle("graph").unwrap().refresh().await.unwrap();
    assert_eq!(world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_spends_nothing_is_renewed_though_the_store_renews_no_lease() {
    for trouble in [Trouble::NoRenewals, Trouble::Hangs("renew_lease"), Trouble::Panics("renew_lease")] {
        // To count a request against a budget takes time, so that the lease is made sure of after it.
        let settings = SourceSettings::default().with_budget(Budget::parse("10/1m").unwrap());
        let world = world_of(Issuer::new(HOUR), settings).await;
        world.store.set(trouble);
        let token = world.get().await.unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
        assert_eq!((token.generation(), world.issuer.count()), (1, 1), "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_panics_in_any_of_its_methods_stops_no_token() {
    for trouble in METHODS.iter().flat_map(|method| [Trouble::Hangs(method), Trouble::Panics(method)]) {
        let world = world(HOUR).await;
        world.manager.start();
        world.store.set(trouble);
        for _ in 0..3 {
            let token = world.get().await.unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
            assert_eq!(token.expose_secret(), "graph-token-1", "{trouble:?}");
            pass(SECOND * 5).await;
        }
        assert_eq!(world.issuer.count(), 1, "{trouble:?}");
        // Whether all was saved is told elsewhere.
        let closed = tokio::time::timeout(MINUTE, world.manager.close()).await;
        assert!(closed.is_ok(), "{trouble:?}: the manager never stops");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_long_to_fail_in_all_that_it_is_asked_keeps_no_caller_from_a_token() {
    let world = world(HOUR).await;
    world.store.set(Trouble::Silent(SECOND * 6));
    let demand = Demand::default().with_max_wait(SECOND * 20);
    assert_eq!(world.graph().get(demand).await.unwrap().token.expires_in().map(|left| left > MINUTE), Some(true));
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_store_that_hangs_or_panics_does_not_save_is_used_next_and_saved_later() {
    for trouble in [Trouble::Hangs("save"), Trouble::Panics("save")] {
        let world = rotating_world(MINUTE).await;
        world.store.set(trouble);
        for generation in 1..=3 {
            let token = world.get().await.unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
            assert_eq!(token.generation(), generation, "{trouble:?}");
            pass(MINUTE).await;
        }
        assert_eq!((world.issuer.count(), world.issuer.reused()), (3, 0), "{trouble:?}");
        world.store.set(Trouble::None);
        pass(MINUTE).await;
        let stored = world.store.record("graph").await.unwrap();
        assert_eq!(stored.refresh_token.unwrap().expose_secret(), "rt-3", "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn stop_says_whose_token_is_lost_though_the_store_hangs() {
    let world = rotating_world(HOUR).await;
    world.store.set(Trouble::Hangs("save"));
    world.get().await.unwrap();
    let stopped = tokio::time::timeout(MINUTE, world.manager.stop()).await.expect("the manager never stops");
    assert!(stopped.unwrap_err().to_string().contains("not saved: the tokens of graph"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_said_and_found_well_again() {
    let world = world(HOUR).await;
    world.store.set(Trouble::Hangs("save"));
    world.get().await.unwrap();
    let trouble = world.manager.store_trouble().unwrap();
    assert!(trouble.contains("test:: the store did not answer within"), "{trouble}");
    world.store.set(Trouble::None);
    pass(MINUTE).await;
    assert_eq!(world.manager.store_trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn while_a_store_gives_no_answer_no_refresh_token_that_another_may_use_is_spent() {
    for method in ["load", "acquire_lease", "renew_lease"] {
        let world = rotating_world(MINUTE).await;
        world.get().await.unwrap();
        world.store.set(Trouble::Hangs(method));
        pass(MINUTE).await;
        assert_eq!(world.get().await.unwrap_err().code(), Code::Unavailable, "{method}");
        assert_eq!(world.issuer.count(), 1, "{method}");
        world.store.set(Trouble::None);
        pass(MINUTE).await;
        assert_eq!(world.get().await.unwrap().generation(), 2, "{method}");
        assert_eq!(world.issuer.reused(), 0, "{method}");
    }
}

const METHODS: [&str; 10] = [
    "load",
    "save",
    "page",
    "changes",
    "changed",
    "newest_version",
    "acquire_lease",
    "renew_lease",
    "release_lease",
    "close",
];
