//! A record that no key opens may hold somebody's only login: tokens go on without it, and it stays as it is.

use std::sync::Arc;

use tokenkeep::expiry::Policy;
use tokenkeep::seal::{SealKey, SealKeys};
use tokenkeep::store::{MemoryStore, SaveOutcome, SealedStore, Store, WhenUnopenable};
use tokenkeep::{Clock, Code, Credentials, Demand, Event, Key, Obstacle, Secret, TokenManager, Warning};

use crate::support::*;

/// A world whose store is sealed; what lies beneath the seal can be seen.
struct Sealed {
    world: World,
    beneath: Arc<MemoryStore>,
    lost: SealKey,
    present: SealKey,
}

impl Sealed {
    fn new(world: World) -> Self {
        let beneath = Arc::new(MemoryStore::new(Arc::clone(&world.clock) as Arc<dyn Clock>));
        Self { world, beneath, lost: new_key(), present: new_key() }
    }

    /// With a record of `graph`, whose key is lost afterwards, and a new process that knows nothing.
    async fn with_lost_key(world: World) -> (Self, TokenManager) {
        let sealed = Self::new(world);
        sealed.world.store.replace(Arc::new(sealed.store(&sealed.lost, [])));
        sealed.world.get().await.unwrap();
        sealed.lose_key();
        let restarted = sealed.world.another_process().await;
        (sealed, restarted)
    }

    /// The same with a record beside it that the present key opens.
    async fn with_one_lost_record(world: World) -> (Self, TokenManager) {
        let (sealed, restarted) = Self::with_lost_key(world).await;
        sealed.find_lost_key();
        sealed.world.another_process().await.token("graph:3").await.unwrap();
        sealed.lose_key();
        (sealed, restarted)
    }

    fn store(&self, first: &SealKey, others: impl IntoIterator<Item = SealKey>) -> SealedStore {
        SealedStore::new(Arc::clone(&self.beneath) as Arc<dyn Store>, SealKeys::new(first.clone(), others))
    }

    /// A process with this key alone, beside those of the world.
    async fn process(&self, seal_key: &SealKey) -> TokenManager {
        let store = Arc::new(UnreliableStore::new(Arc::new(self.store(seal_key, []))));
        manager(&self.world.clock, &store, &self.world.issuer, Policy::default()).await
    }

    /// The lost key is configured beside the present one.
    fn find_lost_key(&self) {
        self.world.store.replace(Arc::new(self.store(&self.present, [self.lost.clone()])));
    }

    fn lose_key(&self) {
        self.world.store.replace(Arc::new(self.store(&self.present, [])));
    }

