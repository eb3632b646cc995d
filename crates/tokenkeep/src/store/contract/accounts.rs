//! Laws of credentials.

use std::time::Duration;

use super::{Expected as _, StoreFixture, key};
use crate::credentials::Credentials;
use crate::secret::Secret;

/// Whether the store promises these laws.
pub(super) fn are_asked(fixture: &dyn StoreFixture) -> bool {
    fixture.keeps_credentials()
}

pub(super) async fn saved_credentials_are_read_as_they_were_written(fixture: &dyn StoreFixture) {
    let (ours, theirs) = (fixture.open().await, fixture.open().await);
    let company = key("bluestakes:7");
    assert!(ours.credentials(&company).await.given().is_none(), "there are credentials that nobody saved");
    let written = credentials("p\u{e4}ss \"word\" {x} \\ \n\u{1f511}", Some(Duration::from_mins(90)));
    ours.save_credentials(&company, &written).await.given();
    assert!(theirs.credentials(&company).await.given() == Some(written), "they came back changed");
    assert!(theirs.load(&company).await.given().is_none(), "credentials made a record");
}

pub(super) async fn credentials_are_replaced_and_removed_for_one_key_only(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (one, other) = (key("bluestakes:1"), key("bluestakes:2"));
    for company in [&one, &other] {
        store.save_credentials(company, &credentials("first", None)).await.given();
    }
    store.save_credentials(&one, &credentials("second", None)).await.given();
    assert!(store.credentials(&one).await.given() == Some(credentials("second", None)), "they were not replaced");
    assert!(store.remove_credentials(&one).await.given(), "there was nothing to remove");
    assert!(!store.remove_credentials(&one).await.given(), "they were removed twice");
    assert!(store.credentials(&one).await.given().is_none(), "they were not removed");
    assert!(store.credentials(&other).await.given() == Some(credentials("first", None)), "another key's were touched");
}

pub(super) async fn credentials_that_are_others_by_now_are_not_replaced(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let company = key("bluestakes:1");
    let [old, new, newest] = ["old", "new", "newest"].map(|password| credentials(password, None));
    assert!(!store.replace_credentials(&company, &old, &new).await.given(), "there were none to replace");
    store.save_credentials(&company, &old).await.given();
    assert!(store.replace_credentials(&company, &old, &new).await.given(), "they were not replaced");
    assert!(!store.replace_credentials(&company, &old, &newest).await.given(), "others were replaced");
    assert!(store.credentials(&company).await.given() == Some(new), "they are not those that were written last");
}

pub(super) async fn accounts_are_paged_in_order(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    for company in ["bluestakes:3", "a", "bluestakes:1", "z:9"] {
        store.save_credentials(&key(company), &credentials("secret", None)).await.given();
    }
    let first = store.accounts(None, 3).await.given();
    assert_eq!(first, ["a", "bluestakes:1", "bluestakes:3"].map(key));
    assert_eq!(store.accounts(first.last(), 3).await.given(), [key("z:9")]);
}

pub(super) async fn credentials_outlive_closing(fixture: &dyn StoreFixture) {
    if !fixture.is_durable() {
        return;
    }
    let store = fixture.open().await;
    store.save_credentials(&key("bluestakes:1"), &credentials("secret", None)).await.given();
    store.close().await;
    drop(store);
    let again = fixture.open().await;
    assert!(again.credentials(&key("bluestakes:1")).await.given() == Some(credentials("secret", None)));
}

fn credentials(password: &str, lifetime: Option<Duration>) -> Credentials {
    Credentials::with_password("company", Secret::new(password))
        .and_then(|credentials| credentials.with_lifetime(lifetime))
        .unwrap_or_else(|error| panic!("{error}"))
}
