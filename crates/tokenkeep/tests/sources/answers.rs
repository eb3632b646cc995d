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
use tokenkeep::{Clock, Error, Key, Moment, Secret, Token, TokenManager};

use crate::support::{Playback, Script, client};

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
            let text = fs::read_to_string(folder.join("expected.txt")).unwrap();
            let expected: String = text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect();
            let grant = expected.lines().next().and_then(|line| line.strip_prefix("grant: ")).unwrap();
            cases.push(Self {
                name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
                grant: grant.to_owned(),
                expected,
                issuer: Playback::start(Script::Once(answer(&folder))).await,
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

fn tell_token(told: &mut String, token: &Token) {
    let authorization = token.authorization();
    writeln!(told, "authorization: {}", authorization.to_str().unwrap()).unwrap();
    if let Some(scope) = token.scope() {
        writeln!(told, "scope: {scope}").unwrap();
    }
    writeln!(told, "expires_in: {} s", token.expires_in().unwrap().as_secs_f32()).unwrap();
}

fn tell_error(told: &mut String, error: &Error, issuer: &Playback) {
    let debug = format!("{error:?} {error}");
    assert!(!debug.contains("planted"), "{debug}");
    writeln!(told, "error: {}", error.code()).unwrap();
    writeln!(told, "what: {}", error.what().replace(&issuer.address().to_string(), "HOST")).unwrap();
    if let Some(next) = error.next() {
        writeln!(told, "next: {next}").unwrap();
    }
    if let Some(after) = error.retry_after().filter(|after| after.as_secs() > 1) {
        writeln!(told, "retry_after: {} s", after.as_secs()).unwrap();
    }
}

/// The bytes to play back.
fn answer(case: &Path) -> Vec<u8> {
    let text = fs::read(case.join("answer.http")).unwrap();
    let split = text.windows(2).position(|pair| pair == b"\n\n").unwrap_or(text.len() - 1);
    let head = std::str::from_utf8(&text[..split]).unwrap().replace('\n', "\r\n");
    let body = fs::read(case.join("body")).unwrap_or_else(|_| text.get(split + 2..).unwrap_or_default().to_vec());
    let lower = head.to_ascii_lowercase();
    let framed = lower.contains("content-length:") || lower.contains("transfer-encoding:");
    let length = if framed { String::new() } else { format!("\r\nContent-Length: {}", body.len()) };
    [format!("{head}{length}\r\n\r\n").as_bytes(), &body].concat()
}

/// A clock that stands still at noon of 1 January 2026.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Moment {
        Moment { wall_ms: 1_767_268_800_000, boot_ms: 1_000_000 }
    }

    fn boot_id(&self) -> &'static str {
        "boot"
    }
}