    /// All that lies beneath for `graph`.
    async fn record(&self) -> String {
        let found = self.beneath.load(&Key::parse("graph").unwrap()).await.unwrap().unwrap();
        let token = found.record.token.as_ref().map(|token| token.access_token().expose_secret().to_owned());
        let refresh_token = found.record.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());
        format!("{found:?} {token:?} {refresh_token:?}")
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_go_on_without_a_record_that_no_key_opens_and_it_stays_as_it_is() {
    let (sealed, restarted) = Sealed::with_one_lost_record(world(MINUTE).await).await;
    let before = sealed.record().await;
    let graph = restarted.handle("graph").unwrap();
    restarted.start();
    let mut last = 0;
    for _ in 0..5 {
        let answer = graph.get(Demand::default()).await.unwrap();
        assert!(answer.token.generation() > last);
        last = answer.token.generation();
        assert!(answer.warnings.contains(&Warning::Unsaved), "{:?}", answer.warnings);
        let warnings = format!("{:?} {:?}", answer.warnings, graph.status().await.warnings);
        assert_eq!(warnings.matches("the record of 'graph' cannot be opened").count(), 2, "{warnings}");
        assert!(restarted.store_trouble().unwrap().contains(sealed.lost.id()));
        pass(MINUTE).await;
    }
    graph.reject(&graph.token().await.unwrap());
    graph.clear().await.unwrap_err();
    graph.refresh().await.unwrap();
    pass(MINUTE).await;
    restarted.stop().await.unwrap_err();
    assert_eq!(sealed.record().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_login_in_a_record_that_no_key_opens_is_neither_spent_nor_written_over() {
    let (sealed, restarted) = Sealed::with_lost_key(rotating_world(MINUTE).await).await;
    let before = sealed.record().await;
    restarted.start();
    for _ in 0..5 {
        let error = restarted.token("graph").await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(error.what(), "the refresh token cannot be used safely: the store does not work");
        let trouble = restarted.store_trouble().unwrap();
        assert!(trouble.contains("the record of 'graph' cannot be opened"), "{trouble}");
        pass(MINUTE).await;
    }
    assert_eq!((sealed.world.issuer.count(), sealed.world.issuer.reused()), (1, 0));
    assert_eq!(sealed.record().await, before);

    sealed.find_lost_key();
    pass(MINUTE).await;
    assert!(restarted.token("graph").await.unwrap().generation() > 1, "with its key the login goes on");
    assert_eq!(sealed.world.issuer.reused(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_trouble_with_one_record_is_said_once_and_is_not_the_others() {
    let (sealed, restarted) = Sealed::with_one_lost_record(world(MINUTE).await).await;
    let mut events = restarted.events();
    restarted.start();
    for _ in 0..10 {
        restarted.token("graph").await.unwrap();
        let other = restarted.handle("graph:2").unwrap().get(Demand::default()).await.unwrap();
        assert_eq!(other.warnings, []);
        pass(SECOND * 20).await;
    }
    assert_eq!(store_events(&mut events), (1, 0));

    sealed.find_lost_key();
    restarted.token("graph").await.unwrap();
    pass(MINUTE).await;
    assert_eq!(restarted.store_trouble(), None);
    assert_eq!(store_events(&mut events), (0, 1));
    restarted.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn with_a_key_that_no_other_has_tokens_flow_and_nothing_is_saved() {
    let (sealed, mistaken) = Sealed::with_lost_key(world(MINUTE).await).await;
    mistaken.start();
    let other = mistaken.handle("graph:2").unwrap();
    for _ in 0..3 {
        let answer = other.get(Demand::default()).await.unwrap();
        assert!(answer.warnings.contains(&Warning::Unsaved), "{:?}", answer.warnings);
        pass(MINUTE).await;
    }
    assert!(sealed.beneath.load(other.key()).await.unwrap().is_none());

    sealed.find_lost_key();
    other.token().await.unwrap();
    pass(MINUTE).await;
    assert!(sealed.beneath.load(other.key()).await.unwrap().is_some());
    assert_eq!(mistaken.store_trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn with_a_key_that_no_other_has_no_login_is_begun() {
    let sealed = Sealed::new(rotating_world(MINUTE).await);
    let password = Credentials::with_password("company", Secret::new("planted-password")).unwrap();
    sealed.store(&sealed.lost, []).save_credentials(&Key::parse("graph:9").unwrap(), &password).await.unwrap();
    sealed.lose_key();
    sealed.world.manager.start();
    let error = sealed.world.get().await.unwrap_err();
    assert_eq!(error.what(), "the refresh token cannot be used safely: the store does not work");
    assert!(sealed.world.manager.store_trouble().unwrap().contains("nothing in it opens, so nothing is written"));
    assert_eq!(sealed.world.issuer.count(), 0);

    sealed.find_lost_key();
    pass(MINUTE).await;
    sealed.world.get().await.unwrap();
    pass(MINUTE).await;
    assert_eq!(sealed.world.manager.store_trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_key_that_no_other_has_keeps_no_key_from_the_others() {
    let (sealed, _) = Sealed::with_lost_key(world(MINUTE).await).await;
    let (mistaken, others) = (sealed.process(&sealed.present).await, sealed.process(&sealed.lost).await);
    mistaken.start();
    for key in ["graph", "graph:2"] {
        mistaken.token(key).await.unwrap();
    }
    pass(MINUTE * 2).await;
    for key in ["graph", "graph:2"] {
        mistaken.token(key).await.unwrap();
        let answer = others.handle(key).unwrap().get(Demand::default()).await.unwrap();
        assert_eq!(answer.warnings, [], "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_key_that_no_other_has_no_login_is_begun_where_it_was_forgotten() {
    let sealed = Sealed::new(rotating_world(MINUTE).await);
    let others = sealed.process(&sealed.lost).await;
    others.token("graph").await.unwrap();
    sealed.store(&new_key(), []).reseal(WhenUnopenable::Forget).await.unwrap();
    let password = Credentials::with_password("company", Secret::new("planted-password")).unwrap();
    sealed.store(&sealed.lost, []).save_credentials(&Key::parse("graph:9").unwrap(), &password).await.unwrap();
    let mistaken = sealed.process(&sealed.present).await;
    let error = mistaken.token("graph").await.unwrap_err();
    assert_eq!(error.what(), "the refresh token cannot be used safely: the store does not work");
    assert_eq!(sealed.world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_no_key_opens_is_in_the_list_with_what_is_wrong() {
    let (_sealed, restarted) = Sealed::with_lost_key(world(MINUTE).await).await;
    for _ in 0..2 {
        let statuses = restarted.statuses(None, 10).await;
        let [status] = statuses.as_slice() else { panic!("{statuses:?}") };
        assert_eq!((status.key.as_str(), status.obstacle), ("graph", Some(Obstacle::Unreadable)));
        assert_eq!(status.reason, "not known, because what is stored cannot be read");
        let warnings = format!("{:?}", status.warnings);
        assert_eq!(warnings.matches("the record of 'graph' cannot be opened").count(), 1, "{warnings}");
        // It is no trouble of a key in memory, and has nobody who would see its end.
        assert_eq!(restarted.store_trouble(), None);
    }
    let status = restarted.handle("graph").unwrap().status().await;
    assert_eq!((status.obstacle, status.warnings.len()), (Some(Obstacle::Unreadable), 1), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_whose_record_no_key_opens_leaves_memory_and_its_trouble_with_it() {
    let (_sealed, restarted) = Sealed::with_lost_key(rotating_world(MINUTE).await).await;
    restarted.start();
    restarted.token("graph").await.unwrap_err();
    assert!(restarted.store_trouble().is_some());
    pass(HOUR * 3).await;
    assert_eq!((restarted.keys_in_memory(), restarted.store_trouble()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn once_it_is_forgotten_a_person_may_log_in_again() {
    let (sealed, restarted) = Sealed::with_lost_key(rotating_world(MINUTE).await).await;
    restarted.token("graph").await.unwrap_err();
    sealed.store(&sealed.present, []).reseal(WhenUnopenable::Forget).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(restarted.token("graph").await.unwrap_err().code(), Code::LoginRequired);
    assert_eq!(restarted.store_trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn generations_go_on_after_a_record_was_forgotten() {
    let (sealed, restarted) = Sealed::with_lost_key(world(MINUTE).await).await;
    sealed.store(&sealed.present, []).reseal(WhenUnopenable::Forget).await.unwrap();
    assert_eq!(restarted.token("graph").await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_short_page_of_records_that_no_key_opens_is_not_the_last() {
    let world = world(HOUR).await;
    world.get().await.unwrap();
    let record = world.store.record("graph").await.unwrap();
    let sealed = |key, others: &[SealKey]| {
        SealedStore::new(Arc::clone(&world.store) as Arc<dyn Store>, SealKeys::new(key, others.to_vec()))
    };
    let (lost_key, present_key) = (new_key(), new_key());
    let lost = sealed(lost_key.clone(), &[]);
    let during = sealed(present_key.clone(), &[lost_key]);
    let accounts: Vec<_> = (10..40).map(|account| Key::parse(&format!("graph:{account}")).unwrap()).collect();
    for (number, account) in accounts.iter().enumerate() {
        let store = if number < 25 { &lost } else { &during };
        assert!(matches!(store.save(account, &record, None).await, Ok(SaveOutcome::Saved(_))));
    }
    world.store.set(Trouble::ShortPages);
    let present = sealed(present_key, &[]);
    let page = present.page(Some(&Key::parse("graph").unwrap()), 100).await.unwrap();
    assert!(page.iter().map(|(key, _)| key).eq(&accounts[25..]), "{} of 5", page.len());
}

/// How often the store was said to fail, and to work again.
fn store_events(events: &mut tokio::sync::broadcast::Receiver<Event>) -> (u32, u32) {
    let mut said = (0, 0);
    while let Ok(event) = events.try_recv() {
        match event {
            Event::StoreFailed { .. } => said.0 += 1,
            Event::StoreRecovered => said.1 += 1,
            _ => {}
        }
    }
    said
}

fn new_key() -> SealKey {
    SealKey::generate().unwrap().0
}
