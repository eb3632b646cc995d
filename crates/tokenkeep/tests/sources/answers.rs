//! Every folder of `answers/` is an answer that some issuer sends, and what becomes of it. To add one, add a folder:
//!
//! - `answer.http`: status line, headers and body as they are sent, with plain line feeds; `Content-Length` is added
//!   unless a header says how the body ends. A `body` beside it, for what is no text, is sent instead of its own;
//! - `expected.txt`: after comments that say who sends that, the `grant` that asks, how the answer is `sent` if not at
//!   once (see [`Sent`]), and what a user then sees.
//!
//! What may not be shown to anybody is called `planted-…` wherever it stands. Of a body that is no OAuth error nothing
//! at all may be shown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokenkeep::expiry::Policy;
use tokenkeep::provider::{Grant, Provider, ResourceOwner};
use tokenkeep::store::{MemoryStore, Store as _};
use tokenkeep::{Error, Key, Secret, TokenManager};

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
    sent: Option<Sent>,
    expected: String,
    body: Vec<u8>,
    issuer: Playback,
}

/// How an answer is sent if not at once.
#[derive(Clone, Copy)]
enum Sent {
    /// The body over and over, as long as somebody reads.
    Endlessly,
    /// Then nothing more, and no end either.
    Unfinished,
    /// The body a byte at a time, each soon after the other.
    Dripping,
}

const SENT: [(&str, Sent); 3] =
    [("over and over", Sent::Endlessly), ("without an end", Sent::Unfinished), ("byte by byte", Sent::Dripping)];

impl Case {
    async fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources/answers");
        let mut cases = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let folder = entry.unwrap().path();
            let expected = without_comments(&folder.join("expected.txt"));
            let setting = |name: &str| expected.lines().find_map(|line| line.strip_prefix(name));
            let grant = setting("grant: ").unwrap().to_owned();
            let sent = setting("sent: ").map(|how| SENT.iter().find(|(word, _)| *word == how).unwrap().1);
            let (head, body) = recorded(&folder.join("answer.http"), &folder.join("body"));
            let script = match sent {
                None => Script::Once([&*head, &body].concat()),
                Some(Sent::Endlessly) => Script::Endless(head, body.repeat(1000)),
                Some(Sent::Unfinished) => Script::Stalled([&*head, &body].concat()),
                Some(Sent::Dripping) => Script::Dripping(head, body.clone()),
            };
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            cases.push(Self { name, grant, sent, expected, body, issuer: Playback::start(script).await });
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
        let timeout = match self.sent {
            Some(Sent::Unfinished | Sent::Dripping) => Duration::from_millis(300),
            None | Some(Sent::Endlessly) => Policy::default().timeout,
        };
        Provider::new(&self.name, grant).unwrap().with_policy(Policy { timeout, ..Policy::default() })
    }

    /// Asks once, and tells what came of it in the words of `expected.txt`.
    async fn play(&self, manager: &TokenManager, store: &MemoryStore) -> String {
        let mut told = format!("grant: {}\n", self.grant);
        told.extend(self.expected.split_inclusive('\n').filter(|line| line.starts_with("sent: ")));
        match manager.token(&self.name).await {
            Ok(token) => tell_token(&mut told, &token),
            Err(error) => {
                self.assert_hides(&error);
                tell_error(&mut told, &error, &self.issuer);
            }
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

    /// Only of an OAuth error the code and its description are shown. Names of members are no secret.
    fn assert_hides(&self, error: &Error) {
        let whole = format!("{error:?} {error}");
        assert!(!whole.contains("planted"), "{}: {whole}", self.name);
        let body = String::from_utf8_lossy(&self.body);
        if body.contains("\"error\"") || body.contains("error=") {
            return;
        }
        let members = ["access_token", "token_type", "expires_in", "expires_on", "expires_at"];
        let said: Vec<_> = words(error.what()).collect();
        for word in words(&body).filter(|word| word.len() >= 4 && !members.contains(word)) {
            assert!(!said.contains(&word), "{}: {word} is shown in {error}", self.name);
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !"_-".contains(c))
}
