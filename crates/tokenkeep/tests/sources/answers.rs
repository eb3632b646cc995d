//! Every folder of `answers/` is an answer that some issuer sends, and what becomes of it. To add one, add a folder:
//!
//! - `answer.http`: status line, headers and body as they are sent, with plain line feeds; `Content-Length` is added
//!   unless a header says how long the body is. A `body` beside it, for what is no text, is sent instead of its own;
//! - `expected.txt`: after comments that say who sends that, the `grant` that asks and what a user then sees.
//!
//! What may not be shown to anybody is called `planted-…` wherever it stands.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokenkeep::provider::{Grant, Provider, ResourceOwner};
use tokenkeep::store::{MemoryStore, Store as _};
use tokenkeep::{Key, Secret, TokenManager};

use crate::support::{Noon, Playback, Script, client, recorded, tell_error, tell_token, without_comments};

#[tokio::test]
async fn every_recorded_answer_comes_to_what_stands_beside_it() {
    let cases = Case::all().await;
    let clock = Arc::new(Noon);
    let store = Arc::new(MemoryStore::new(Arc::<Noon>::clone(&clock)));
    let manager = TokenManager::builder()
        .providers(cases.iter().map(Case::provider))
        .clock(clock)
        .store(Arc::<MemoryStore>::clone(&store))
        .build()
        .await
        .unwrap();
    let mut wrong = String::new();
    for case in &cases {
        let actual = case.play(&manager, &store).await;
        if actual != case.expected {
            writeln!(wrong, "{}\nexpected:\n{}actual:\n{actual}", case.name, case.expected).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases.len() > 100, "{} answers", cases.len());
}

struct Case {
    name: String,
    grant: String,
    expected: String,
    issuer: Playback,
}

impl Case {
    async fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources/answers");
        let mut cases = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let folder = entry.unwrap().path();
            let expected = without_comments(&folder.join("expected.txt"));
            let grant = expected.lines().next().and_then(|line| line.strip_prefix("grant: ")).unwrap();
            let answer = recorded(&folder.join("answer.http"), &folder.join("body"));
            cases.push(Self {
                name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
                grant: grant.to_owned(),
                expected,
                issuer: Playback::start(Script::Once(answer)).await,
            });
        }
        cases.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn provider(&self) -> Provider {
        let url = format!("{}?key=planted-in-query", self.issuer.token_url());
        let endpoint = client(&url, "reports", "planted secret");
        let grant = match &*self.grant {
            "client_credentials" => Grant::ClientCredentials(endpoint),
            "password" => {
                let password = Secret::new("planted-password");
                Grant::Password { endpoint, owner: Some(ResourceOwner { username: "ada".to_owned(), password }) }
            }
            "refresh_token" => Grant::RefreshToken { endpoint, seed: Secret::new("planted-seed") },
            other => panic!("{}: there is no grant {other}", self.name),
        };
        Provider::new(&self.name, grant).unwrap()
    }

    /// Asks once, and tells what came of it in the words of `expected.txt`.
    async fn play(&self, manager: &TokenManager, store: &MemoryStore) -> String {
        let mut told = format!("grant: {}\n", self.grant);
        match manager.token(&self.name).await {
            Ok(token) => tell_token(&mut told, &token),
            Err(error) => tell_error(&mut told, &error, &self.issuer),
        }
        let record = store.load(&Key::parse(&self.name).unwrap()).await.unwrap().unwrap().record;
        if let Some(after) = record.refresh_in.filter(|_| record.token.is_some()) {
            writeln!(told, "refresh_in: {} s", after.as_secs()).unwrap();
        }
        if let Some(kept) = record.refresh_token {
            writeln!(told, "refresh_token: {}", kept.expose_secret()).unwrap();
        }
        assert_eq!(self.issuer.requests().len(), 1, "{}", self.name);
        told
    }
}
