//! Observers: subscribers of the library, and functions that are told by one, as `examples/revos` has them.

use std::panic::resume_unwind;
use std::sync::{Mutex, mpsc as threads};

use revos::{Failure, Observers};
use tokenkeep::{Code, Token};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::world::{MOMENT, World};
use crate::support::in_time;

/// R3: on registering, an observer has the current token at once; on every refresh all observers get the new one.
#[tokio::test]
async fn an_observer_has_the_current_token_at_once_and_every_new_one() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[]).await;
    llm.token().await.unwrap();
    manager.start();
    let mut observers = Observers::of(llm.clone());
    let mut told: Vec<_> = (0..3).map(|_| added(&mut observers)).collect();
    let mut subscriber = llm.subscribe();
    for generation in 1..=4 {
        if generation > 1 {
            world.pass(MOMENT);
            llm.refresh().await.unwrap();
        }
        for told in &mut told {
            assert_eq!(in_time(told.recv()).await, Some(generation));
        }
        assert_eq!(in_time(subscriber.next()).await.unwrap().generation(), generation);
    }
    manager.stop().await.unwrap();
}

/// R3: none ever causes a request of its own.
#[tokio::test]
async fn a_hundred_observers_cause_no_request_of_their_own() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[]).await;
    let mut observers = Observers::of(llm.clone());
    let mut told: Vec<_> = (0..50).map(|_| added(&mut observers)).collect();
    assert_eq!(world.requests(), (0, 0));
    // The service has the token obtained, for however many.
    manager.start();
    told.extend((0..50).map(|_| added(&mut observers)));
    for generation in 1..=2 {
        for told in &mut told {
            assert_eq!(in_time(told.recv()).await, Some(generation));
        }
        assert_eq!(world.requests(), (generation, 0));
        world.pass(MOMENT);
        llm.refresh().await.unwrap();
    }
    manager.stop().await.unwrap();
}

/// R3: one that is slow, fails or goes away harms no other.
#[tokio::test]
async fn an_observer_that_is_slow_fails_panics_or_goes_away_harms_no_other() {
    let world = World::start().await;
    let (manager, llm) = world.sales(&[]).await;
    manager.start();
    llm.token().await.unwrap();
    let mut observers = Observers::of(llm.clone());

    let (let_go, held) = threads::channel::<()>();
    let (held, (tell_slow, mut slow)) = (Mutex::new(held), mpsc::unbounded_channel());
    observers.add("slow", move |token| {
        tell_slow.send(token.generation())?;
        held.lock().unwrap().recv()?;
        Ok(())
    });
    let mut failing = added_with(&mut observers, || Err("as the test wants".into()));
    // As a panic does, without its message.
    let mut panicking = added_with(&mut observers, || resume_unwind(Box::new("as the test wants")));
    let (tell, mut gone) = mpsc::unbounded_channel();
    let going = observers.add("gone", move |token| Ok(tell.send(token.generation())?));
    let mut others = [added(&mut observers), added(&mut observers)];
    assert_eq!((in_time(slow.recv()).await, in_time(gone.recv()).await), (Some(1), Some(1)));
    going.abort();

    for generation in 1..=4 {
        for told in others.iter_mut().chain([&mut failing, &mut panicking]) {
            assert_eq!(in_time(told.recv()).await, Some(generation));
        }
        assert_eq!(llm.token().await.unwrap().generation(), generation);
        world.pass(MOMENT);
        assert_eq!(in_time(llm.refresh()).await.unwrap().generation(), generation + 1);
    }
    assert_eq!(in_time(gone.recv()).await, None, "one that is gone is told nothing more");
    assert!(slow.try_recv().is_err(), "it still looks at the first");
    let_go.send(()).unwrap();
    assert_eq!(in_time(slow.recv()).await, Some(5), "then it has the latest");
    in_time(manager.stop()).await.unwrap();
    drop(let_go);
}

/// R3: the same of the library's own subscribers, which are streams.
#[tokio::test]
async fn a_subscriber_that_is_never_read_panics_or_goes_away_harms_no_other() {
    let world = World::start().await;
    let (_manager, llm) = world.sales(&[]).await;
    llm.token().await.unwrap();
    let (mut unread, gone) = (llm.subscribe(), llm.subscribe());
    let (mut panicking, mut other) = (llm.subscribe(), llm.subscribe());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        panicking.next().await;
        resume_unwind(Box::new("as the test wants"))
    });
    assert!(in_time(tasks.join_next()).await.unwrap().unwrap_err().is_panic());
    drop::<tokenkeep::Subscriber>(gone);
    for generation in 1..=4 {
        assert_eq!(in_time(other.next()).await.unwrap().generation(), generation);
        world.pass(MOMENT);
        llm.refresh().await.unwrap();
    }
    assert_eq!(in_time(unread.next()).await.unwrap().generation(), 5);
    assert_eq!(world.requests(), (5, 0));
}

/// R4: a manual refresh tells all observers and says whether it succeeded.
#[tokio::test]
async fn a_manual_refresh_tells_all_observers_and_says_whether_it_succeeded() {
    let world = World::start().await;
    let (_manager, llm) = world.sales(&[]).await;
    llm.token().await.unwrap();
    let mut observers = Observers::of(llm.clone());
    let mut told: Vec<_> = (0..3).map(|_| added(&mut observers)).collect();
    world.break_issuers();
    world.pass(MOMENT);
    let error = llm.refresh().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(llm.token().await.unwrap().generation(), 1, "the good token stays");
    world.mend_issuers();
    world.pass(MOMENT);
    assert_eq!(llm.refresh().await.unwrap().generation(), 2);
    for told in &mut told {
        assert_eq!((in_time(told.recv()).await, in_time(told.recv()).await), (Some(1), Some(2)));
    }
}

/// Adds an observer; the generations that it is told.
fn added(observers: &mut Observers) -> mpsc::UnboundedReceiver<u64> {
    added_with(observers, || Ok(()))
}

/// The same of one that ends so.
fn added_with<F>(observers: &mut Observers, end: F) -> mpsc::UnboundedReceiver<u64>
where
    F: Fn() -> Result<(), Failure> + Send + Sync + 'static,
{
    let (tell, told) = mpsc::unbounded_channel();
    observers.add("told", move |token: &Token| {
        tell.send(token.generation())?;
        end()
    });
    told
}
