// What the examples of stores need before they begin; included there, and so without doc comments.

// A store, and the clock that its leases end by.
fn memory() -> (tokenkeep::store::MemoryStore, std::sync::Arc<tokenkeep::store::contract::ManualClock>) {
    let clock = std::sync::Arc::new(tokenkeep::store::contract::ManualClock::new());
    (tokenkeep::store::MemoryStore::new(clock.clone()), clock)
}

// The system's clock, as programs have it.
fn clock() -> std::sync::Arc<dyn tokenkeep::Clock> {
    std::sync::Arc::new(tokenkeep::clock::SystemClock::new())
}

fn key(text: &str) -> tokenkeep::Key {
    tokenkeep::Key::parse(text).unwrap()
}

// What a manager saves of a token of this generation, and of a refresh token.
fn record(generation: u64) -> tokenkeep::store::Record {
    use tokenkeep::token::{IssuedToken, TokenKind};
    use tokenkeep::{Moment, Secret};
    let kind = std::sync::Arc::new(TokenKind { token_type: "Bearer".into(), scope: None });
    let sent_at = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    let expires_at = sent_at.plus(std::time::Duration::from_hours(1));
    let token = IssuedToken::new(Secret::new("a-token"), kind, generation, sent_at, expires_at);
    tokenkeep::store::Record {
        generation,
        fingerprint: tokenkeep::fingerprint::Fingerprint::of([("grant", "refresh_token")]),
        token: Some(std::sync::Arc::new(token)),
        refresh_in: None,
        jitter: 0.5,
        refresh_token: Some(Secret::new("a-refresh-token")),
        asked_at: Some(sent_at),
        failure: None,
        due_at: None,
        boot_id: "example".into(),
    }
}

fn password(password: &str) -> tokenkeep::Credentials {
    tokenkeep::Credentials::with_password("ann", tokenkeep::Secret::new(password)).unwrap()
}

// Whether a text stands in any file of a folder.
fn is_in_files(folder: &std::path::Path, text: &str) -> bool {
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()))
}

// The fixture of a store that one process has to itself.
struct Memory(std::sync::Arc<tokenkeep::store::contract::ManualClock>, std::sync::Arc<tokenkeep::store::MemoryStore>);

impl Memory {
    fn new() -> Self {
        let (store, clock) = memory();
        Self(clock, std::sync::Arc::new(store))
    }
}

#[async_trait::async_trait]
impl tokenkeep::store::contract::StoreFixture for Memory {
    fn clock(&self) -> &tokenkeep::store::contract::ManualClock {
        &self.0
    }

    async fn open(&self) -> std::sync::Arc<dyn tokenkeep::store::Store> {
        self.1.clone()
    }

    fn gives_due_keys(&self) -> bool {
        true
    }

    fn is_durable(&self) -> bool {
        false
    }
}
